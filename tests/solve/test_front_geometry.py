"""The search region of a front, its knee, and which points are shown of many."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.solve.front.alone import spread
from aios.solve.front.axes import whole_costs
from aios.solve.front.knee import knee_of
from aios.solve.front.regions import Regions

GRID = 4


@given(st.integers(2, 4).flatmap(lambda k: st.lists(st.tuples(*[st.integers(0, GRID - 1)] * k), max_size=6)))
def test_the_search_region_is_what_no_point_covers(points):
    axes = len(points[0]) if points else 2
    region = Regions([0] * axes, [GRID] * axes)
    for point in points:
        region.add(point)
    corners = []
    while (corner := region.largest()) is not None:
        corners.append(corner)
        region.close(corner)
    for vector in itertools.product(range(GRID), repeat=axes):
        covered = any(all(p <= v for p, v in zip(point, vector, strict=True)) for point in points)
        below = any(all(v < c for v, c in zip(vector, corner, strict=True)) for corner in corners)
        assert below is not covered
    for one, other in itertools.permutations(corners, 2):
        assert not all(a <= b for a, b in zip(one, other, strict=True)), "a corner below another says nothing"


def test_a_closed_region_stays_closed():
    region = Regions([0, 0, 0], [9, 9, 9])
    region.add((4, 4, 4))
    region.close((4, 9, 9))
    region.add((2, 6, 2))
    left = set()
    while (corner := region.largest()) is not None:
        left.add(corner)
        region.close(corner)
    assert left == {(9, 4, 9), (9, 6, 4), (9, 9, 2)}


def test_the_knee_is_farthest_from_the_chord():
    assert knee_of([(0, 10), (1, 2), (5, 1), (10, 0)]) == 1


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0, 1)],
        [(0, 10), (10, 0)],
        [(0, 10), (5, 5), (10, 0)],
        [(0, 10), (4.6, 4.6), (10, 0)],
        [(0, 10), (1, 3), (3, 1), (10, 0)],
        [(1, 7), (2, 7), (3, 7)],
    ],
    ids=["none", "one", "two", "straight", "hardly bent", "two alike", "one axis says nothing"],
)
def test_without_a_clear_one_there_is_no_knee(points):
    assert knee_of(points) is None


def test_a_knee_in_three_metrics():
    """The ends lie on the plane x + y + z = 2; (0.2, 0.2, 0.2) is far below it, (0.5, 0.5, 0.9) hardly."""
    ends = [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)]
    assert knee_of([*ends, (0.5, 0.5, 0.9), (0.2, 0.2, 0.2)]) == 4


def test_costs_count_from_the_best_of_each_where_they_are_summed_and_of_all_where_the_worst_counts(make):
    rows = [
        [
            make.option("a/1", {"power": 1.0, "accuracy.top1": 0.9}),
            make.option("a/2", {"power": 2.0, "accuracy.top1": 0.7}),
        ],
        [make.option("b/1", {"power": 5.0, "accuracy.top1": 0.8})],
    ]
    whole = 10**10
    assert whole_costs(rows, "power") == [[0, whole], [0]]
    assert whole_costs(rows, "accuracy.top1") == [[0, whole], [whole // 2]]


def test_what_is_shown_of_many_is_spread_over_all():
    line = [(k, 100 - k) for k in range(101)]
    assert spread(line, 200) == list(range(101))
    assert spread(line, 3) == [0, 50, 100]
    assert spread(line, 2) == [0, 100]
