"""Training jobs on made-up fleets of real devices, and their prices."""

from pathlib import Path

from aios import catalogue
from aios.cost import Evidence, explain, price, search_in
from aios.fleet.catalogue import load_catalogue
from aios.records.base import Span
from aios.records.candidate import Candidate
from aios.records.fleet import DeviceSlot, Fact, Fleet, Link, Node, Topology
from aios.records.intent import Goal, Intent, ModelChoice, Requirement, Training
from aios.records.model import ModelProfile
from aios.records.training import Job, Spot
from aios.records.transformer import Attention, Transformer

HERE = Span(file="intent.yaml", line=3, column=7)
DEVICES = load_catalogue(Path(catalogue.root()) / "hardware")
H100, A100 = "nvidia-h100-sxm5-80gb", "nvidia-a100-sxm4-80gb"
TRAIN = Training(tokens=1e10, batch=512, sequence=4096)
DAY = 86400.0

MODEL = Transformer(
    name="decoder",
    architecture="LlamaForCausalLM",
    layers=32,
    hidden=4096,
    vocabulary=32000,
    attention=(Attention(layers=32, heads=32, kv_heads=32, head_dim=128, value_dim=128),),
    dense_layers=32,
    intermediate=11008,
    positions=8192,
)
PROFILES = {
    "m": ModelProfile(
        name="m", digest="sha256:m", format="transformer", file_bytes=0, inputs=(), outputs=(), precision="bf16",
        parameters=1, weight_bytes=2.0, macs=1.0, flops=2.0, activation_bytes=1.0, operators=(), batch_axis=0,
        transformer=MODEL,
    )
}  # fmt: skip


def intent(goal: str = "cost", within: float | None = None, train: Training = TRAIN) -> Intent:
    bound = [] if within is None else [Requirement(metric="time", bound=within, text="time", where=HERE)]
    return Intent(
        name="job",
        task="text-generation",
        models=(ModelChoice(name="m", path="m", card=True, where=HERE),),
        train=train,
        require=tuple(bound),
        goal=(Goal(direction="minimize", metric=goal),),
        where=HERE,
    )


def node(name: str, type_: str, devices: int = 8, count: int = 1, usd: float | None = None, **more) -> Node:
    cost = None if usd is None else Fact(value=usd, unit="USD/h")
    slot = DeviceSlot(type=type_, ids=tuple(str(i) for i in range(devices)))
    return Node(name=name, count=count, memory_bytes=2e12, devices=(slot,), price_usd_per_h=cost, **more)


def fleet(*nodes: Node, topology: tuple[Topology, ...] = (), links: tuple[Link, ...] = (), types=DEVICES) -> Fleet:
    used = {slot.type: types[slot.type] for item in nodes for slot in item.devices}
    return Fleet(name="f", nodes=nodes, types=used, topology=topology, links=links, digest="sha256:f", origin="test")


def candidate(
    device: str = H100, machines: int = 1, nodes: tuple[str, ...] = ("h",), precision: str = "bf16", **degrees: int
) -> Candidate:
    return Candidate(
        id=f"job/{precision}/{machines}/{sorted(degrees.items())}",
        intent="job",
        model="m",
        model_digest="sha256:m",
        device=device,
        nodes=nodes,
        executor="dryrun",
        precision=precision,
        batch=512,
        devices=8,
        machines=machines,
        degrees={"tensor": 1, "pipeline": 1, "data": 8 * machines, "context": 1, "expert": 1, **degrees},
        settings={"micro_batch": "1", "recompute": "none", "sharding": "zero1"},
    )


def every(on: Fleet, wanted: Intent) -> tuple:
    """Return all splits that a search finds, priced: the brute force that choices are compared with."""
    search, made = search_in(on), []
    for item in on.nodes:
        device = on.types[item.devices[0].type]
        for machines in range(1, item.count + 1):
            spot = Spot((item.name,), len(item.devices[0].ids), machines)
            for number, plan in enumerate(search(MODEL, device, spot, Job(4096, 512)).plans):
                split = candidate(
                    device.name, machines, (item.name,), tensor=plan.tensor, pipeline=plan.pipeline, data=plan.data,
                    context=plan.context,
                )  # fmt: skip
                settings = {
                    "micro_batch": str(plan.micro_batch),
                    "chunks": str(plan.chunks),
                    "recompute": plan.recompute,
                    "sharding": f"zero{plan.shard}",
                }
                name = f"job/{item.name}/{machines}/{number}"
                made.append((split.model_copy(update={"settings": settings, "id": name}), plan))
    options = price(wanted, [split for split, _ in made], PROFILES, on, Evidence())
    return tuple(zip(options, (plan for _, plan in made), strict=True))


SLOW = Topology(name="net", kind="switch", bandwidth_bytes_per_s=Fact(value=8e9, unit="B/s"))


def pieces(item: Candidate, on: Fleet, evidence: Evidence) -> dict[str, float]:
    """Return the pieces of a candidate's step in seconds."""
    (option,) = price(intent(), [item], PROFILES, on, evidence)
    return {
        piece.name: piece.value for piece in explain(intent(), option, PROFILES["m"], on, evidence).accounts[0].pieces
    }
