"""Host lists: what Slurm writes, exact round trips, and lists that would fill the memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.records.errors import BadValue
from aios.records.hosts import MOST_HOSTS, expand, fold, host_count, natural_order


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[001-003,007],login1", ["n001", "n002", "n003", "n007", "login1"]),
        ("n[08-11]", ["n08", "n09", "n10", "n11"]),
        ("n[98-101]", ["n98", "n99", "n100", "n101"]),
        ("rack[1-2]node[1-2]-ib", ["rack1node1-ib", "rack1node2-ib", "rack2node1-ib", "rack2node2-ib"]),
        (" a , b[3, 5] ", ["a", "b3", "b5"]),
        ("gpu[1-2].site7.example.org", ["gpu1.site7.example.org", "gpu2.site7.example.org"]),
    ],
)
def test_a_list_stands_for_names(text, names):
    assert list(expand(text)) == names
    assert host_count(text) == len(names)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["n7"], "n7"),
        (["n1", "n2", "n3", "n5"], "n[1-3,5]"),
        (["n09", "n10"], "n[09-10]"),
        (["n9", "n09"], "n[9,09]"),
        (["a", "b1", "b2", "c"], "a,b[1-2],c"),
        (["g1.s2", "g2.s2", "g3.s3"], "g[1-2].s2,g3.s3"),
        (["n2", "n1"], "n[2,1]"),
        (["n" + "9" * 30, "n" + "8" * 30], "n" + "9" * 30 + ",n" + "8" * 30),
    ],
)
def test_names_are_folded(names, text):
    assert fold(names) == text


NAMES = st.lists(
    st.from_regex(r"[a-c]?[0-9]{1,3}(\.[a-b][0-9]{1,2})?|[a-zäø٣_.-]{1,4}", fullmatch=True), min_size=1, max_size=40
)


@given(NAMES)
def test_folding_loses_nothing_and_keeps_the_order(names):
    assert list(expand(fold(names))) == names
    assert host_count(fold(names)) == len(names)


def test_a_thousand_numbered_machines_fold_into_a_line():
    names = {f"openb-node-{number:04d}" for number in range(1523)}
    assert fold(sorted(names, key=natural_order)) == "openb-node-[0000-1522]"


def test_the_natural_order_counts():
    assert sorted(["n10", "n9", "n1", "m", "n9a"], key=natural_order) == ["m", "n1", "n9", "n9a", "n10"]


@pytest.mark.parametrize(
    "text",
    ["", ",", "a,", "n[1-3", "n]", "n[]", "n[3-1]", "n[a-b]", "n[1--2]", "n[[1]]", "a b", "n[1-9" + "9" * 40 + "]"],
)
def test_what_is_no_host_list_is_refused(text):
    for read in (expand, host_count):
        with pytest.raises(BadValue, match="is no host list") as refused:
            read(text)
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize("text", ["n[1-999999999]", "a[1-2000]b[1-2000]", f"n[1-{MOST_HOSTS}],one-more"])
def test_a_list_of_more_machines_than_there_are_is_refused_before_it_is_made(text):
    with pytest.raises(BadValue, match="at most 1,000,000"):
        expand(text)


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a[1]", "a\n"])
def test_a_name_that_no_list_can_hold_is_refused(name):
    with pytest.raises(BadValue):
        fold(["fine", name])
