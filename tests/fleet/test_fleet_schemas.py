"""The schemas that editors use say what the code says."""

import json

import jsonschema
import pytest

from aios.catalogue import root
from aios.fleet.forms.fleet import DeviceForm, FleetForm
from aios.records.document import parse, schema_text

SCHEMAS = root() / "schemas"
HARDWARE = sorted((root() / "hardware").glob("*/*.yaml"))
FLEETS = sorted((root() / "examples").glob("*/fleet.yaml"))
DEVICE, FLEET = (
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text()))
    for name in ("device", "fleet")
)


@pytest.mark.parametrize(
    ("model", "title", "name"), [(FleetForm, "aios fleet", "fleet"), (DeviceForm, "aios device type", "device")]
)
def test_the_schema_on_file_is_the_one_that_the_code_makes(model, title, name):
    written = (SCHEMAS / f"{name}.schema.json").read_text()
    assert written == schema_text(model, title, f"aios/v1/{name}.schema.json")


@pytest.mark.parametrize("path", HARDWARE, ids=lambda path: path.stem)
def test_every_catalogue_file_is_valid(path):
    (document,) = parse(path.read_bytes(), str(path))
    DEVICE.validate(document.data)


@pytest.mark.parametrize("path", FLEETS, ids=lambda path: path.parent.name)
def test_every_fleet_of_the_examples_is_valid(path):
    for document in parse(path.read_bytes(), str(path)):
        FLEET.validate(document.data)


@pytest.mark.parametrize(
    "text", ["kind: gpu", "name: x\nkind: gpuu", "name: x\nkind: gpu\ntdp: 5", "name: x\nkind: gpu\na: 1"]
)
def test_the_schema_refuses_what_the_code_refuses(text):
    (document,) = parse(text.encode(), "x.yaml")
    with pytest.raises(jsonschema.ValidationError):
        DEVICE.validate(document.data)
