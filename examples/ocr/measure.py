"""Send requests through all stages of an applied pipeline, and say how long each takes from end to end.

python measure.py PIPELINE [--requests N] [--rate PER_SECOND] [--size STAGE=3x48x320...]

Stages are asked in the order of their ``next``, the items of a stage one after the other, as the plan assumes. Requests
arrive at random (Poisson, seed 0) and do not wait for each other. Inputs are zeros of each model's shape.
"""

import argparse
import json
import math
import subprocess
import threading
import time
import urllib.error
import urllib.request

import numpy as np

SIZES = {"FP32": 4, "FP64": 8, "FP16": 2, "INT64": 8, "INT32": 4, "INT8": 1, "UINT8": 1, "BOOL": 1}


class Stage:
    """A service and the request to send it. times: items that one request of the pipeline makes of it ·
    sizes: of the axes behind the first, in place of what the model says"""

    def __init__(self, endpoint: str, name: str, times: int, sizes: list[int]) -> None:
        self.url, self.times = f"{endpoint}/v2/models/{name}", times
        with urllib.request.urlopen(self.url) as answer:
            ports = json.load(answer)["inputs"]
        described, self.body = [], b""
        for port in ports:
            shape = [size if size > 0 else 1 for size in port["shape"]]
            shape[1 : 1 + len(sizes)] = sizes
            size = math.prod(shape) * SIZES[port["datatype"]]
            described.append({**port, "shape": shape, "parameters": {"binary_data_size": size}})
            self.body += bytes(size)
        self.head = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()

    def ask(self) -> None:
        """Send all items of one request, one after the other."""
        headers = {
            "Inference-Header-Content-Length": str(len(self.head)),
            "Content-Type": "application/octet-stream",
        }
        for _ in range(self.times):
            asked = urllib.request.Request(f"{self.url}/infer", self.head + self.body, headers)
            with urllib.request.urlopen(asked) as answer:
                answer.read()


def stages_of(pipeline: str, rate: float, sizes: dict[str, list[int]]) -> list[Stage]:
    """Return the stages in the order in which data passes them, each behind those that it takes from."""
    told = subprocess.run(["aios", "status", "--json"], capture_output=True, check=True, text=True).stdout
    rows = {row["resource"]["address"]: row for row in json.loads(told)["resources"]}
    left = {name: row for name, row in rows.items() if name.startswith(f"{pipeline}/")}
    found = []
    while left:
        behind = {name for row in left.values() for name in row["resource"]["deployment"].get("next", ())}
        name = min(left.keys() - behind)
        deployment = left.pop(name)["resource"]["deployment"]
        times = round(deployment["rate_per_s"] / rate) if deployment["rate_per_s"] else 1
        found.append(Stage(rows[name]["observed"]["endpoint"], name.replace("/", "."), times, sizes.get(name, [])))
    return found


def main() -> None:
    """Send the requests and print what they met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline")
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--rate", type=float, default=1.0, help="requests per second, as the intent's load says")
    parser.add_argument(
        "--size", nargs="*", default=[], metavar="STAGE=3x48x320", help="for sizes that a model leaves open"
    )
    given = parser.parse_args()
    sizes = {
        f"{given.pipeline}/{stage}": [int(number) for number in axes.split("x")]
        for stage, _, axes in (item.partition("=") for item in given.size)
    }
    stages, took, failed = stages_of(given.pipeline, given.rate, sizes), list[float](), list[str]()
    if not stages:
        parser.error(f"no stage of {given.pipeline} is applied")
    arrivals = np.random.default_rng(0)

    def one() -> None:
        begun = time.perf_counter()
        try:
            for stage in stages:
                stage.ask()
        except urllib.error.URLError as error:
            failed.append(f"{stage.url}: {error}")
        else:
            took.append(time.perf_counter() - begun)

    threads = []
    for _ in range(given.requests):
        threads.append(threading.Thread(target=one))
        threads[-1].start()
        time.sleep(arrivals.exponential(1 / given.rate))
    for thread in threads:
        thread.join()
    if not took:
        raise SystemExit(f"no request was answered; {failed[0]}")
    p50, p90, p99 = (1e3 * np.quantile(took, share) for share in (0.5, 0.9, 0.99))
    print(f"{len(took)} of {given.requests} answered: p50 {p50:.1f} ms, p90 {p90:.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    main()
