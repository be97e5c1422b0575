"""Opens onnxruntime sessions; every process that computes does it here, so that all compute alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aios_plugins.onnxruntime.spec import Spec, verified
from aios_plugins.onnxruntime.tensors import port_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["MODEL_FILE", "Model", "open_model", "options"]

MODEL_FILE = "model.onnx"
"""The graph in an artefact's folder."""

_QUIET = 3
"""Log severity: errors only. Warnings speak of graph clean-up, which users can do nothing about."""


def options(threads: int, graph: str) -> Any:
    """Return session options: ``threads`` intra-op threads that sleep when idle, one operator at a time.

    graph: level of optimisation, ``all``, ``extended``, ``basic`` or ``none``; KeyError for any other
    Spinning threads answer some microseconds sooner and burn every core of the deployment between requests, which
    takes from the other replicas and is paid in power.
    """
    import onnxruntime as ort

    ort.set_default_logger_severity(_QUIET)
    made = ort.SessionOptions()
    made.intra_op_num_threads = threads
    made.inter_op_num_threads = 1
    made.log_severity_level = _QUIET
    levels = ort.GraphOptimizationLevel
    made.graph_optimization_level = {
        "all": levels.ORT_ENABLE_ALL,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "basic": levels.ORT_ENABLE_BASIC,
        "none": levels.ORT_DISABLE_ALL,
    }[graph]
    made.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return made


class Model:
    """An open session with what is known of its inputs and outputs.

    batchable: the first axis of every input and output is free, and was seen to count items
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self.inputs = [port_of(node) for node in session.get_inputs()]
        self.outputs = [port_of(node) for node in session.get_outputs()]
        names = _first_axes([*session.get_inputs(), *session.get_outputs()])
        self.batchable = names is not None and self._scales(len(names) <= 1)

    def run(self, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs for inputs given in the model's order."""
        feed = {port.name: value for port, value in zip(self.inputs, values, strict=True)}
        outputs: list[NDArray[Any]] = self.session.run(None, feed)
        return outputs

    def example(self, items: int) -> list[NDArray[Any]] | None:
        """Return inputs of zeros for ``items`` items, or None when a dimension other than the first is free."""
        import numpy as np

        from aios_plugins.onnxruntime.tensors import NUMPY

        values = []
        for port in self.inputs:
            shape = [items if axis == 0 and size is None else size for axis, size in enumerate(port.shape)]
            if None in shape:
                return None
            values.append(np.zeros([size or 0 for size in shape], NUMPY[port.datatype]))
        return values

    def _scales(self, alike: bool) -> bool:
        """Try whether as many items come out as go in. Where no input can be made up, names decide.

        alike: whether all first axes have one name; exporters that name each free axis anew need the closer look
        """
        try:
            for items in (2,) if alike else (2, 3):
                values = self.example(items)
                if values is None:
                    return alike
                if any(output.shape[:1] != (items,) for output in self.run(values)):
                    return False
            return True
        except Exception:  # noqa: BLE001 - onnxruntime raises many kinds; zeros may be no valid input for this model
            return False

    def run_in_pieces(self, values: Sequence[NDArray[Any]], items: int, batch: int) -> list[NDArray[Any]]:
        """Return the outputs for ``items`` items, computing at most ``batch`` of them at once."""
        if not self.batchable or items <= batch:
            return self.run(values)
        import numpy as np

        pieces = [self.run([value[at : at + batch] for value in values]) for at in range(0, items, batch)]
        return [np.concatenate(column) for column in zip(*pieces, strict=True)]


def _first_axes(nodes: Sequence[Any]) -> set[str] | None:
    """Return the names of the first axes; None if one of them is fixed or there is none."""
    first: list[str | int | None] = [node.shape[0] if node.shape else 0 for node in nodes]
    names = {size for size in first if isinstance(size, str)}
    return None if any(isinstance(size, int) for size in first) else names


def _unsealed(spec: Spec, sealed: dict[str, str], folder: Path, made: Any) -> Any:
    """Return a session of encrypted files, which are plain in this process's memory alone.

    onnxruntime copies the constants out of it; that memory is free again when the session is made.
    """
    import onnxruntime as ort

    # Plain models need none of what follows, and load sooner without it.
    from aios.spi.sealing import sealing_key
    from aios.spi.vault import in_memory

    content = dict(in_memory(folder, sealing_key(sealed["key"]), sealed["context"]))
    graph = bytes(content.pop(MODEL_FILE))
    if content:
        sizes = [len(view) for view in content.values()]
        made.add_external_initializers_from_files_in_memory(list(content), list(content.values()), sizes)
    return ort.InferenceSession(graph, made, providers=spec.providers)


def open_model(spec: Spec) -> Model:
    """Open the spec's artefact, whose digests are verified on what is opened.

    Raises ValueError when the artefact is damaged or cannot be served, RuntimeError when onnxruntime would compute
    elsewhere than asked.
    """
    import onnxruntime as ort

    if spec.attested and "attestation" in spec.attested:
        from aios_plugins.onnxruntime.programs import check_programs

        check_programs(spec.attested)
    made = options(spec.threads, "none" if spec.optimized else spec.graph)
    with verified(spec) as folder:
        if spec.sealed is None:
            session = ort.InferenceSession(str(folder / MODEL_FILE), made, providers=spec.providers)
        else:
            session = _unsealed(spec, spec.sealed, folder, made)
    got = session.get_providers()
    if got[0] != spec.providers[0]:
        raise RuntimeError(f"onnxruntime computes with {got[0]}, not with {spec.providers[0]}")
    return Model(session)
