"""From a float model to one that computes in 8-bit integers; runs in the process that builds an artefact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["matching", "quantize"]

_CALIBRATION_ITEMS = 512
"""Items that ranges are read from. Ranges hardly change beyond some hundred items, and time grows with each."""

_CALIBRATION_BATCH = 8


def quantize(source: Path, scratch: Path, how: str, calibrate: Sequence[str], narrow_weights: bool) -> Path:
    """Return the quantised model, a file in ``scratch``.

    how: ``dynamic`` or ``static`` · narrow_weights: keep weights to 7 bits, for CPUs without 8-bit dot products, whose
    16-bit sums would overflow
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ready, made = scratch / "preprocessed.onnx", scratch / "quantized.onnx"
    quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
    _forget_shapes_of_constants(ready)
    if how == "dynamic":
        # Weights of matrix products per channel, symmetric; convolutions stay float: onnxruntime's ConvInteger is
        # slower than its float convolution.
        quantize_dynamic(
            str(ready),
            str(made),
            op_types_to_quantize=["MatMul", "Gemm", "Attention", "LSTM", "EmbedLayerNormalization"],
            per_channel=True,
            reduce_range=narrow_weights,
            weight_type=QuantType.QInt8,
        )
    else:
        _static(ready, made, calibrate, narrow_weights)
    return made


def _forget_shapes_of_constants(path: Path) -> None:
    """Remove stated shapes of constants: the quantiser transposes some and then takes the old shape for a mistake."""
    import onnx

    model = onnx.load(str(path))
    constants = {item.name for item in model.graph.initializer}
    kept = [item for item in model.graph.value_info if item.name not in constants]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    onnx.save(model, str(path))


def _static(ready: Path, made: Path, calibrate: Sequence[str], narrow_weights: bool) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    quantize_static(
        str(ready),
        str(made),
        _reader(ready, calibrate),
        quant_format=QuantFormat.QDQ,
        # Unsigned activations and signed weights are the pair that CPUs have instructions for.
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=narrow_weights,
        # The whole range that was seen. Clipping (entropy, percentile) helps rare outliers and hurts the bounded
        # activations (ReLU6, swish) of the small models that are worth quantising.
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
    )


def _reader(model: Path, calibrate: Sequence[str]) -> Any:
    import onnxruntime as ort
    from onnxruntime.quantization import CalibrationDataReader

    from aios_plugins.onnxruntime.session import Model, options

    opened = Model(ort.InferenceSession(str(model), options(1, False), providers=["CPUExecutionProvider"]))
    arrays = _load(opened, calibrate)

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime publishes no types
        """Feeds the arrays batch by batch."""

        def __init__(self) -> None:
            self._feeds = _feeds(opened, arrays)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            """Return the next feed, None at the end."""
            return next(self._feeds, None)

    return Reader()


def _feeds(model: Any, arrays: Mapping[str, NDArray[Any]]) -> Iterator[dict[str, NDArray[Any]]]:
    count = min(_CALIBRATION_ITEMS, *(len(array) for array in arrays.values()))
    fixed = model.inputs[0].shape[0] if model.inputs[0].shape else 1
    step = _CALIBRATION_BATCH if model.batchable else (fixed or 1)
    for at in range(0, count - step + 1 if not model.batchable else count, step):
        yield {name: array[at : at + step] for name, array in arrays.items()}


def _load(model: Any, calibrate: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    import numpy as np

    from aios_plugins.onnxruntime.build import Unusable

    seen = []
    for path in calibrate:
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except Exception as error:
            raise Unusable(f"{path} is no archive of arrays: {error}") from error
        found = matching(model.inputs, arrays)
        if found is not None:
            return found
        seen += [f"{name} {array.dtype}{list(array.shape)}" for name, array in arrays.items()]
    wanted = ", ".join(f"{port.name} {port.datatype}{port.metadata()['shape']}" for port in model.inputs)
    raise Unusable(f"no calibration data fits the inputs ({wanted}); the files hold {', '.join(seen) or 'nothing'}")


def matching(ports: Sequence[Any], arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
    """Return for each input the array of its name if that fits, else the first that fits; None unless all have one.

    An array fits when the input's type holds all its values and its shape is the input's, apart from the first axis,
    which counts items; it is returned in the input's type.
    """
    from aios_plugins.onnxruntime.tensors import NUMPY

    found: dict[str, NDArray[Any]] = {}
    for port in ports:
        names = sorted(arrays, key=lambda name: name != port.name)
        name = next((name for name in names if _fits(port, arrays[name])), None)
        if name is None:
            return None
        found[port.name] = arrays[name].astype(NUMPY[port.datatype], copy=False)
    return found


def _fits(port: Any, array: NDArray[Any]) -> bool:
    import numpy as np

    from aios_plugins.onnxruntime.tensors import NUMPY

    if not np.can_cast(array.dtype, NUMPY[port.datatype], "safe") or array.ndim != len(port.shape) or not len(array):
        return False
    return all(own in (None, size) for own, size in zip(port.shape[1:], array.shape[1:], strict=True))
