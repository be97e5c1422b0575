"""The schemas of forms and calibrations accept what the code accepts."""

import json

import jsonschema
import pytest

from aios.catalogue import root
from aios.fidelity.keeping import calibration_text, read_calibration
from aios.records.calibration import Calibration, Effect, Residual, Stage
from aios.records.document import parse

FORMS = sorted((root() / "tables").glob("*.yaml"))
TABLE, CALIBRATION = (
    jsonschema.Draft202012Validator(json.loads((root() / "schemas" / f"{name}.schema.json").read_text()))
    for name in ("table", "calibration")
)
BARE = """\
apiVersion: aios/v1
kind: Table
metadata: {name: bare}
spec:
  where: {threads: [1, 2]}
  words: {precision: {column: 8, values: {"8": 8}}}
  metrics: {metric: power, column: watts, unit: W, predictor: power}
"""


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_every_form_that_ships_is_valid(path):
    (document,) = parse(path.read_bytes(), str(path))
    TABLE.validate(document.data)


def test_numbers_may_stand_for_cells_and_columns():
    (document,) = parse(BARE.encode(), "bare.table.yaml")
    TABLE.validate(document.data)
    broken = json.loads(json.dumps(document.data).replace('"unit"', '"units"'))
    assert not TABLE.is_valid(broken)


def test_what_is_written_is_valid_and_read_again():
    learnt = Calibration(
        predictor="network",
        metric="throughput",
        version=1,
        stages=(Stage(keys=("device",), effects=(Effect(group=("a",), rows=3, constant=0.5, terms={"x": 1.0}),)),),
        residuals=(Residual(level="calibrated", stratum="", low=-0.1, high=0.2, rows=30),),
    )
    text = calibration_text(learnt)
    (document,) = parse(text.encode(), "c.yaml")
    CALIBRATION.validate(document.data)
    assert read_calibration(text.encode(), "c.yaml") == learnt
