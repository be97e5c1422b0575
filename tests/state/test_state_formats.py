"""States as every version wrote them (``formats/``) are read, and nothing is lost; a save makes them of this version.

A file is never changed once its version is released; a new version adds one.
"""

import json
from pathlib import Path

import pytest

from aios.records.state import STATE_VERSION
from aios.spi.statetext import Damaged, decode, encode

FOLDER = Path(__file__).parent / "formats"
FILES = sorted(FOLDER.glob("*.json"))


def test_every_version_has_a_state():
    assert [path.stem for path in FILES] == [str(version) for version in range(1, STATE_VERSION + 1)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_state_of_an_earlier_version_is_read_whole_and_saved_as_this_one(path):
    document = json.loads(path.read_text())
    assert document["version"] == int(path.stem)
    state = decode(path.read_bytes())
    assert state.version == STATE_VERSION
    told = json.loads(encode(state))
    assert told["version"] == STATE_VERSION
    for address, resource in document["state"]["resources"].items():
        assert resource.items() <= told["state"]["resources"][address].items()
    assert decode(encode(state).encode()) == state


def test_a_state_of_this_version_keeps_its_bytes():
    path = FOLDER / f"{STATE_VERSION}.json"
    state = decode(path.read_bytes())
    assert state.run is not None
    assert state.resources["read-digits"].prevent_destroy
    assert encode(state).encode() == path.read_bytes()


def test_a_state_of_the_next_version_is_newer_not_damaged():
    newer = (FOLDER / f"{STATE_VERSION}.json").read_text()
    newer = newer.replace(f'"version": {STATE_VERSION}', f'"version": {STATE_VERSION + 1}', 1)
    with pytest.raises(Damaged, match="newer aios") as caught:
        decode(newer.encode())
    assert caught.value.newer
