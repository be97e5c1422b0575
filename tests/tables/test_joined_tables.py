"""Columns that a table takes over from another one of its folder."""

import gzip

import numpy as np
import pytest

from aios.workflow.measuredtables import read_tables
from aios.workflow.setting import silent

FORM = """\
apiVersion: aios/v1
kind: Table
metadata: {name: speeds}
spec:
  files: ["vision/speed*.csv"]
  joins:
    - table: vision/quality*.csv
      on: {model: {column: net, pattern: '^([^.]+)'}, size: pixels}
      where: {measure: {not: [error]}}
      columns: [top1, speed]
  words: {model: model, mode: {value: inference}}
  numbers: {accuracy: {column: top1, unit: '%'}}
  metrics: [{metric: throughput, column: speed, unit: /s, predictor: network}]
"""
SPEEDS = "model,size,speed\na,224,10\na,288,5\nb,224,20\n"
QUALITY = (
    "net,pixels,measure,top1,speed\na.best,224,share,80,99\na.other,224,share,70,99\na.best,288,error,20,9\n"
    "c,224,share,9,9\n"
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "speeds.table.yaml").write_text(FORM)
    (tmp_path / "vision").mkdir()
    (tmp_path / "vision" / "speed.csv").write_text(SPEEDS)
    return tmp_path


def rows_of(place):
    (reading,) = [item for item in read_tables(place, "*speed*", silent).readings if item.table.endswith("speed.csv")]
    assert reading.reason is None
    return reading.observations[0]


def test_the_first_row_that_agrees_and_counts_is_taken(folder):
    (folder / "vision" / "quality.csv").write_text(QUALITY)
    rows = rows_of(folder)
    np.testing.assert_array_equal(rows.number("accuracy"), [0.8, np.nan, np.nan])
    assert rows.values.tolist() == [10, 5, 20]  # its own column stays its own


def test_without_the_other_table_nothing_is_taken(folder):
    rows = rows_of(folder)
    assert np.isnan(rows.number("accuracy")).all()
    assert len(rows) == 3


@pytest.mark.parametrize("text", ["", "net,pixels,measure,top1,speed\n", "net,measure,top1\na.best,share,80\n"])
def test_another_table_that_lacks_what_is_wanted_is_left_alone(folder, text):
    (folder / "vision" / "quality.csv").write_text(text)
    assert np.isnan(rows_of(folder).number("accuracy")).all()


def test_the_other_table_may_be_packed_and_is_found_beside_a_single_file(folder):
    with gzip.open(folder / "vision" / "quality-2.csv.gz", "wt") as file:
        file.write(QUALITY)
    assert rows_of(folder).number("accuracy")[0] == pytest.approx(0.8)
    (folder / "vision" / "speeds.table.yaml").write_text(FORM.replace("vision/speed", "speed"))
    assert rows_of(folder / "vision" / "speed.csv").number("accuracy")[0] == pytest.approx(0.8)


def test_a_broken_table_beside_is_told(folder):
    (folder / "vision" / "quality.csv").write_bytes(b"net,pixels,top1\n\xff\xfe\x00,1,2\n")
    (reading,) = [item for item in read_tables(folder, "*speed*", silent).readings if item.table == "vision/speed.csv"]
    assert "UTF-8" in reading.reason
