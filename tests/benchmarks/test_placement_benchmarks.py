"""Benchmarks of placement run on small invented data, in the published files' form, and check what they print."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RATES = "set,gpu,model,batch,scale_factor,other_model,other_batch,other_scale,steps_per_s,other_steps_per_s"
JOBS = "trace,idx,job,needs_data_dir,total_steps,scale_factor,priority_weight,slo,arrival_s"
COLUMNS = ["id", "on_accel", "cpu_ms", "accel_ms", "backward", "color", "bytes"]


def run(script, folder, *arguments):
    command = [sys.executable, "-W", "error", ROOT / "benchmarks" / script, folder, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    kept = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return [dict(zip(kept[0], cells, strict=True)) for cells in kept[1:]]


def write_lines(path, *objects):
    with gzip.open(path, "wt") as lines:
        lines.writelines(json.dumps(item) + "\n" for item in objects)


def test_a_knapsack_is_filled_best(tmp_path):
    """Best is the second and third item, worked by hand."""
    instance = {
        "instance": "invented-0", "profit": [9, 8, 7], "weight": [[6, 4, 4], [3, 1, 2]], "capacity": [8, 4],
        "best_ga_1997": 15.0, "lp_relaxation": 15.5,
    }  # fmt: skip
    write_lines(tmp_path / "mkp_instances.jsonl.gz", {"header": {}}, instance)
    (row,) = run("knapsacks.py", tmp_path)
    assert (row["value"], row["bound"], row["of the best known"]) == ("15", "15", "100.0000%")
    assert (row["faults"], row["below the LP bound"]) == ("0", "yes")


def test_a_network_is_split_no_worse_than_by_its_expert(tmp_path):
    nodes = [[name, 1, 90.0, float(time), 0, name, 10.0] for name, time in enumerate((3, 4, 3, 2))]
    network = {
        "instance": "invented_inference", "max_size_per_accel": 30.0, "max_accel": 2, "max_cpu": 1,
        "node_columns": COLUMNS, "nodes": nodes, "edges": [[0, 1, 0.5], [1, 2, 0.5], [2, 3, 0.5]],
        "human_expert": {"fpgas": [{"nodes": [0, 1, 2]}, {"nodes": [3]}], "cpus": [{"nodes": []}]},
    }  # fmt: skip
    write_lines(tmp_path / "dnn_partitioning.jsonl.gz", {"header": {}}, network)
    follows, anything = run("partitioning.py", tmp_path)
    assert follows["expert"] == anything["expert"] == "10.500"
    assert follows["largest load, ms"] == follows["bound"] == "7.500"
    assert float(anything["bound"]) <= float(anything["largest load, ms"]) <= 7.5
    assert follows["faults"] == anything["faults"] == "0"


def test_ways_to_share_devices_out_are_compared(tmp_path):
    """One job gains ten times from the fast type, the other one and a half: the sum is largest when each has one."""
    rates = {"A": (10.0, 5.0, 1.0), "B": (3.0, 2.5, 2.0)}
    lines = [
        f"physical_cluster,{gpu},{model},8,1,,,,{rate},"
        for model, own in rates.items()
        for gpu, rate in zip(("v100", "p100", "k80"), own, strict=True)
    ]
    (tmp_path / "gavel_throughputs.csv").write_text("\n".join(["# invented", RATES, *lines]) + "\n")
    jobs = [f"invented,{index},{model} (batch size 8),1,36000,1,1,-1,0" for index, model in enumerate("BA")]
    (tmp_path / "gavel_physical_traces.csv").write_text("\n".join(["# invented", JOBS, *jobs]) + "\n")
    found = {
        row["way"]: row for row in run("heterogeneity.py", tmp_path, "--trace", "invented", "--devices", "1", "0", "1")
    }
    assert set(found) == {"total", "max-min", "round-robin", "fifo", "fifo, fast first"}
    assert (found["total"]["sum of rates"], found["total"]["of the optimum"]) == ("1.67", "100.0%")
    assert found["fifo"]["sum of rates"] == "1.10"


def test_sharing_is_decided_from_pairs_of_near_batch_sizes(tmp_path):
    lines = [f"simulation,v100,A,{batch},1,,,,10," for batch in (8, 16, 32)]
    pairs = ((8, 8, 9), (8, 16, 8), (16, 16, 7), (16, 32, 4), (32, 32, 3))
    lines += [f"simulation,v100,A,{one},1,A,{other},1,{rate},{rate}" for one, other, rate in pairs]
    (tmp_path / "gavel_throughputs.csv").write_text("\n".join([RATES, *lines]) + "\n")
    every, fits = run("sharing.py", tmp_path)
    assert every == fits | {"pairs": "all"}
    assert every["decisions held back"] == "7"
    assert every["always sharing"] == "57.1%"


def test_processes_are_moved_where_that_costs_least(tmp_path):
    """The first machine holds 5 + 4 with 5 of it safe, the second nothing: 2 x 4 of load against a move of 1 x 3."""
    model = [1, 0, 2, 2]  # one resource of weight 2, two machines
    model += [0, 0, 10, 5, 0, 1, 0, 1, 10, 5, 1, 0]  # neighbourhood, location, capacity, safety, moves
    model += [2, 1, 0, 1, 0]  # two services, in one location each
    model += [2, 0, 5, 9, 1, 4, 2]  # two processes
    model += [0, 1, 0, 1]  # no balances; weights
    write_lines(
        tmp_path / "roadef2012_instances.jsonl.gz",
        {"header": {}},
        {"instance": "invented", "model": model, "initial_assignment": [0, 0]},
    )
    (row,) = run("reassignment.py", tmp_path, "--seconds", "2")
    assert (row["before"], row["after"], row["bound"], row["gap"]) == ("8", "3", "3", "0.0000%")
    assert (row["moved"], row["faults"], row["of the way to the bound"]) == ("1", "0", "100.00%")
