"""OpenTelemetry traces of a run, where the standard variables ask for them: a span for each stage.

The SDK reads its own variables (endpoint, headers, sampling, resource attributes). It is imported only here and only
then. A collector that does not answer costs a bounded time at the end and one line of talk.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from aios.workflow.redacting import redacted
from aios.workflow.stages import Level, Stage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

__all__ = ["Traces", "start"]

_PATIENCE_S = 1.5
"""How long the end of a command waits for the collector to take what is left."""
_MOST_WAITING = 16_384
"""Spans that wait to be sent; later ones are dropped."""


def start(environment: Mapping[str, str], warn: Callable[[str], None]) -> Traces | None:
    """Return what makes spans of stages; None, with one line to ``warn``, where it cannot be as configured."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if exporter not in ("otlp", "console"):
        warn(f"no trace: OTEL_TRACES_EXPORTER is {exporter!r}; aios sends by otlp, or prints with console")
        return None
    if exporter == "otlp" and protocol and protocol.strip().lower() != "http/protobuf":
        warn(f"no trace: the OTLP protocol is {protocol!r}; aios sends by http/protobuf")
        return None
    # What the SDK complains of belongs into the log of the run; without one, one line of ours is enough.
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
    try:
        return Traces(_exporter_of(exporter), environment, warn)
    except ImportError as error:
        warn(f"no trace: OpenTelemetry is configured but not installed ({error}): pip install 'aios-planner[otel]'")
    except Exception as error:  # noqa: BLE001 - the SDK reads dozens of variables; a wrong one must not end the command
        warn(f"no trace: OpenTelemetry does not start as configured: {type(error).__name__}: {redacted(str(error))}")
    return None


def _exporter_of(kind: str) -> Any:
    if kind == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


class Traces:
    """A `Watcher` that makes a span of each stage and sends it while the command goes on.

    exporter: of the SDK · environment: may hold the caller's TRACEPARENT, whose span is then the parent of ours
    """

    def __init__(self, exporter: Any, environment: Mapping[str, str], warn: Callable[[str], None]) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        from aios import __version__

        named = "OTEL_SERVICE_NAME" in environment or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
        own = {"service.version": __version__} | ({} if named else {"service.name": "aios"})
        self._exporter = _Told(exporter)
        self._provider: TracerProvider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(cast("SpanExporter", self._exporter), max_queue_size=_MOST_WAITING)
        )
        self._tracer: Tracer = self._provider.get_tracer("aios", __version__)
        names = ("traceparent", "tracestate")
        given = {name: environment[name.upper()] for name in names if name.upper() in environment}
        self._caller = TraceContextTextMapPropagator().extract(given)
        self._spans: dict[Stage, Span] = {}
        self._warn = warn

    def wants(self, level: Level) -> bool:
        """Say whether spans tell events of this level: what tells less is for the log."""
        return level in ("warning", "error")

    def begin(self, stage: Stage) -> None:
        """Begin the span of a stage, under that of the stage around it."""
        from opentelemetry.trace import set_span_in_context

        around = self._spans.get(stage.parent) if stage.parent is not None else None
        context = self._caller if around is None else set_span_in_context(around)
        command = stage.attributes.get("command")
        self._spans[stage] = self._tracer.start_span(f"aios {command}" if command else stage.name, context=context)

    def end(self, stage: Stage, error: BaseException | None) -> None:
        """End the span of a stage with all its attributes and what it failed with."""
        from opentelemetry.trace import Status, StatusCode

        span = self._spans.pop(stage, None)
        if span is None:
            return
        span.set_attributes(_attributes(stage.attributes))
        if error is not None:
            told = redacted(str(error)) or type(error).__name__
            facts = {"exception.type": type(error).__qualname__, "exception.message": told}
            if error.__traceback__ is not None:
                facts["exception.stacktrace"] = redacted("".join(traceback.format_exception(error)))
            span.add_event("exception", facts)
            span.set_status(Status(StatusCode.ERROR, told))
        elif stage.attributes.get("exit_code", 0) not in (0, 2):
            span.set_status(Status(StatusCode.ERROR, f"exit code {stage.attributes['exit_code']}"))
        span.end()

    def event(self, name: str, level: Level, facts: Mapping[str, Any], stage: Stage | None) -> None:
        """Add a warning or an error to the span that it happens in."""
        span = self._spans.get(stage) if stage is not None else None
        if span is not None:
            span.add_event(name, _attributes({"level": level, **facts}))

    def close(self) -> None:
        """Send what is left, for a bounded time; say so where the collector did not take it."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(_PATIENCE_S)
        trouble = "it does not answer" if ending.is_alive() else self._exporter.trouble
        if trouble:
            self._warn(f"the trace was not sent to {redacted(self._exporter.place)}: {trouble}")


class _Told:
    """An exporter that remembers whether it failed (`opentelemetry.sdk.trace.export.SpanExporter`)."""

    def __init__(self, exporter: Any) -> None:
        self._exporter = exporter
        self.place: str = getattr(exporter, "_endpoint", "standard error")
        self.trouble: str | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        """Send spans."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.trouble = "it cannot be reached or refused it (see the log of the run)"
        return result

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits: nothing does."""
        return bool(self._exporter.force_flush(timeout_millis))


def _attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts under names of our own, in the kinds of values that spans may carry; unknown ones are left out."""
    found: dict[str, Any] = {}
    for name, value in facts.items():
        if value is None:
            continue
        plain = isinstance(value, str | bool | int | float)
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        found[f"aios.{name}"] = value if plain or texts else json.dumps(value)
    return found
