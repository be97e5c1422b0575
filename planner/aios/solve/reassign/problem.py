"""What may be moved: processes that stand on machines, with prices for load, imbalance and moves.

It is the machine reassignment problem that Google posed for the ROADEF/EURO challenge of 2012: processes of services
take many resources of machines; a machine has a capacity of each and a lower safety capacity, over which load costs. A
fleet that runs already asks for it: demands with many resources are planned anew, and what moves has a price.

What must hold: no machine exceeds a capacity; of a transient resource (disk, memory while state is copied) a process
that moves takes its share on both machines; processes of one service stand on different machines and in at least so
many locations; where a service stands that depends on another one, that one stands in the same neighbourhood.

What it costs: weighted, everything over safety capacities, what is left of one resource beyond what a balance allows to
what is left of another, each process moved, each move from machine to machine, and the most moves that any one service
makes. All numbers are whole; the problem's own units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Balance", "Machine", "Prices", "Problem", "Process", "Reassignment", "Resource", "Service"]


class Resource(NamedTuple):
    """transient: whether a process that moves takes it on both machines · price: of a unit over a safety capacity"""

    transient: bool
    price: int


class Machine(NamedTuple):
    """neighbourhood, location: numbered from 0 on · capacity, safety: by resource · moves: price of moving from here to
    each machine, 0 to itself"""

    neighbourhood: int
    location: int
    capacity: tuple[int, ...]
    safety: tuple[int, ...]
    moves: tuple[int, ...]


class Service(NamedTuple):
    """locations: in so many it stands at least · depends: on these services, in each neighbourhood where it stands"""

    locations: int = 0
    depends: tuple[int, ...] = ()


class Process(NamedTuple):
    """takes: by resource · move: price of moving it at all · home: the machine on which it stands now"""

    service: int
    takes: tuple[int, ...]
    move: int
    home: int


class Balance(NamedTuple):
    """``target`` times what is left of ``one`` resource on a machine costs ``price`` a unit over what is left of the
    ``other``"""

    one: int
    other: int
    target: int
    price: int


class Prices(NamedTuple):
    """Weights of the moves' prices: of processes, of the most moves of one service, between machines."""

    process: int = 0
    service: int = 0
    machine: int = 0


class Problem(NamedTuple):
    """Everything. What stands now must satisfy everything that must hold: staying is then a solution."""

    resources: tuple[Resource, ...]
    machines: tuple[Machine, ...]
    services: tuple[Service, ...]
    processes: tuple[Process, ...]
    balances: tuple[Balance, ...] = ()
    prices: Prices = Prices()


class Reassignment(NamedTuple):
    """The best found. machines: of every process · before: what staying costs · bound: nothing costs less"""

    machines: Sequence[int]
    cost: int
    before: int
    bound: int
