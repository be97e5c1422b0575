"""Plans as every format wrote them (``formats/``: made by the aios of their time) are read, and nothing is lost.

A file is never changed once its format is released; a new format adds one.
"""

import json
from pathlib import Path

import pytest

from aios.plan import plan_text, read_plan
from aios.plan.signing import check_signature
from aios.records.errors import InputError
from aios.records.plan import FORMAT_VERSION
from aios.spi.keys import public_keys

FOLDER = Path(__file__).parent / "formats"
FILES = sorted(FOLDER.glob("*.json"))
MAJOR, MINOR = map(int, FORMAT_VERSION.split("."))


def holds(whole, part):
    """Say whether all that ``part`` says, ``whole`` says too."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and holds(whole[name], item) for name, item in part.items()
        )
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return whole == part


def test_every_released_format_has_a_plan():
    assert {path.stem.partition("-")[0] for path in FILES} == {f"{MAJOR}.{minor}" for minor in range(MINOR + 1)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_plan_of_a_released_format_is_read_whole(path):
    text = path.read_text()
    plan = read_plan(text, str(path))
    assert plan.format_version == path.stem.partition("-")[0]
    assert holds(json.loads(plan_text(plan)), json.loads(text))
    assert plan.actions
    assert plan.decisions
    assert plan.claims


def test_a_plan_of_this_format_keeps_its_bytes_and_its_signature():
    path = FOLDER / f"{FORMAT_VERSION}.json"
    text = path.read_text()
    assert plan_text(read_plan(text, str(path))) == text
    keys = public_keys(path.with_suffix(".pub").read_bytes(), "key")
    assert check_signature(text, str(path), keys) == keys[0].id


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_id_covers_every_byte_that_counts(path):
    text = path.read_text()
    with pytest.raises(InputError, match="changed after it was made"):
        read_plan(text.replace('"threads": 1', '"threads": 3', 1).replace('"seed": 0', '"seed": 7', 1), str(path))
