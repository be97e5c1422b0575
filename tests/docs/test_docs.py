"""Every example in the documentation runs.

In ``docs/``: ``yaml`` blocks of kind Intent or Fleet are checked by the parser, and a block after
``<!-- file: NAME -->`` is written under that name; ``console`` blocks run command by command, and print what they say;
``python`` blocks run; all others are only shown. In READMEs the same holds for blocks after ``<!-- tested -->``.
"""

import re
import shutil
from pathlib import Path

import pytest

from aios.catalogue import root
from aios.fleet import compile_fleet, load_catalogue
from aios.intents import compile_intents
from aios.records.document import parse
from aios.records.metrics import METRICS
from aios.records.modelstore import SCHEME
from aios.records.units import Dimension, parse_quantity, si_unit, units_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
READMES = [path for path in (ROOT / "README.md", *sorted(ROOT.glob("examples/*/README.md"))) if path.is_file()]
MEASURE = ("$ aios profile", "$ aios verify", "$ aios demo")
"""Commands that measure this machine and say whether what was measured keeps a promise."""
SHOWN_ONLY = {"", "text", "sh", "json", "yaml", "python", "console", "toml"}


def is_tested(block):
    return block.mark == "tested"


def tried(pages):
    """Return the pages as parameters; those that measure are not tried beside other work."""
    measuring = [any(command in page.read_text(encoding="utf-8") for command in MEASURE) for page in pages]
    return [pytest.param(page, marks=[pytest.mark.alone] * found) for page, found in zip(pages, measuring, strict=True)]


@pytest.mark.parametrize("page", tried(PAGES), ids=lambda path: path.stem)
def test_a_page_does_what_it_says(page, trial, with_database):
    if "$ curl " in page.read_text(encoding="utf-8") and shutil.which("curl") is None:
        pytest.skip("this page uses curl, which is not installed here")
    with_database(page)
    trial.try_page(page)


@pytest.mark.parametrize("readme", tried(READMES), ids=lambda path: path.parent.name)
def test_a_readme_does_what_it_says_where_it_says_so(readme, checkout, blocks_of):
    marked = [block for block in blocks_of(readme) if is_tested(block)]
    assert checkout.try_page(readme, is_tested) == len(marked), "a tested block is of a language that is not run"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_intent_and_fleet_of_a_page_is_valid(page, trial, blocks_of, monkeypatch):
    monkeypatch.chdir(trial.place)
    for block in blocks_of(page):
        assert block.language in SHOWN_ONLY, f"{page.name}:{block.line}: nobody looks at {block.language!r} blocks"
        if block.language != "yaml" or block.mark.startswith("file: broken"):
            continue
        documents = parse(block.text.encode(), f"{page.name}.yaml")
        named: list[str] = []
        for intent in compile_intents([document for document in documents if document.kind == "Intent"]).intents:
            stored = [choice for choice in intent.models if choice.path.startswith(SCHEME)]
            named += (choice.path for choice in intent.models if not choice.card and choice not in stored)
            files = (*intent.data.evaluate, *intent.data.calibrate)
            named += (path for path in files if isinstance(path, str))  # pictures and lines are the reader's own
        missing = [path for path in named if not Path(path).is_file()]
        assert not missing, f"{page.name}:{block.line} names files that the example has not: {missing}"
        for document in documents:
            if (
                document.kind == "Fleet" and "include" not in document.data["spec"]
            ):  # else a command of the page reads it
                compile_fleet([document], load_catalogue(root() / "hardware"), page.name)


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def rows_of_table(page, first_heading):
    """Return the cells of the table whose header begins with ``first_heading``."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_table_of_metrics_is_the_vocabulary():
    rows = {name.strip("`"): rest for name, *rest in rows_of_table("intents.md", "metric")}
    assert rows.pop("accuracy.MEASURE") == ["at least", "1", "Share of right answers on the data, such as `top1`."]
    assert list(rows) == list(METRICS)
    for name, metric in METRICS.items():
        bound = "at most" if metric.better == "lower" else "at least"
        assert rows[name] == [bound, metric.unit, metric.doc], name


def test_the_table_of_units_holds_what_is_read():
    rows = {kind: (units, example) for kind, units, example in rows_of_table("intents.md", "quantity")}
    for kind, (units, example) in rows.items():
        dimension = Dimension(kind)
        known = set(units_of(dimension))
        for unit in re.findall(r"`([^`]+)`", units):
            assert unit in known, f"{unit} is no {kind}"
        assert parse_quantity(example.strip("`"), dimension) > 0
    wanted = {metric.dimension.value for metric in METRICS.values()} | {
        "fraction",
        "bandwidth",
        "compute rate",
        "frequency",
    }
    assert set(rows) == wanted
    assert all(si_unit(Dimension(kind)) for kind in rows)


def test_every_field_of_an_intent_is_explained():
    from aios.intents.written import (
        ConstraintsForm,
        DataForm,
        LatencyForm,
        LoadForm,
        Metadata,
        RequireForm,
        ServeForm,
        Spec,
    )

    text = (ROOT / "docs" / "intents.md").read_text(encoding="utf-8")
    forms = (Metadata, Spec, DataForm, LoadForm, LatencyForm, RequireForm, ConstraintsForm, ServeForm)
    names = {name for form in forms for name in form.model_fields}
    unexplained = [name for name in sorted(names) if not re.search(rf"`(?:[a-z]+\.)*{name}`", text)]
    assert not unexplained


def test_every_field_of_a_fleet_is_explained():
    from aios.fleet.forms import device, fleet, topology
    from aios.fleet.forms.device import MatchForm, PerCoreForm, Written

    text = (ROOT / "docs" / "fleets.md").read_text(encoding="utf-8")
    modules = (device, fleet, topology)
    forms = {item for module in modules for item in vars(module).values() if isinstance(item, type)}
    forms = {form for form in forms if issubclass(form, Written)} - {MatchForm, PerCoreForm}  # for the catalogue
    names = {info.alias or name for form in forms for name, info in form.model_fields.items()}
    unexplained = [name for name in sorted(names) if not re.search(rf"`(?:[^`\n]*\W)?{name}\b", text)]
    assert not unexplained


BAD_PAGE = """\
```console
$ echo one 2 three
{said}
```
"""


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ("one 57 three", True),
        ("...", True),
        ("one ...", True),
        ("one 2 four", False),
        ("", False),
        ("one 2\n...", False),
        ("one 2 three\nfour", False),
    ],
)
def test_the_checker_of_pages_finds_what_is_wrong(said, fits, trial):
    page = trial.place / "page.md"
    page.write_text(BAD_PAGE.format(said=said))
    if fits:
        assert trial.try_page(page) == 1
    else:
        with pytest.raises(AssertionError, match="and the page says"):
            trial.try_page(page)


def test_an_exit_code_has_to_be_told(trial):
    page = trial.place / "page.md"
    page.write_text("```console\n$ false\n```\n")
    with pytest.raises(AssertionError, match="exited with 1"):
        trial.try_page(page)
    page.write_text("```console\n$ false\n$ echo $?\n1\n```\n")
    trial.try_page(page)
