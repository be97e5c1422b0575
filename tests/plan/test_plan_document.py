"""The document: same bytes, read back whole, later minors read, everything else refused with the place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aios.plan import plan_text, read_plan, stale
from aios.records.errors import InputError
from aios.records.plan import Plan
from aios.records.selection import Clause, Conflict

BEFORE = {"1.0": "degrees", "1.1": "notes", "1.2": "count", "1.3": "pipelines", "1.4": "made_from"}
"""Earlier format -> a key of the next one."""
FOLDER = Path(__file__).parent / "golden"
GOLDEN = FOLDER / "plan-1.5.json"


def identified(document: dict[str, Any]) -> str:
    """Give a document the id of its content, the way that a stranger would compute it from the contract's words."""
    content = {name: value for name, value in document.items() if name != "id"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return json.dumps({**document, "id": "sha256:" + hashlib.sha256(text.encode()).hexdigest()}, indent=2)


@pytest.mark.parametrize("version", BEFORE)
def test_a_plan_of_an_earlier_format_is_still_read(version: str, planned: Callable[..., Plan]) -> None:
    text = (FOLDER / f"plan-{version}.json").read_text()
    plan, now = read_plan(text, "plan.json"), planned()
    assert plan.format_version == version
    assert f'"{BEFORE[version]}"' not in text, "a key of a later format: else this test sees nothing"
    assert (plan.decisions, plan.actions, plan.claims) == (now.decisions, now.actions, now.claims)


def test_a_plan_of_this_format_is_read_and_still_written(planned: Callable[..., Plan], given: dict[str, Any]) -> None:
    text = GOLDEN.read_text()
    plan = read_plan(text, str(GOLDEN))
    assert plan_text(plan) == text
    assert plan == planned(selection=given["selection"].model_copy(update={"refused": {"nightly": 2}}))


def test_the_id_is_what_a_stranger_computes(planned: Callable[..., Plan]) -> None:
    document = json.loads(plan_text(planned()))
    assert json.loads(identified(document))["id"] == document["id"]


def test_places_are_written_as_people_write_them(planned: Callable[..., Plan], given: dict[str, Any]) -> None:
    where = given["intents"][0].require[0].where
    clause = Clause(id="x", intent="sort-mail", text="latency.p99 <= 20 ms", where=where)
    conflict = Conflict(clauses=(clause,), relaxations=())
    selection = given["selection"].model_copy(update={"status": "infeasible", "conflict": conflict})
    text = plan_text(planned(selection=selection))
    assert json.loads(text)["conflict"]["clauses"][0]["where"] == "intents/sort-mail.yaml:11:19"
    again = read_plan(text, "plan.json")
    assert again.conflict == conflict


def test_unknown_keys_of_a_later_minor_are_ignored(planned: Callable[..., Plan]) -> None:
    plan = planned()
    document = json.loads(plan_text(plan))
    document["format_version"] = "1.7"
    document["weather"] = {"rain": True}
    document["actions"][1]["colour"] = "red"
    document["actions"][0]["after"]["serve"]["tls"] = None
    read = read_plan(identified(document), "plan.json")
    assert read.actions == plan.actions
    assert read.format_version == "1.7"


def refusal(text: str) -> Any:
    with pytest.raises(InputError) as caught:
        read_plan(text, "plan.json")
    assert all(item.where is not None and item.command for item in caught.value.diagnostics)
    return caught.value.diagnostics[0]


def test_another_major_version_is_refused(planned: Callable[..., Plan]) -> None:
    document = json.loads(plan_text(planned())) | {"format_version": "2.0"}
    assert "format 2.0" in refusal(identified(document)).summary


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"format_version": 1.0}', '{"format_version": "x"}', "nan"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    refusal(text)


def test_broken_json_is_refused_where_it_breaks(planned: Callable[..., Plan]) -> None:
    lines = plan_text(planned()).split("\n")
    lines[3] = lines[3].replace(":", "", 1)
    found = refusal("\n".join(lines))
    assert found.where.line == 4
    assert found.line_text == lines[3]


@pytest.mark.parametrize("name", ["../../x", "/etc", "a/b/c", "a b", "A", "a\nb", "\x1b[2J", "", "-", "a" * 64])
@pytest.mark.parametrize("where", ["decisions", "actions", "claims"])
def test_names_that_no_intent_can_have_are_refused(planned: Callable[..., Plan], name: str, where: str) -> None:
    document = json.loads(plan_text(planned()))
    document[where][0]["intent" if where == "decisions" else "address"] = name
    assert "is no name of a service" in refusal(identified(document)).summary


@pytest.mark.parametrize("text", ["soon", "2027-03-01T10:00:00", "", "9" * 99])
def test_an_expiry_that_is_none_is_refused(planned: Callable[..., Plan], text: str) -> None:
    document = json.loads(plan_text(planned())) | {"valid": {"made_at": "2027-03-01T10:00:00Z", "expires_at": text}}
    assert "valid.expires_at" in refusal(identified(document)).summary


def test_a_wrong_value_is_refused_where_it_stands(planned: Callable[..., Plan]) -> None:
    document = json.loads(plan_text(planned()))
    document["actions"][1]["after"]["batch"] = "many"
    text = identified(document)
    found = refusal(text)
    assert "actions.1.after.batch" in found.summary
    assert found.line_text == text.split("\n")[found.where.line - 1]
    assert '"many"' in found.line_text


def test_a_plan_changed_by_hand_is_refused(planned: Callable[..., Plan]) -> None:
    text = plan_text(planned()).replace('"replicas": 2', '"replicas": 200', 1)
    assert "changed after it was made" in refusal(text).summary


def test_hostile_text_is_refused_and_nothing_else(planned: Callable[..., Plan]) -> None:
    document = json.loads(plan_text(planned()))
    refusal("[" * 100_000)
    refusal(json.dumps(document | {"extra": "\ud800"}))
    refusal('{"format_version": "1.0", "id": ' + "9" * 5000 + "}")


@pytest.mark.parametrize("step", [1, 97])
def test_a_plan_torn_anywhere_is_refused(planned: Callable[..., Plan], step: int) -> None:
    text = plan_text(planned()).rstrip("\n")
    ends = range(len(text) - 40, len(text)) if step == 1 else range(0, len(text), step)
    for end in ends:
        refusal(text[:end])


def test_each_stale_fingerprint_is_named(planned: Callable[..., Plan]) -> None:
    plan = planned()
    assert stale(plan, plan.inputs) == ()
    for name in ("intents", "fleet", "models", "profiles", "catalogue"):
        found = stale(plan, plan.inputs.model_copy(update={name: "sha256:00"}))
        assert len(found) == 1
        assert "sha256:00" in (found[0].reason or "")
    moved = stale(plan, plan.inputs.model_copy(update={"state": "new:3"}))
    assert "applied since" in moved[0].summary
    assert "serial 0 of the state, now serial 3" in (moved[0].reason or "")
    first = stale(plan, plan.inputs.model_copy(update={"state": "mine:2"}))
    assert "applied since" in first[0].summary, "the first save gives the state its lineage"
    applied = plan.model_copy(update={"inputs": plan.inputs.model_copy(update={"state": "mine:2"})})
    other = stale(applied, plan.inputs.model_copy(update={"state": "other:2", "fleet": "f"}))
    assert [item.summary.split(" ", 2)[1] for item in other] == ["fleet", "state"]
