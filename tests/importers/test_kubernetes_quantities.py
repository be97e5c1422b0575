"""Amounts as Kubernetes writes them, and the parts of accelerators dealt out over as few devices as hold them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.records.errors import BadValue
from aios.spi.cutting import Cut, deal_out, partition_name
from aios_plugins.kubernetes.quantities import quantity

GIB = 2**30
PROFILES = st.sampled_from(["1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("15890m", 15.89),
        ("4", 4),
        (4, 4),
        ("1.5", 1.5),
        ("131889424Ki", 131889424 * 1024),
        ("64Gi", 64 * GIB),
        ("67108864k", 67108864e3),
        ("1e3", 1000),
        ("1E", 1e18),
        ("100n", 1e-7),
        ("0", 0),
    ],
)
def test_known_forms(written, value):
    assert quantity(written) == value


@pytest.mark.parametrize("written", ["", "Gi", "-4", "1.2.3", "16GB", "64 Gi", True, None, [1], "NaN", "9" * 400])
def test_everything_else_is_refused(written):
    with pytest.raises(BadValue):
        quantity(written)


@given(st.integers(0, 10**12), st.sampled_from([("Ki", 1024), ("Mi", 1024**2), ("k", 1000), ("G", 10**9), ("", 1)]))
def test_whole_numbers_are_exact(number, suffix):
    assert quantity(f"{number}{suffix[0]}") == float(number * suffix[1])


@pytest.mark.parametrize(
    ("counts", "model", "cuts"),
    [
        ({"1g.5gb": 56}, "A100-SXM4-40GB", [Cut(8, ("1g.5gb",) * 7)]),
        ({"1g.10gb": 8}, "A100-SXM4-40GB", [Cut(2, ("1g.10gb",) * 4)]),  # by memory, not by compute
        ({"3g.20gb": 16}, "A100-SXM4-40GB", [Cut(8, ("3g.20gb",) * 2)]),
        (
            {"1g.10gb": 16, "2g.20gb": 8, "3g.40gb": 8},
            "H100-80GB",
            [Cut(8, ("3g.40gb", "2g.20gb", *["1g.10gb"] * 2))],
        ),
        ({"1g.6gb": 4}, "NVIDIA-A30", [Cut(1, ("1g.6gb",) * 4)]),
        ({"1g.6gb": 5}, "NVIDIA-A30", [Cut(1, ("1g.6gb",) * 4), Cut(1, ("1g.6gb",))]),
        ({"3g.71gb": 2}, "NVIDIA-H200-141GB", [Cut(1, ("3g.71gb",) * 2)]),  # 142 GB of 141: sizes are rounded
        ({"4c": 2, "2c": 2}, "Ascend310P", [Cut(2, ("4c", "2c"))]),
        ({"1-4": 8}, "BR104", [Cut(2, ("1-4",) * 4)]),
    ],
)
def test_parts_are_on_as_few_devices_as_hold_them(counts, model, cuts):
    assert deal_out(counts, model, None) == cuts


@given(st.dictionaries(PROFILES, st.integers(1, 40), min_size=1))
def test_every_part_is_somewhere_and_no_device_is_too_full(counts):
    dealt = deal_out(counts, "A100-SXM4-80GB", None)
    total = {profile: sum(cut.number * cut.parts.count(profile) for cut in dealt) for profile in counts}
    assert total == counts
    for cut in dealt:
        assert sum(int(part[0]) for part in cut.parts) <= 7
        assert sum(int(part[3:-2]) for part in cut.parts) <= 80 * 1.03


def test_names_of_parts_are_the_catalogue_s():
    assert partition_name("4c", "Ascend310P") == "vir04"
    assert partition_name("12c.3cpu.32g", "Ascend910B2") == "vir12_3c_32g"
    assert partition_name("3g.40gb", "A100-SXM4-80GB") == "3g.40gb"
