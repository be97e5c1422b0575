"""Rehearses a plan: writes what would be done to files and does nothing else."""

from aios_plugins.dryrun.executor import Executor

__all__ = ["Executor"]
