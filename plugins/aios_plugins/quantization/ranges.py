"""Which values activations take, observed on calibration data with onnxruntime's calibrators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aios_plugins.quantization.graphs import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.spi.transform import Progress
    from aios_plugins.quantization.items import Items

__all__ = ["operators", "ranges"]

_BATCH = 8
"""Items that are run at once. Histograms are made of whole activations, which are held for one batch at a time."""


def operators() -> list[str]:
    """Return the operator types that onnxruntime's static quantiser knows."""
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    return sorted({*QLinearOpsRegistry, *QDQRegistry})


def ranges(
    ready: Path, scratch: Path, items: Items, calibration: str, options: Mapping[str, Any], progress: Progress
) -> Any:
    """Return onnxruntime's ``TensorsData``: activation -> the range that 8 bits are to span.

    calibration: ``minmax``, the whole range that was seen; ``entropy``, the one whose histogram loses the least
    information; ``percentile``, all but the rarest values · options: of onnxruntime's calibrator
    """
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    class One(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime publishes no types
        """Feeds one batch: a calibrator keeps what it collects until its reader ends."""

        def __init__(self, feed: dict[str, Any]) -> None:
            self._feeds = iter([feed])

        def get_next(self) -> dict[str, Any] | None:
            """Return the next feed, None at the end."""
            return next(self._feeds, None)

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    with quiet():
        calibrator = create_calibrator(
            ready,
            operators(),
            augmented_model_path=str(scratch / "observed.onnx"),
            calibrate_method=methods[calibration],
            use_external_data_format=False,
            extra_options=dict(options),
        )
        done = 0
        for feed in items.feeds(_BATCH):
            calibrator.collect_data(One(feed))
            done += len(next(iter(feed.values())))
            progress(done / items.count, f"observing activations, {done} of {items.count} items")
        return calibrator.compute_data()
