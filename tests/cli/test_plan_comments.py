"""A plan as a comment: what is told, that it stays the same, and that nothing in it is obeyed."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_plans import action, claim, deployment, plan_of
from markdown_it import MarkdownIt

from aios.cli.commenting import MOST_BYTES, comment
from aios.cli.markdown import code, table_of, told
from aios.records.policy import Finding, Ruling
from aios.records.selection import Clause, Conflict, Relaxation

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = re.compile(r"<!-- aios:plan:[A-Za-z0-9._/,:-]* -->|<details><summary>[A-Za-z0-9 ,]*</summary>|</details>")
EXPECTED = {"heading", "paragraph", "table", "thead", "tbody", "tr", "th", "td", "bullet_list", "list_item", "inline"}
HOSTILE = [
    "a|b",
    "x` | y",
    "\\| z",
    "```\n# head",
    "<script>alert(1)</script>",
    "--><img src=x onerror=y>",
    "</summary></details>",
    "@everyone",
    "#1 and GH-2 and a/b#3",
    "![i](http://x.org/y)",
    "[l](javascript:x)",
    "www.example.org",
    "https://example.org",
    "**b** _i_ ~~s~~",
    "\x1b[31mred\x1b[0m\x07",
    "\u202egnp.exe",
    "a\r\n\r\n- b\n> c",
    "&lt;b&gt; &#64;x",
    ":+1: $x$",
    "1. one",
    "me@example.org",
    "/close",
    "%12 and !3 and ~bug",
    "",
]


def elements(text):
    """Return the kinds of elements, without what is ours or plain; and the cells of each row of the tables."""
    found = set()
    for token in MARKDOWN.parse(text):
        if token.type == "html_block":
            assert not OURS.sub("", token.content).strip(), token.content
            continue
        kind = re.sub("_(open|close)$", "", token.type)
        if kind not in EXPECTED:
            found.add(kind)
        found |= {child.type for child in token.children or ()} - {"text", "code_inline", "strong_open", "strong_close"}
    return found


def test_a_change_is_told_with_figures_before_and_after():
    before = (
        claim("digits", "latency.p99", 0.012, "s", "latency.p99 <= 20 ms"),
        claim("digits", "carbon", 30, "gCO2/h"),
    )
    after = (
        claim("digits", "latency.p99", 0.009, "s", "latency.p99 <= 10 ms"),
        claim("digits", "carbon", 15, "gCO2/h"),
    )
    change = action("digits", "update", "batch 1 -> 2", before=deployment(), after=deployment(batch=2), promised=before)
    text = comment(plan_of([change], after))
    assert "### aios plan: 1 to update, proved optimal" in text
    assert (
        "| latency.p99 | 12 ms | 9 ms | -25 % | analytic | latency.p99 &lt;= 20 ms → latency.p99 &lt;= 10 ms |" in text
    )
    assert "| carbon | 30 gCO2/h | 15 gCO2/h | -50 % | analytic |  |" in text
    assert "| carbon, all services | 30 gCO2/h | 15 gCO2/h | -50 % |" in text
    assert "| update | `digits` | batch 1 -&gt; 2 |" in text


def test_what_stays_is_folded_away_apart_from_what_is_predicted_otherwise():
    stands = deployment("a")
    kept = [action(name, "keep", before=stands, after=stands) for name in ("a", "b")]
    kept[1] = kept[1].model_copy(update={"promised": (claim("b", "power", 2, "W"),)})
    text = comment(plan_of(kept, [claim("a", "power", 1, "W"), claim("b", "power", 1, "W")]))
    assert "### aios plan: no change" in text
    assert "<summary>1 intent of which nothing changes</summary>\n\n`a`" in text
    assert "#### `b`: keep" in text
    assert "| power | 2 W | 1 W | -50 % |" in text
    assert "| power, all services | 3 W | 2 W |" in text


def test_a_conflict_is_told_with_its_places_and_what_would_do():
    clause = Clause(
        id="digits/x", intent="digits", text="latency.p99 <= 1 ms", where={"file": "a.yaml", "line": 3, "column": 5}
    )
    conflict = Conflict(clauses=(clause,), relaxations=(Relaxation(clause="digits/latency.p99", to="2.9 ms"),))
    text = comment(plan_of(status="infeasible", conflict=conflict))
    assert "- `digits`: latency.p99 &lt;= 1 ms at `a.yaml:3:5`" in text
    assert "- `digits/latency.p99` → 2.9 ms" in text


def test_what_policies_say_is_told_first_with_rule_and_place():
    rulings = [
        Ruling(
            rule=f"team/{outcome}",
            severity=outcome,
            outcome=outcome,
            asked=1,
            findings=(Finding(subject="digits", message=f"one replica, {outcome} of @all"),),
            where={"file": "policy.yaml", "line": 3, "column": 9},
        )
        for outcome in ("warn", "deny")
    ]
    text = comment(plan_of([action("digits", "create", after=deployment())], rulings=tuple(rulings)))
    assert "### aios plan: denied by policies, nothing can be applied (1 to create)" in text
    assert "- **denied** by `team/deny` at `policy.yaml:3:9`: `digits`: `one replica, deny of @all`" in text
    assert text.index("**denied** by") < text.index("- warning by `team/warn`") < text.index("| action |")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_not_obeyed(text):
    check_harmless(text)


@given(st.text(max_size=40))
def test_no_words_are_obeyed(text):
    check_harmless(text)


def check_harmless(text):
    page = f"{table_of(['a', 'b'], [[code(text), told(text)], ['x', 'y']])}\n\n- {told(text)}\n- {code(text)}\n"
    assert not elements(page)
    tokens = MARKDOWN.parse(page)
    assert [token.type for token in tokens].count("td_open") == 4
    assert [token.type for token in tokens].count("list_item_open") == 2
    assert not {"\x1b", "\u202e"} & set(page)
    cells = ([child.content for child in token.children or () if child.type == "text"] for token in tokens)
    spoken = "\n".join(map("".join, cells))
    assert not re.search(r"@|#\d|[!%]\w|://|www\.", spoken)
    assert not re.search("^/", page, re.MULTILINE), "GitLab would carry it out"


@given(st.sampled_from(HOSTILE), st.sampled_from(HOSTILE))
def test_a_comment_holds_nothing_but_its_own_elements(name, reason):
    claims = [claim(name, "accuracy.x|y", 0.5, "1", reason)]
    old, new = deployment(name, model=reason), deployment(name, model=name, device=reason)
    conflict = Conflict(clauses=(Clause(id="c", intent=name, text=reason),), relaxations=(), notes=(reason,))
    changed = plan_of(
        [action(name, "replace", reason, before=old, after=new)], claims, files={"intents": [name, reason]}
    )
    for plan in (changed, plan_of(status="infeasible", conflict=conflict)):
        text = comment(plan, [reason])
        assert not elements(text)
        assert text.startswith("<!-- aios:plan:")
        assert text.split("\n", 1)[0].count("--") == 2


def test_a_comment_stays_within_what_is_taken_and_says_what_was_cut():
    names = [f"service-{number:04}-{'x' * 50}" for number in range(1000)]
    actions = [action(name, "create", after=deployment(name)) for name in names]
    text = comment(plan_of(actions, [claim(name, "power", 1, "W") for name in names]))
    assert len(text.encode()) <= MOST_BYTES
    cut = re.search(r"\*\*Cut\*\*.*: ([\d,]+) more actions; ([\d,]+) more intents that change", text)
    told_of = text.count("| create | ")
    assert told_of + int(cut[1].replace(",", "")) == 1000
    assert not elements(text)


def test_show_tells_a_saved_plan_without_what_it_was_made_from(aios, asked, fleet):
    aios.write("intent.yaml", asked(pin="{executor: dryrun, precision: fp32, threads: 1, batch: 1, replicas: 1}"))
    made = aios("plan", "intent.yaml", "-o", "plan.json", "--markdown-into", "comment.md")
    assert made.code == 0, made.err
    fleet.unlink()
    (aios.place / "intent.yaml").unlink()
    words = aios("show", "plan.json")
    assert words.code == 0
    for line in ("+ create  digits: nothing stands yet", "next: aios apply plan.json"):
        assert line in words.out
        assert line in made.out
    table = made.out[made.out.index("INTENT  PROMISE") : made.out.index("objective")]
    assert table in words.out
    assert aios("show", "plan.json", "--markdown").out == (aios.place / "comment.md").read_text()
    assert aios("show", "plan.json", "--json").out == (aios.place / "plan.json").read_text()


@pytest.mark.usefixtures("fleet")
def test_show_refuses_what_is_no_whole_plan(aios, asked):
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    aios("plan", "intent.yaml", "-o", "plan.json")
    whole = (aios.place / "plan.json").read_text()
    aios.write("edited.json", whole.replace('"nothing stands yet"', '"\\u001b[2Jall is well"'))
    aios.write("newer.json", json.dumps(json.loads(whole) | {"format_version": "2.0"}))
    aios.write("half.json", whole[: len(whole) // 2])
    for name, said in (
        ("edited.json", "was changed after it was made"),
        ("newer.json", "format 2.0"),
        ("half.json", "damaged"),
        ("none.json", "there is no plan"),
    ):
        ran = aios("show", name)
        assert (ran.code, ran.out) == (1, "")
        assert said in ran.err


@pytest.mark.usefixtures("fleet")
def test_the_comment_on_the_same_plan_is_the_same_when_made_again(aios, asked):
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    first = aios("plan", "intent.yaml", "--markdown").out
    assert aios("plan", "intent.yaml", "--markdown").out == first
    assert not re.search(r"sha256|\d\d:\d\d", first)
    assert aios("apply", "intent.yaml", "--yes").code == 0
    aios.write("intent.yaml", asked(pin="{executor: dryrun}", rate="40/s"))
    changed = aios("plan", "intent.yaml", "--markdown").out
    assert re.search(r"\| power \| .+ W \| .+ W \| .+ % \|", changed)
    assert re.search(r"\| update \| `digits` \| load \(requests/s\) 20\S* -&gt; 40", changed)
