"""Traces: what an OpenTelemetry collector receives over HTTP; the collector here parses what it is sent."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SECRET = "canary-4b1d"


class Collector(ThreadingHTTPServer):
    """Receives traces at /v1/traces; answers with ``status``."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.received = []
        self.headers = []

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> dict[str, list]:
        """Return name -> spans of that name."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found = {}
        for body in self.received:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        found.setdefault(span.name, []).append(span)
        return found

    def resource(self) -> dict[str, str]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        (first, *_) = ExportTraceServiceRequest.FromString(self.received[0]).resource_spans
        return {item.key: item.value.string_value for item in first.resource.attributes}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            self.server.received.append(body)
            self.server.headers.append(dict(self.headers))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def written(aios, fleet, asked):  # noqa: ARG001 - the fleet file is beside the intent
    aios.write("intent.yaml", asked(pin="{executor: dryrun}"))
    return aios


def facts(span):
    return {
        item.key.removeprefix("aios."): getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes
    }


def test_an_apply_is_one_trace_under_the_span_of_its_caller(written, collector):
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ran = written("apply", "intent.yaml", "--yes", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, TRACEPARENT=caller)
    assert ran.code == 0, ran.err
    spans = collector.spans()
    assert {span.trace_id.hex() for some in spans.values() for span in some} == {caller.split("-")[1]}
    (root,) = spans["aios apply"]
    assert root.parent_span_id.hex() == caller.split("-")[2]
    assert facts(root)["exit_code"] == 0
    assert facts(root)["plan"].startswith("sha256:")
    (apply,), (action,), (call,) = spans["apply"], spans["action"], spans["executor.carry_out"]
    for span, parent in ((spans["solving"][0], root), (apply, root), (action, apply), (call, action)):
        assert span.parent_span_id == parent.span_id
        assert parent.start_time_unix_nano <= span.start_time_unix_nano < span.end_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
    assert facts(spans["solving"][0])["status"] == "optimal"
    assert facts(spans["solving"][0])["gap"] == 0.0
    assert facts(spans["candidates"][0])["candidates"] > 0
    assert facts(action)["address"] == facts(call)["address"] == "digits"
    assert collector.resource()["service.name"] == "aios"


def test_actions_at_once_keep_their_own_calls(written, collector, asked):
    for index in range(4):
        written.write(f"more/{index}.yaml", asked(name=f"digits-{index}", pin="{executor: dryrun}"))
    wider = (written.place / "fleet.yaml").read_text().replace("two-cores, count: 1", "two-cores, count: 4")
    written.write("fleet.yaml", wider.replace("cpu: 2", "cpu: 8"))
    ran = written("apply", "more", "--yes", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    assert ran.code == 0, ran.err
    spans = collector.spans()
    actions = {span.span_id: facts(span)["address"] for span in spans["action"]}
    assert sorted(actions.values()) == [f"digits-{index}" for index in range(4)]
    assert len(spans["executor.carry_out"]) == 4
    for call in spans["executor.carry_out"]:
        assert actions[call.parent_span_id] == facts(call)["address"]


def test_the_standard_variables_hold(written, collector):
    ran = written(
        "plan",
        "intent.yaml",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.endpoint}/v1/traces",
        OTEL_EXPORTER_OTLP_HEADERS=f"x-key={SECRET}",
        OTEL_SERVICE_NAME="planner-of-team-a",
    )
    assert ran.code == 0
    assert collector.resource()["service.name"] == "planner-of-team-a"
    assert collector.headers[0]["x-key"] == SECRET
    assert not (written.place / ".aios" / "logs").exists()


@pytest.mark.parametrize("off", [{"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
def test_traces_can_be_switched_off(written, collector, off):
    ran = written("status", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, **off)
    assert (ran.code, ran.err) == (0, "")
    assert collector.received == []


def test_a_failure_is_an_exception_of_its_span_without_secrets(written, collector):
    ran = written.apart(
        "plan",
        "intent.yaml",
        "--fleet",
        f"{SECRET}.yaml",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        A_TOKEN=SECRET,
    )
    assert ran.code == 1
    spans = collector.spans()
    (reading,), (root,) = spans["reading"], spans["aios plan"]
    assert [event.name for event in reading.events] == ["exception"]
    told = {item.key: item.value.string_value for item in reading.events[0].attributes}
    assert told["exception.type"] == "InputError"
    assert "Traceback" in told["exception.stacktrace"]
    assert reading.status.code == root.status.code == 2
    assert root.status.message == "exit code 1"
    assert all(SECRET.encode() not in body for body in collector.received)


def silent_port() -> tuple[socket.socket, str]:
    listening = socket.create_server(("127.0.0.1", 0))  # takes connections, never answers
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_collector_that_does_not_answer_costs_a_bounded_time_and_one_line(written):
    assert written("plan", "intent.yaml").code == 0
    started = time.monotonic()
    usual = written("plan", "intent.yaml", "--json")
    usual_s = time.monotonic() - started
    listening, endpoint = silent_port()
    with listening:
        started = time.monotonic()
        ran = written("plan", "intent.yaml", "--json", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        took_s = time.monotonic() - started
    assert (ran.code, ran.out) == (0, usual.out)
    assert ran.err.splitlines() == [f"note: the trace was not sent to {endpoint}/v1/traces: it does not answer"]
    assert took_s < 3 * usual_s + 5, "1.5 s of waiting and the import of the SDK, on a busy machine"


def test_a_collector_that_refuses_or_is_gone_costs_one_line(written, collector):
    collector.status = 400
    refused = written("status", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint.replace("//", f"//u:{SECRET}@"))
    assert refused.code == 0
    assert len(refused.err.splitlines()) == 1
    assert "u:***@" in refused.err
    listening, endpoint = silent_port()
    listening.close()
    gone = written("status", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert gone.code == 0
    assert len(gone.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "protocol is 'grpc'"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "trace"),
    ],
)
def test_what_is_configured_wrongly_costs_one_line(aios, environment, said):
    ran = aios("status", **environment)
    assert (ran.code, ran.out) == (0, "nothing is applied\n")
    (line,) = ran.err.splitlines()
    assert said in line


def test_without_the_packages_one_line_says_what_to_install(aios):
    hidden = aios.write("hidden/opentelemetry/__init__.py", "raise ImportError('hidden by this test')\n").parents[1]
    path = os.pathsep.join((str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])))
    ran = aios.apart("status", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", PYTHONPATH=path)
    assert ran.code == 0
    (line,) = ran.err.splitlines()
    assert "pip install 'aios-planner[otel]'" in line


def test_nothing_of_it_is_imported_where_nothing_is_configured(aios):
    code = (
        "import sys\nfrom aios.cli.main import main\ntry:\n    main(['status'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('opentelemetry', 'logging', 'aios.workflow.runlog') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=aios.place, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
