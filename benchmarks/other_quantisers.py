"""Has another tool quantise a model, in an environment of that tool, for ``quantisation.py --also``.

    python -m venv olive && olive/bin/pip install torch onnxruntime olive-ai datasets requests
    olive/bin/python benchmarks/other_quantisers.py olive MODEL.onnx --calibrate CALIBRATE.npz --out OUT.onnx
    python -m venv inc && inc/bin/pip install onnxruntime onnx-neural-compressor
    inc/bin/python benchmarks/other_quantisers.py neural-compressor MODEL.onnx --calibrate CALIBRATE.npz --out OUT.onnx

The archive holds one array for each input of the model. The last line is NAME=OUT.onnx=SECONDS, as ``--also`` takes it:
the wall seconds from the call of the tool to its result, imports not counted. Olive runs its static quantisation with
nothing stated but the data; Neural Compressor its automatic tuning, which tries its static configurations in turn
until one agrees with the given model on at least 99 % of the calibration items.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

AGREE = 0.99


def items(path: Path) -> list[Mapping[str, Any]]:
    """Return the inputs of the model for each item, a batch of one."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "label"}
    arrays = {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in arrays.items()}
    count = len(next(iter(arrays.values())))
    return [{name: array[at : at + 1] for name, array in arrays.items()} for at in range(count)]


def olive(model: Path, given: list[Mapping[str, Any]], out: Path) -> Callable[[], None]:
    """Return what has Olive quantise the model."""
    import olive as tool
    from olive.data.component.dataset import BaseDataset
    from olive.data.registry import Registry

    class Labelled(BaseDataset):  # type: ignore[misc]  # the tool's own class
        """Items as Olive wants them, beside a label that nothing reads."""

        def __getitem__(self, index: int) -> tuple[dict[str, Any], int]:
            return {name: array[0] for name, array in self.data[index].items()}, 0

    @Registry.register_dataset()  # type: ignore[untyped-decorator]  # the tool's own
    def calibration_items(**_: Any) -> Any:
        return Labelled(given)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            tool.run(
                {
                    "input_model": {"type": "ONNXModel", "model_path": str(model)},
                    "data_configs": [
                        {
                            "name": "calibration",
                            "type": "DataContainer",
                            "load_dataset_config": {"type": "calibration_items"},
                            "dataloader_config": {"batch_size": 1},
                        }
                    ],
                    "passes": {"quantise": {"type": "OnnxStaticQuantization", "data_config": "calibration"}},
                    "output_dir": folder,
                    "cache_dir": f"{folder}/cache",
                }
            )
            made = sorted(Path(folder).glob("*.onnx")) or sorted(Path(folder).rglob("*.onnx"))
            shutil.copyfile(made[0], out)

    return run


def neural_compressor(model: Path, given: list[Mapping[str, Any]], out: Path) -> Callable[[], None]:
    """Return what has Neural Compressor tune the model."""
    import onnx
    import onnxruntime
    from onnx_neural_compressor import data_reader
    from onnx_neural_compressor.quantization import config, tuning

    class Reader(data_reader.CalibrationDataReader):  # type: ignore[misc]  # the tool's own class
        """Feeds the items one by one."""

        def __init__(self) -> None:
            self.rewind()

        def get_next(self) -> Any:
            return next(self.left, None)

        def rewind(self) -> None:
            self.left = iter(given)

    def answers(path: object) -> Any:
        content = path if isinstance(path, str) else str(path)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        found = [np.asarray(session.run(None, dict(item))[0]) for item in given]
        return np.concatenate([item.reshape(len(item), -1) for item in found]).argmax(axis=1)

    right = answers(str(model))

    def run() -> None:
        settings = tuning.TuningConfig(config_set=config.StaticQuantConfig.get_config_set_for_tuning())
        settings.tolerable_loss = 1 - AGREE
        best = tuning.autotune(
            model_input=str(model),
            tune_config=settings,
            eval_fn=lambda path: float((answers(path) == right).mean()),
            calibration_data_reader=Reader(),
        )
        if best is None:
            raise SystemExit("it found no configuration")
        onnx.save(best, str(out))

    return run


def main() -> None:
    """Quantise and tell how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tools = {"olive": olive, "neural-compressor": neural_compressor}
    parser.add_argument("tool", choices=tools)
    parser.add_argument("model", type=Path)
    parser.add_argument("--calibrate", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    run = tools[asked.tool](asked.model, items(asked.calibrate), asked.out)
    start = time.perf_counter()
    run()
    print(f"{asked.tool}={asked.out}={time.perf_counter() - start:.1f}")


if __name__ == "__main__":
    main()
