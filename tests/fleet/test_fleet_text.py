"""What is written reads back as the same fleet."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fleet import compile_fleet, fleet_text
from aios.fleet.compile import fleet_of
from aios.records.document import parse
from aios.records.fleet import DeviceSlot, DeviceType, Fact, Link, Node, PowerMode

names = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,10}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
sources = st.sampled_from(["measured", "calibrated", "datasheet", "analytic", "declared", "assumed"])
dates = st.none() | st.sampled_from(["2024", "2024-03", "2024-03-31"])
mappings = st.dictionaries(texts, texts, max_size=2)


def facts(unit: str, low: float = 1e-3, high: float = 1e18):
    values = st.floats(low, high) | st.integers(1, 10**6).map(float).filter(lambda value: low <= value <= high)
    return st.builds(Fact, value=values, unit=st.just(unit), source=sources, ref=st.none() | texts, as_of=dates)


modes = st.builds(
    PowerMode, name=names, cap_w=facts("W", high=1e5), peak_scale=st.none() | facts("1", low=0.0, high=1.0)
)
device_types = st.builds(
    DeviceType,
    name=names,
    kind=st.sampled_from(["cpu", "gpu", "npu", "tpu", "fpga", "dsp", "other"]),
    vendor=st.none() | texts,
    model=st.none() | texts,
    peak_ops_per_s=st.fixed_dictionaries({}, optional={"fp32": facts("FLOP/s"), "int8": facts("OP/s")}),
    memory_bytes=st.none() | facts("B"),
    memory_bandwidth_bytes_per_s=st.none() | facts("B/s"),
    cache_bytes=st.dictionaries(texts, facts("B"), max_size=2),
    cores=st.none() | st.integers(1, 512),
    frequency_hz=st.none() | facts("Hz"),
    features=st.lists(texts, max_size=3).map(tuple),
    tdp_w=st.none() | facts("W", high=1e5),
    idle_w=st.none() | facts("W", high=1e5),
    launch_overhead_s=st.none() | facts("s", low=1e-7, high=1.0),
    power_modes=st.lists(modes, max_size=2).map(tuple),
    price_usd_per_h=st.none() | facts("USD/h", low=0.0, high=1e4),
    identity=mappings,
)


@st.composite
def fleets(draw):
    types = {device.name: device for device in draw(st.lists(device_types, max_size=3))}
    nodes = []
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        used = draw(st.lists(st.sampled_from(sorted(types)), max_size=2)) if types else []
        slots, next_id = [], {True: 0, False: 0}
        for kind_name in used:
            cpu, count = types[kind_name].kind == "cpu", draw(st.integers(1, 3))
            numbers = range(next_id[cpu], next_id[cpu] + count)
            next_id[cpu] += count
            slots.append(DeviceSlot(type=kind_name, ids=tuple(f"cpu{n}" if cpu else str(n) for n in numbers)))
        fields = {"cores": st.integers(1, 512), "memory_bytes": st.floats(1, 1e15)}
        nodes.append(
            Node(
                name=name,
                address=draw(st.none() | texts),
                **{key: draw(values) for key, values in fields.items()},
                devices=tuple(slots),
                labels=draw(mappings),
                region=draw(st.none() | texts),
                topology=draw(st.none() | texts),
            )
        )
    ends = (nodes[0].name, nodes[-1].name)
    links = draw(
        st.lists(
            st.builds(
                Link,
                ends=st.just(ends),
                bandwidth_bytes_per_s=facts("B/s"),
                latency_s=st.none() | facts("s", low=1e-9, high=1e3),
            ),
            max_size=1,
        )
    )
    held = {slot.type for node in nodes for slot in node.devices}
    return fleet_of(draw(texts), nodes, {name: types[name] for name in held}, links, "this machine")


@settings(max_examples=60, deadline=None)
@given(fleets())
def test_reading_back_gives_an_equal_fleet(fleet):
    text = fleet_text(fleet)
    back = compile_fleet(parse(text.encode(), "fleet.yaml"), {}, "fleet.yaml")
    nodes = tuple(node.model_copy(update={"where": None}) for node in back.nodes)
    assert nodes == fleet.nodes
    assert back.types == fleet.types
    assert back.links == fleet.links
    assert (back.name, back.digest) == (fleet.name, fleet.digest)
    assert fleet_text(back) == text


def test_facts_are_written_with_units_and_sources():
    device = DeviceType(
        name="x",
        kind="gpu",
        memory_bytes=Fact(value=16 * 2.0**30, unit="B"),
        tdp_w=Fact(value=70.0, unit="W", source="datasheet", ref="T4 datasheet", as_of="2019-03"),
        peak_ops_per_s={"int8": Fact(value=1.3e14, unit="OP/s", source="datasheet")},
    )
    text = fleet_text(
        fleet_of("lab", [Node(name="a", devices=(DeviceSlot(type="x", ids=("0",)),))], {"x": device}, [], "")
    )
    assert "      memory: 16 GiB\n" in text
    assert '      tdp: {value: 70 W, source: datasheet, ref: "T4 datasheet", as_of: "2019-03"}\n' in text
    assert "        int8: {value: 130 TOP/s, source: datasheet}\n" in text
    assert "      # unknown: bandwidth, frequency, idle, launch_overhead, price\n" in text
