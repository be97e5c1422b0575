"""Device tree source (``.dts``), and text like it, -> Tree.

Reads the language of ``dtc`` (Devicetree Specification 0.4, appendix A) and, beyond it, nodes without a root, decimals,
and names and texts inside ``<...>``. Nothing is preprocessed: what only ``#define`` could tell is kept as a Word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aios_plugins.devicetree.scanner import INCLUDE, Stopped, given_file
from aios_plugins.devicetree.tree import MAX_DEPTH, Node, Ref, Tree
from aios_plugins.devicetree.values import REF, ValueScanner

__all__ = ["included_by", "read_source"]

_NAME = re.compile(r"[A-Za-z0-9,._+*#?@-]+")
_DIRECTIVE = re.compile(r"/(dts-v1|plugin|memreserve|delete-node|delete-property|omit-if-no-ref)/")


def included_by(text: str, given: Mapping[str, str]) -> set[str]:
    """Return the files of ``given`` that ``text`` includes."""
    names = (found[1] or found[2] for line in text.split("\n") if (found := INCLUDE.match(line)))
    return {file for name in names if (file := given_file(name, given)) is not None}


def read_source(file: str, texts: Mapping[str, str]) -> Tree:
    """Return the tree that ``file`` of ``texts`` (file name -> content) holds; includes are sought among ``texts``.

    Raises InputError with every mistake: file, line, column, remedy.
    """
    tree = Tree()
    _Parser(file, texts, tree).run()
    tree.index_phandles()
    return tree


class _Parser(ValueScanner):
    """Reads a file into a tree. unresolved: labels that are extended and nobody defines -> place."""

    def __init__(self, file: str, texts: Mapping[str, str], tree: Tree) -> None:
        super().__init__(file, texts)
        self.tree = tree
        self.unresolved: dict[str, str] = {}
        self.parents: dict[int, Node] = {}  # id of a node -> the one that it stands in
        self.loose: dict[str, Node] = {}

    def run(self) -> None:
        """Read the whole text; raises InputError with every mistake."""
        try:
            while self.skip():
                self._top()
        except Stopped:
            pass
        self.raise_any()
        file, left_out = self.file, self.tree.left_out
        if self.absent:
            left_out.append(f"{file}: these included files were not given: {', '.join(self.absent)}")
        if self.undecided:
            left_out.append(f"`#if` cannot be decided, every branch was read ({', '.join(self.undecided[:10])})")
        for target, place in self.unresolved.items():
            left_out.append(f"{place}: `&{target}` extends a node that is not in the given files")

    def _top(self) -> None:
        """Read what stands outside of all nodes: a directive, the root, a node that is extended, a loose node."""
        if found := self.match(_DIRECTIVE):
            self._directive(found[1], None)
            return
        labels = self.labels()
        start = self.at
        if reference := self.match(REF):
            self._extended(reference[1] or reference[2], labels)
        elif self.take("/"):
            self.tree.root = self.tree.root or Node("/", *self.where(start), self.file)
            self._body(self.tree.root, labels, 1, "the root node")
        elif name := self.match(_NAME):
            self._loose(name, labels)
        else:
            shown = self.text[self.at : self.at + 1]
            if shown == "}":
                self.wrong("this `}` closes nothing", remedy="delete it, or look for a `{` that is missing above")
            else:
                self.wrong(f"a node is wanted here, not `{shown}`", remedy="write `name { property = <value>; };`")
            self.at += 1
            self.recover()

    def _loose(self, name: re.Match[str], labels: list[str]) -> None:
        ahead = self.next_mark()
        if ahead in ("=", ";"):
            remedy = "put it inside `name { ... };`"
            self.wrong(f"the property `{name[0]}` stands outside of every node", name.start(), remedy)
            self.recover()
            return
        if ahead == "(":
            self._macro_call()
            return
        node = Node(name[0], *self.where(name.start()), self.file)
        twin = self.loose.setdefault(node.name, node)
        if twin is not node:
            self.wrong(
                f"there are two nodes called `{node.name}`",
                name.start(),
                f"give each its own name, or an address: `{node.base}@1`",
                f"the other stands on line {twin.line}",
            )
        self.tree.loose.append(node)
        self._body(node, labels, 1, f"node `{node.name}`")

    def _extended(self, target: str, labels: list[str]) -> None:
        node = self.tree.target(Ref(target))
        if node is None:
            self.unresolved.setdefault(target, f"{self.file}:{self.where()[0]}")
            node = Node(target)
        self._body(node, labels, 1, f"`&{target}`")

    def _body(self, node: Node, labels: list[str], depth: int, what: str) -> None:
        """Read ``{ ... };`` into ``node``."""
        node.labels += labels
        self.tree.labels.update(dict.fromkeys(labels, node))
        start = self.at
        if not self.take("{"):
            self.wrong(f"`{{` is missing after {what}", start, f"write `{node.name} {{ ... }};`")
            self.recover()
            return
        if depth > MAX_DEPTH:
            self.wrong(f"nodes are nested more than {MAX_DEPTH} levels deep", start)
            raise Stopped
        here: dict[str, int] = {}  # what this very block defines -> its line
        while self.skip():
            if self.ahead("}"):
                self.at += 1
                self.semicolon(f"the `}}` of {what}")
                return
            self._statement(node, depth, here)
        self.wrong(f"{what} does not end", start, "close it with `};`")
        raise Stopped

    def _statement(self, node: Node, depth: int, here: dict[str, int]) -> None:
        """Read a property or a child."""
        above = self.above
        if found := self.match(_DIRECTIVE):
            self._directive(found[1], node)
            return
        labels = self.labels()
        name = self.match(_NAME)
        if name is None:
            self.wrong(f"a property or a node is wanted here, not `{self.text[self.at : self.at + 1]}`")
            self.at += 1
            self.recover()
        elif self.next_mark() == "(":
            self._macro_call()
        elif self.next_mark() == "{":
            self._once(name, "node", here)
            child = node.children.setdefault(name[0], Node(name[0], *self.where(name.start()), self.file))
            self.parents[id(child)] = node
            self._body(child, labels, depth + 1, f"node `{name[0]}`")
        else:
            self._once(name, "property", here)
            node.properties[name[0]] = self.property(name, above)

    def _once(self, name: re.Match[str], what: str, here: dict[str, int]) -> None:
        key, line = f"{what} {name[0]}", self.where(name.start())[0]
        if key in here and not self.undecided:
            remedy = "keep one of the two" if what == "property" else "give each its own name or address"
            reason = f"it already stands on line {here[key]}"
            self.wrong(f"the {what} `{name[0]}` is written twice", name.start(), remedy, reason)
        here.setdefault(key, line)

    def _directive(self, name: str, node: Node | None) -> None:
        self.tree.overlay |= name == "plugin"
        self.skip()
        if name == "omit-if-no-ref":  # only says that the node that follows may be dropped
            return
        if name == "delete-node" and (reference := self.match(REF)):
            self._delete(self.tree.target(Ref(reference[1] or reference[2])))
        elif node is not None and name.startswith("delete") and (found := self.match(_NAME)):
            if name == "delete-property":
                node.properties.pop(found[0], None)
            else:
                node.children.pop(found[0], None)
        elif name == "memreserve":
            self.at = max(self.text.find(";", self.at), self.at)
        self.semicolon(f"`/{name}/`")

    def _delete(self, gone: Node | None) -> None:
        parent = self.parents.get(id(gone))
        if gone is not None and parent is not None and parent.children.get(gone.name) is gone:
            del parent.children[gone.name]

    def _macro_call(self) -> None:
        """Pass over ``MACRO(...)`` where a statement stands; only a preprocessor knows what it means."""
        line, _ = self.where()
        self.skip()
        self.parenthesised()
        self.take(";")
        self.tree.left_out.append(f"{self.file}:{line}: a macro that only a preprocessor can resolve")
