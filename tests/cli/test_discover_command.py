"""``aios hardware discover``: what it prints where, and that its file reads back."""

import pytest

from aios.workflow.discovering import asked


@pytest.fixture
def discover(aios):
    return lambda *arguments: aios("hardware", "discover", "--no-measure", *arguments)


def test_the_file_goes_to_stdout_and_what_was_found_to_stderr(discover, aios):
    done = discover()
    assert done.code == 0
    assert done.out.startswith("# A fact says")
    (aios.place / "fleet.yaml").write_text(done.out)
    assert aios("validate", "--fleet", "fleet.yaml").code == 0
    groups = [line for line in done.err.splitlines() if not line.startswith(" ")]
    assert groups[:3] == ["processor", "memory", "disks"]
    assert groups[-1] == "not found"
    assert "NVIDIA" in done.err


def test_it_writes_the_file_it_is_told_to_and_overwrites_none(discover):
    done = discover("-o", "here.yaml")
    assert done.out.splitlines()[-2:] == ["written", "  here.yaml"]
    assert done.err == ""
    again = discover("-o", "here.yaml")
    assert (again.code, "here.yaml is there already" in again.err) == (1, True)
    assert discover("-o", "here.yaml", "--force").code == 0
    assert discover("-o", ".").code == 64


def test_json_is_one_document_whose_lines_say_what_they_rest_on(discover):
    document = discover("--json").json
    assert set(document) == {"found", "missing", "fleet", "written"}
    assert document["fleet"]["nodes"][0]["address"] == "local"
    assert "nvidia" in {*document["found"], *document["missing"]}
    lines = [line for probe in document["found"].values() for line in probe]
    assert lines
    assert all(line.endswith(")") for line in lines), lines


class _Broken:
    name, api_version = "broken", 1

    def discover(self, measure):
        raise RuntimeError(f"a driver of somebody else, {measure}")


def test_a_probe_that_fails_is_one_sentence():
    assert asked("broken", _Broken(), False).missing == (
        "probe broken failed: RuntimeError: a driver of somebody else, False",
    )
