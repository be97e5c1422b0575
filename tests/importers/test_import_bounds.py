"""How large a file may be is one rule, wherever it is asked."""

import json

import pytest

from aios.records.errors import InputError
from aios.spi.texts import MOST_BYTES
from aios.workflow.importing import find_importer, import_inventory

NODE = {"kind": "Node", "metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "8", "memory": "16Gi"}}}


def imported(path):
    return import_inventory(find_importer("kubernetes"), [str(path)], {}, {}, None, lambda: b"")


def test_what_an_importer_reads_is_not_refused_before_it(tmp_path):
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps(NODE) + " " * (67 * 2**20))
    assert [node.name for node in imported(path).assembled.fleet.nodes] == ["n"]


def test_what_no_importer_reads_is_refused_at_once(tmp_path):
    path = tmp_path / "nodes.json"
    with path.open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="more than 96 MiB"):
        imported(path)
