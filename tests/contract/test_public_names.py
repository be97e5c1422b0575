"""Every room says what it does and which of its names are for others."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import aios

PLANNER = Path(aios.__file__).parent
ROOMS = sorted(path.parent.name for path in PLANNER.glob("*/__init__.py"))
NO_ROOMS = {"records", "spi", "workflow", "cli"}
"""Packages without one public function: their modules are imported one by one."""

MODULES = sorted(
    ".".join(path.relative_to(PLANNER.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PLANNER.rglob("*.py")
)
NEEDS_PYTEST = {"aios.spi.conformance", "aios.spi.taking_over_conformance"}


def exported(module):
    """Return the names in ``__all__`` as the source lists them, None without one."""
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return None


def test_there_are_the_rooms_that_the_design_names():
    assert set(ROOMS) >= {
        "intents",
        "fleet",
        "models",
        "candidates",
        "cost",
        "solve",
        "check",
        "plan",
        "apply",
        "verify",
    }


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_does_and_what_it_offers(room):
    module = importlib.import_module(f"aios.{room}")
    assert module.__doc__, f"aios.{room} does not say what it does"
    assert room in NO_ROOMS or exported(module) is not None, f"aios.{room} lists no public names"


@pytest.mark.parametrize("name", MODULES)
def test_every_listed_name_is_there_and_documented(name):
    if name in NEEDS_PYTEST:
        importlib.import_module("pytest")
    module = importlib.import_module(name)
    listed = exported(module)
    if listed is None:
        return
    assert listed == sorted(set(listed), key=listed.index), f"{name} lists a name twice"
    for public in listed:
        item = getattr(module, public)
        if inspect.isclass(item) or inspect.isfunction(item):
            assert item.__doc__, f"{name}.{public} is not documented"
