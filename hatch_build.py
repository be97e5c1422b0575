"""Build hook: what ships as data (devices, intents, schemas, forms...) travels in the wheel as ``aios/_catalog``."""

from __future__ import annotations

import compileall
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogueBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is a builder config that hatchling does not export
    """Map the data folders into the package; an editable install reads them where they are."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files of each data folder to the wheel unless it is editable; scripts that made them stay behind.

        What a checkout installs gets bytecode here, as a wheel gets it from pip: without it, where Python may not write
        its own, a small plan takes a third to a half longer.
        """
        if version == "editable":
            for package in ("planner", "plugins"):
                compileall.compile_dir(Path(self.root) / package, quiet=2)
            return
        for folder in ("hardware", "intents", "schemas", "tables", "calibrations", "cards"):
            for file in sorted((Path(self.root) / folder).rglob("*")):
                if file.is_file() and file.suffix not in (".py", ".pyc"):
                    build_data["force_include"][str(file)] = f"aios/_catalog/{file.relative_to(self.root).as_posix()}"
