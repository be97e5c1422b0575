"""Documents of kind Policy: their form, and the rules that they state."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from aios.policy.judging import Stated
from aios.records.base import Record, digest_of
from aios.records.document import Document, check
from aios.records.errors import BadValue, Diagnostic, InputError
from aios.records.forms import Many
from aios.records.names import Name
from aios.records.policy import About, Rule

__all__ = ["PolicyForm", "compile_policies", "digest_of_rules"]

_MOST_CHARACTERS = 4000
"""Of one expression or message; a rule that needs more is several."""


def _short(text: str) -> str:
    if not text.strip():
        raise BadValue("an expression is wanted here, not an empty text", "write one such as `plan.moves > 3`")
    if len(text) > _MOST_CHARACTERS:
        raise BadValue(f"a text of {len(text)} characters; at most {_MOST_CHARACTERS} are read", "make several rules")
    return text


def _closed(text: str) -> str:
    plain = text.replace("{{", "").replace("}}", "")
    if plain.count("{") != plain.count("}"):
        raise BadValue("a brace is opened or closed alone", "write `{intent.name}` for a value, `{{` for a brace")
    return _short(text)


Expression = Annotated[str, AfterValidator(_short)]
Message = Annotated[str, AfterValidator(_closed)]


class PolicyMetadata(Record):
    """What identifies a policy."""

    name: Name = Field(description="Name of the policy, one among those that are checked together.")
    labels: Mapping[str, str] = Field({}, description="Free labels.")


class RuleForm(Record):
    """One rule. It is broken where its condition is true."""

    name: Name = Field(description="Name of the rule, one in its policy.")
    for_: About = Field(
        "plan",
        alias="for",
        description="What the condition is asked of: the plan once, or every decision, claim or action of it.",
    )
    labels: Mapping[str, str] = Field(
        {}, description="Ask only of intents with all of these labels.", examples=[{"environment": "production"}]
    )
    deny: Expression | None = Field(
        None, description="CEL: where it is true, there is no plan to apply.", examples=["decision.replicas < 2"]
    )
    warn: Expression | None = Field(None, description="CEL: where it is true, a warning is printed.")
    message: Message | None = Field(
        None,
        description="What to say, with CEL in braces.",
        examples=["{intent.name} runs on {decision.replicas} replica"],
    )
    remedy: Expression | None = Field(None, description="What to do about it.")


class PolicySpec(Record):
    """Rules that belong together."""

    rules: Many[RuleForm] = Field(description="The rules, in any order.")


class PolicyForm(Record):
    """Rules that a plan must keep."""

    apiVersion: Literal["aios/v1"] = Field(description="Version of this form.")
    kind: Literal["Policy"] = Field(description="What this document is.")
    metadata: PolicyMetadata = Field(description="What identifies it.")
    spec: PolicySpec = Field(description="The rules.")


def compile_policies(documents: Sequence[Document]) -> tuple[Stated, ...]:
    """Return all rules of documents of kind Policy, in order of their names. Raises InputError with every mistake."""
    mistakes: list[Diagnostic] = []
    found: dict[str, Stated] = {}
    for document in documents:
        try:
            form = check(document, PolicyForm)
        except InputError as error:
            mistakes += error.diagnostics
            continue
        for index, rule in enumerate(form.spec.rules):
            stated, own = _stated(document, form.metadata.name, index, rule)
            mistakes += own
            if stated is not None:
                first = found.setdefault(stated.name, stated)
                if first is not stated:
                    mistakes.append(_doubled(stated, first))
    if mistakes:
        raise InputError(*mistakes)
    return tuple(found[name] for name in sorted(found))


def digest_of_rules(rules: Sequence[Stated]) -> str | None:
    """Return the digest of what rules say, wherever they stand; None where there are none."""
    said = {stated.name: stated.rule.model_dump(mode="json", exclude={"where"}) for stated in rules}
    return digest_of(said) if said else None


def _stated(document: Document, policy: str, index: int, form: RuleForm) -> tuple[Stated | None, list[Diagnostic]]:
    path = ("spec", "rules", index)
    given = [name for name in ("deny", "warn") if getattr(form, name) is not None]
    if len(given) != 1:
        what = "states neither `deny` nor `warn`" if not given else "states both `deny` and `warn`"
        remedy = "write one of them" if not given else "make two rules of it"
        return None, [document.diagnostic((*path, *given[1:]), f"the rule `{form.name}` {what}", remedy=remedy)]
    severity: Literal["deny", "warn"] = "deny" if form.deny is not None else "warn"
    if form.labels and form.for_ == "plan":
        summary = f"the rule `{form.name}` is asked of the plan, which has no labels"
        return None, [document.diagnostic((*path, "labels"), summary, remedy="add `for: decision`")]
    rule = Rule(
        name=form.name,
        about=form.for_,
        labels=form.labels,
        severity=severity,
        condition=form.deny or form.warn or "",
        message=form.message,
        remedy=form.remedy,
        where=document.span((*path, severity)),
    )
    return Stated(policy, rule, document, path), []


def _doubled(stated: Stated, first: Stated) -> Diagnostic:
    return stated.document.diagnostic(
        (*stated.path, "name"),
        f"two rules are called `{stated.name}`",
        reason=f"the first stands at {first.rule.where}",
        remedy="give each its own name",
    )
