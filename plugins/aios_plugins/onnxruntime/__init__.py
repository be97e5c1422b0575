"""Runs ONNX models with onnxruntime: prepares, serves, measures.

The service and its workers are processes of their own that load this package too; they need no records, so
``Executor`` is looked up only when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aios_plugins.onnxruntime.executor import Executor

__all__ = ["Executor"]


def __getattr__(name: str) -> Any:
    if name == "Executor":
        from aios_plugins.onnxruntime.executor import Executor

        return Executor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
