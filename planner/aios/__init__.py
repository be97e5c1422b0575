"""aios: an intent-driven declarative workload planner for AI."""

__all__ = ["__version__"]

__version__ = "0.1.0"
