"""What is written reads back as the same fleet."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aios.fleet import compile_fleet, fleet_text
from aios.fleet.making import fleet_of
from aios.fleet.partitions import part_name, part_type
from aios.records.document import parse
from aios.records.fleet import (
    DeviceSlot,
    DeviceType,
    Fact,
    Interconnect,
    Link,
    MemoryTier,
    Node,
    Partition,
    PowerCap,
    PowerMode,
    Topology,
    Used,
)

names = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,10}[a-z0-9])?", fullmatch=True)
plain_names = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
sources = st.sampled_from(["measured", "calibrated", "datasheet", "analytic", "declared", "assumed"])
trusts = st.none() | st.sampled_from(["datasheet", "vendor claim", "third-party", "derived"])
dates = st.none() | st.sampled_from(["2024", "2024-03", "2024-03-31"])
mappings = st.dictionaries(texts, texts, max_size=2)
shares = st.floats(0.0, 1.0)


def facts(unit: str, low: float = 1e-3, high: float = 1e12):
    values = st.floats(low, high) | st.integers(0, 1000).map(lambda part: low + (high - low) * part / 1000)
    return st.builds(
        Fact, value=values, unit=st.just(unit), source=sources, trust=trusts, ref=st.none() | texts, as_of=dates
    )


latencies = st.none() | facts("s", low=1e-9, high=9.0)
bandwidths = facts("B/s")


def tiers():
    kinds = ["sram", "hbm", "gddr", "lpddr", "dram", "cxl", "nvme", "ssd"]
    called = st.sampled_from([(kind, kind + end) for kind in kinds for end in ("", "-1", "-far")])
    tier = st.builds(
        lambda called, **more: MemoryTier(kind=called[0], name=called[1], **more),
        called=called,
        bytes=facts("B"),
        read_bytes_per_s=st.none() | bandwidths,
        write_bytes_per_s=st.none() | bandwidths,
        latency_s=latencies,
    )
    return st.lists(tier, max_size=2, unique_by=lambda tier: tier.name).map(tuple)


modes = st.builds(
    PowerMode, name=names, cap_w=facts("W", high=100.0), peak_scale=st.none() | facts("1", low=0.0, high=1.0)
)
partitions = st.builds(
    Partition,
    name=names,
    compute_share=facts("1", low=0.0, high=0.25),
    memory_bytes=facts("B", high=1e9),
    bandwidth_share=st.none() | facts("1", low=0.0, high=0.25),
    most=st.integers(1, 4),
)
interconnects = st.builds(
    Interconnect, kind=names, links=st.none() | st.integers(18 * 8, 10**6), bandwidth_bytes_per_s=bandwidths
)
"""With more links than any of the topologies below takes: at most 18 to each of 8 others."""
device_types = st.builds(
    DeviceType,
    name=names,
    kind=st.sampled_from(["cpu", "gpu", "npu", "tpu", "fpga", "dsp", "other"]),
    vendor=st.none() | texts,
    model=st.none() | texts,
    architecture=st.none() | texts,
    peak_ops_per_s=st.fixed_dictionaries({}, optional={"fp32": facts("FLOP/s"), "int8": facts("OP/s")}),
    sparse_peak_ops_per_s=st.fixed_dictionaries(
        {}, optional={"fp32": facts("FLOP/s", 1e12, 1e15), "int8": facts("OP/s", 1e12, 1e15)}
    ),
    reached_ops_per_s=st.fixed_dictionaries({}, optional={"bf16": facts("FLOP/s", 1e12, 1e15)}),
    memory_bytes=st.none() | facts("B", low=4e9, high=1e15),
    memory_bandwidth_bytes_per_s=st.none() | bandwidths,
    memory_kind=st.none() | st.sampled_from(["sram", "hbm", "gddr", "lpddr", "dram"]),
    memory_tiers=tiers(),
    cache_bytes=st.dictionaries(texts, facts("B"), max_size=2),
    interconnects=st.lists(interconnects, max_size=2).map(tuple),
    cores=st.none() | st.integers(1, 512),
    frequency_hz=st.none() | facts("Hz", high=1e10),
    features=st.lists(texts, max_size=3).map(tuple),
    tdp_w=st.none() | facts("W", low=100.0, high=1e5),
    idle_w=st.none() | facts("W", high=100.0),
    power_of=st.none() | st.sampled_from(["module", "board"]),
    cap_low_w=st.none() | facts("W", high=100.0),
    cap_high_w=st.none() | facts("W", low=100.0, high=1e5),
    launch_overhead_s=st.none() | facts("s", low=1e-7, high=1.0),
    power_modes=st.lists(modes, max_size=2, unique_by=lambda mode: mode.name).map(tuple),
    partitions=st.lists(partitions, max_size=2, unique_by=lambda part: part.name).map(tuple),
    price_usd_per_h=st.none() | facts("USD/h", low=0.0, high=1e4),
    price_usd=st.none() | facts("USD", high=1e6),
    identity=mappings,
)
"""Facts that neither contradict each other nor are more than any hardware has."""


@st.composite
def slots_of_a_node(draw, types):
    """Devices of some types, some of them cut into parts; adds the types of the parts."""
    slots, next_id = [], {True: 0, False: 0}
    for name in draw(st.lists(st.sampled_from(sorted(types)), max_size=3)) if types else []:
        whole, count = types[name], draw(st.integers(1, 3))
        if whole.part_of is not None:
            continue
        cpu = whole.kind == "cpu"
        numbers = range(next_id[cpu], next_id[cpu] + count)
        next_id[cpu] += count
        parts = [] if cpu else draw(st.lists(st.sampled_from(whole.partitions or [None]), max_size=2))
        if None in parts or any(parts.count(part) > part.most for part in parts):
            parts = []
        if not parts:
            slots.append(DeviceSlot(type=name, ids=tuple(f"cpu{n}" if cpu else str(n) for n in numbers)))
        for index, part in enumerate(parts):
            types[part_name(name, part.name)] = part_type(whole, part)
            ids = tuple(f"{number}.{index}" for number in numbers)
            slots.append(DeviceSlot(type=part_name(name, part.name), ids=ids))
    return tuple(slots)


def levels(between=None):
    return st.builds(
        Topology,
        name=names,
        kind=st.sampled_from(["full", "switch", "ring"]),
        interconnect=st.none() | names,
        links=st.none() | st.integers(1, 18),
        bandwidth_bytes_per_s=st.none() | bandwidths,
        latency_s=latencies,
        group=st.just(1) if between is not None else st.none(),
        between=st.none() if between is None else between,
    )


topologies = st.lists(levels() | levels(between=levels()), max_size=2).map(tuple)


caps = st.floats(1.0, 1e6).map(lambda watts: (watts,)) | st.lists(st.floats(1.0, 1e6), min_size=24, max_size=24).map(
    tuple
)


@st.composite
def nodes_of_a_fleet(draw, name, types):
    slots = draw(slots_of_a_node(types))
    ids = [id_ for slot in slots for id_ in slot.ids]
    used = st.none()
    if ids:
        used = st.builds(
            Used,
            cores=st.floats(0, 1) | st.just(1.0),
            memory_bytes=st.floats(0, 1),
            devices=st.dictionaries(st.sampled_from(ids), shares, max_size=2),
        )
    count = draw(st.integers(1, 3))
    return Node(
        name=name,
        count=count,
        hosts=draw(st.none() | st.just(f"{name}-host[1-{count}]")),
        address=draw(st.none() | texts),
        cores=draw(st.integers(1, 512)),
        memory_bytes=draw(st.floats(1, 1e15)),
        memory_tiers=draw(tiers()),
        devices=slots,
        labels=draw(mappings),
        taints=draw(st.lists(st.sampled_from(["a=b:NoSchedule", "c/d:NoExecute"]), unique=True).map(tuple)),
        region=draw(st.none() | texts),
        topology=draw(topologies) if ids else (),
        used=draw(used),
        price_usd_per_h=draw(st.none() | facts("USD/h", low=0.0, high=1e4)),
        carbon_g_per_kwh=draw(st.lists(st.floats(0.0, 2000.0), max_size=3).map(tuple)),
        jurisdiction=draw(st.lists(texts, max_size=2).map(tuple)),
        power_cap_w=draw(caps | st.just(())),
    )


@st.composite
def fleets(draw):
    types = {device.name: device for device in draw(st.lists(device_types, max_size=2))}
    named = draw(st.lists(plain_names, min_size=1, max_size=2, unique=True))
    nodes = [draw(nodes_of_a_fleet(name, types)) for name in named]
    link = st.builds(
        Link,
        ends=st.just((nodes[0].name, nodes[-1].name)),
        interconnect=st.none() | names,
        bandwidth_bytes_per_s=bandwidths,
        latency_s=latencies,
    )
    links = draw(st.lists(link, max_size=1)) if len(nodes) > 1 else []
    held = {slot.type for node in nodes for slot in node.devices}
    held |= {types[name].part_of for name in held if types[name].part_of}
    over = tuple(draw(st.permutations(named)))
    topology = [item.model_copy(update={"members": draw(st.just(()) | st.just(over))}) for item in draw(topologies)]
    used = {name: types[name] for name in held}
    groups = [(None, {}), *((None, {key: value}) for node in nodes for key, value in node.labels.items())]
    groups += [(key, {}) for node in nodes for key in node.labels]
    power_caps = [
        PowerCap(by=by, labels=labels, cap_w=draw(caps))
        for by, labels in draw(st.lists(st.sampled_from(groups), max_size=2, unique_by=str))
    ]
    return fleet_of(draw(texts), nodes, used, links, "this machine", topology, power_caps)


@settings(max_examples=40, deadline=None)
@given(fleets())
def test_reading_back_gives_an_equal_fleet(fleet):
    text = fleet_text(fleet)
    back = compile_fleet(parse(text.encode(), "fleet.yaml"), {}, "fleet.yaml")
    nodes = tuple(node.model_copy(update={"where": None}) for node in back.nodes)
    assert nodes == fleet.nodes
    assert back.types == fleet.types
    assert back.links == fleet.links
    assert back.topology == fleet.topology
    assert (back.name, back.digest) == (fleet.name, fleet.digest)
    assert fleet_text(back) == text


@settings(max_examples=15, deadline=None)
@given(fleets())
def test_types_of_the_catalogue_are_left_out(fleet):
    text = fleet_text(fleet, fleet.types)
    assert "\n  devices:" not in text
    assert compile_fleet(parse(text.encode(), "fleet.yaml"), fleet.types, "fleet.yaml").digest == fleet.digest


def test_a_type_that_differs_from_the_catalogues_is_written():
    mine = DeviceType(name="x", kind="gpu", tdp_w=Fact(value=60.0, unit="W"))
    fleet = fleet_of("lab", [Node(name="a", devices=(DeviceSlot(type="x", ids=("0",)),))], {"x": mine}, [], "")
    assert "  devices:\n    - name: x\n" in fleet_text(fleet, {"x": DeviceType(name="x", kind="gpu")})


def test_facts_are_written_with_units_and_sources():
    device = DeviceType(
        name="x",
        kind="gpu",
        memory_bytes=Fact(value=16 * 2.0**30, unit="B"),
        tdp_w=Fact(value=70.0, unit="W", source="datasheet", trust="datasheet", ref="T4 datasheet", as_of="2019-03"),
        peak_ops_per_s={"int8": Fact(value=1.3e14, unit="OP/s", source="datasheet")},
    )
    text = fleet_text(
        fleet_of("lab", [Node(name="a", devices=(DeviceSlot(type="x", ids=("0",)),))], {"x": device}, [], "")
    )
    assert "      memory: 16 GiB\n" in text
    assert (
        '      tdp: {value: 70 W, source: datasheet, trust: datasheet, ref: "T4 datasheet", as_of: "2019-03"}\n' in text
    )
    assert "        int8: {value: 130 TOP/s, source: datasheet}\n" in text
    assert "      # unknown: bandwidth, frequency, idle, launch_overhead, price\n" in text


def test_hourly_values_of_a_region_are_written_once():
    hourly = tuple(float(hour) for hour in range(24))
    nodes = [Node(name=f"n{number}", region="north", carbon_g_per_kwh=hourly) for number in range(3)]
    nodes += [Node(name="s1", region="south", carbon_g_per_kwh=(7.0,)), Node(name="s2", region="south")]
    fleet = fleet_of("lab", nodes, {}, [], "")
    text = fleet_text(fleet)
    assert text.count("23 gCO2/kWh") == 1
    assert "    north: {carbon: [0 gCO2/kWh, 1 gCO2/kWh," in text
    back = compile_fleet(parse(text.encode(), "fleet.yaml"), {}, "fleet.yaml")
    assert [node.carbon_g_per_kwh for node in back.nodes] == [hourly, hourly, hourly, (7.0,), ()]
    assert back.digest == fleet.digest
