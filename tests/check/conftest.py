"""Gives the tests their builders as the fixture ``make``."""

from types import ModuleType

import build_instances
import pytest


@pytest.fixture(scope="session")
def make() -> ModuleType:
    return build_instances
