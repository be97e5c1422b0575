"""Texts for importers: how they are read, how they are refused, and what the machines in them have."""

import contextlib

import pytest

from aios.records.errors import InputError


class Texts:
    """Reads texts with one importer. file: what a text is called unless it is named."""

    def __init__(self, importer, file):
        self.importer, self.file = importer, file

    def read(self, text, file=None, files=None, **options):
        """Return the inventory. files: further texts by name; ``__`` in the name of an option stands for a dot."""
        contents = {file or self.file: text, **(files or {})}
        return self.importer().read(
            {name: item if isinstance(item, bytes) else item.encode() for name, item in contents.items()},
            {name.replace("__", "."): value for name, value in options.items()},
        )

    def mistakes_of(self, text, *names, **more):
        """Return why a text is refused."""
        with pytest.raises(InputError) as raised:
            self.read(text, *names, **more)
        return raised.value.diagnostics

    def read_or_refused(self, text, *names):
        """Check that a text is read, with a machine in it, or refused in words."""
        with contextlib.suppress(InputError):
            assert self.read(text, *names).machines


def by_name(inventory):
    """Return the machines by name."""
    return {machine.name: machine for machine in inventory.machines}


def only(inventory):
    """Return the one machine."""
    (machine,) = inventory.machines
    return machine


def accelerators(machine):
    """Return (name, count, parts) of what is no cpu."""
    return [
        (found.type.identity["name"], found.count, found.partitions)
        for found in machine.devices
        if found.type.kind != "cpu"
    ]


def peaks(found):
    """Return the peak rates of a device by precision, in operations per second."""
    return {name: fact.value for name, fact in found.type.peak_ops_per_s.items()}
