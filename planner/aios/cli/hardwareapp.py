"""The ``aios hardware`` commands and their options; each one imports what it needs when it runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aios.cli.options import Fleet, Json, JsonInto, to_write

__all__ = ["hardware_app"]

hardware_app = typer.Typer(
    help="The device catalogue, other people's inventories, this machine, and how devices are connected.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

WithFleet = Annotated[
    str | None, typer.Option("--fleet", help="Fleet file, whose own device types are shown beside the catalogue's.")
]


@hardware_app.command("list", epilog="Example: aios hardware list --kind gpu --min-memory 40GiB --sort bandwidth")
def hardware_list(
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only this kind: cpu, gpu, npu, tpu, fpga...; repeatable.")
    ] = None,
    vendor: Annotated[list[str] | None, typer.Option("--vendor", help="Only this maker; repeatable.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option("--precision", help="Only with a known dense peak rate in it; repeatable.")
    ] = None,
    min_memory: Annotated[str | None, typer.Option("--min-memory", metavar="SIZE", help="Such as 40GiB.")] = None,
    max_power: Annotated[str | None, typer.Option("--max-power", metavar="POWER", help="TDP, such as 75W.")] = None,
    min_peak: Annotated[
        list[str] | None,
        typer.Option("--min-peak", metavar="PRECISION=RATE", help="Dense, such as int8=100TOPS; repeatable."),
    ] = None,
    sort: Annotated[str, typer.Option("--sort", help="name, memory, bandwidth, power or peak.")] = "name",
    fleet: WithFleet = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """List the devices that are known. What a device does not state is unknown and fits no filter."""
    from aios.cli.cataloguing import Filters
    from aios.cli.cataloguing import list_devices as work

    filters = Filters(
        kinds=tuple(kind or ()),
        vendors=tuple(vendor or ()),
        precisions=tuple(precision or ()),
        min_memory=min_memory,
        max_power=max_power,
        min_peaks=tuple(min_peak or ()),
        sort=sort,
    )
    return work(filters, fleet, json=json, json_into=json_into)


@hardware_app.command("show", epilog="Example: aios hardware show nvidia-t4")
def hardware_show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A device type, or what a tool calls it.")],
    fleet: WithFleet = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Show everything that is known of a device: each fact with who states it, where, and when."""
    from aios.cli.cataloguing import show as work

    return work(name, fleet, json=json, json_into=json_into)


@hardware_app.command("compare", epilog="Example: aios hardware compare nvidia-t4 nvidia-l4")
def hardware_compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME NAME...", help="Device types; the first is the measure.")],
    fleet: WithFleet = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Show the facts of several devices side by side, with their ratio to the first one's."""
    from aios.cli.cataloguing import compare as work

    return work(tuple(names), fleet, json=json, json_into=json_into)


@hardware_app.command("diff", epilog="Example: aios hardware diff fleet-before.yaml fleet.yaml")
def hardware_diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Fleet file, or a folder of them.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Fleet file, or a folder of them; - reads standard input.")],
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes, 0 when there are none.")
    ] = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Say in words what changed between two fleet files; the order in which things are written is no change."""
    from aios.cli.comparing import diff as work

    return work(old, new, sys.stdin.buffer.read, detailed=detailed_exitcode, json=json, json_into=json_into)


@hardware_app.command(
    "import", epilog="Example: kubectl get nodes -o yaml | aios hardware import kubernetes - -o f.yaml"
)
def hardware_import(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help="What the files are; without it, lists what can be read.")
    ] = None,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE...", help="What to read; - reads standard input.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", callback=to_write, help="Where to write the fleet; else printed."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="For the importer; repeatable.")
    ] = None,
    written_as: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="WRITTEN=TYPE", help="A device so called is of this type; repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the fleet.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a device did not match the catalogue.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file that is there.")] = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Turn a description of machines that somebody has already into a fleet file; nothing in it is dropped."""
    from aios.cli.importing import Asked
    from aios.cli.importing import import_fleet as work

    asked = Asked(
        kind=kind,
        files=tuple(files or ()),
        out=out,
        options=tuple(option or ()),
        aliases=tuple(written_as or ()),
        name=name,
        strict=strict,
        force=force,
    )
    return work(asked, sys.stdin.buffer.read, json=json, json_into=json_into)


@hardware_app.command("discover", epilog="Example: aios hardware discover -o fleet.yaml")
def hardware_discover(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", callback=to_write, help="Where to write the fleet; else printed."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Also measure memory and disks, for about a second.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file that is there.")] = False,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Look at this machine; say what was found, what that rests on, and what was looked for in vain."""
    from aios.cli.discovering import discover as work

    return work(out, measure=measure, force=force, json=json, json_into=json_into)


@hardware_app.command("topology", epilog="Example: aios hardware topology --fleet fleet.yaml --best 8 -o fleet.svg")
def hardware_topology(
    fleet: Fleet = None,
    node: Annotated[
        str | None,
        typer.Option("--node", metavar="NAME", help="Only this machine, or one of this node, with a matrix."),
    ] = None,
    best: Annotated[
        int | None, typer.Option("--best", metavar="K", min=1, help="Find the best-connected sets of K devices.")
    ] = None,
    free: Annotated[
        list[str] | None,
        typer.Option(
            "--free",
            metavar="DEVICE",
            help="Devices (t4-0/1) or machines that sets may take; repeatable.",
        ),
    ] = None,
    devices: Annotated[
        list[str] | None,
        typer.Option("--devices", metavar="DEVICE", help="Look at this set: devices or machines; repeatable."),
    ] = None,
    time: Annotated[
        list[str] | None,
        typer.Option(
            "--time",
            metavar="OPERATION=SIZE",
            help="Predict its time on the set, such as all-reduce=256MiB or point-to-point=1GB; repeatable.",
        ),
    ] = None,
    library: Annotated[
        str | None, typer.Option("--library", help="Whose kernels: nccl (default), oneccl, custom, or another.")
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option("--algorithm", help="Such as ring or hierarchical, instead of the quickest.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            callback=to_write,
            help="Also write it: .svg, .png, .pdf (a picture) or .graphml (the graph).",
        ),
    ] = None,
    json: Json = False,
    json_into: JsonInto = None,
) -> int:
    """Show how devices are connected, which sets of them are connected best, and how long communication takes."""
    from aios.cli.topology import Asked
    from aios.cli.topology import topology as work

    asked = Asked(
        fleet=fleet,
        machine=node,
        size=best,
        free=tuple(free or ()),
        devices=tuple(devices or ()),
        times=tuple(time or ()),
        library=library,
        algorithm=algorithm,
        out=out,
    )
    return work(asked, json=json, json_into=json_into)
