"""A real Slurm on this machine, with nodes that exist on paper only, for as long as a test needs it.

``munged``, ``slurmctld`` and one ``slurmd`` per node run in a temporary folder, on free loopback ports, as whoever runs
the test; ``python slurm.py FOLDER`` records its configuration and what ``scontrol`` prints of it.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOOLS = ("slurmctld", "slurmd", "munged", "scontrol", "sbatch")

# What the nodes are said to have, whatever this machine is: SlurmdParameters=config_overrides.
NODES = """\
NodeName=DEFAULT State=UNKNOWN
NodeName=gpu[001-002] CPUs=32 Sockets=2 CoresPerSocket=8 ThreadsPerCore=2 RealMemory=128000 \\
    Gres=gpu:a100:4(S:0-1) Feature=nvlink,ib Weight=10 NodeHostname=localhost Port={gpu}
NodeName=big01 CPUs=48 Boards=1 SocketsPerBoard=2 CoresPerSocket=24 RealMemory=256000 Gres=gpu:mi250x:2 \\
    NodeHostname=localhost Port={big}
NodeName=cpu01 CPUs=16 RealMemory=64000 TmpDisk=20000 NodeHostname=localhost Port={cpu}
PartitionName=train Nodes=gpu[001-002],big01 Default=YES State=UP
PartitionName=all Nodes=ALL State=UP
"""

GRES = """\
NodeName=gpu[001-002] Name=gpu Type=a100 File={devices}/gpu[0-3]
NodeName=big01 Name=gpu Type=mi250x Count=2 File={devices}/gpu[4-5]
"""

TOPOLOGY = """\
SwitchName=leaf1 Nodes=gpu[001-002]
SwitchName=leaf2 Nodes=big01,cpu01
SwitchName=spine Switches=leaf[1-2]
"""

_SETTINGS = """\
ClusterName=paper
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
TopologyPlugin=topology/tree
GresTypes=gpu
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SchedulerParameters=sched_interval=1,defer_batch=no
"""


def missing():
    """Return the tools that are not installed; they stand in sbin, which not every PATH holds."""
    return [tool for tool in TOOLS if _which(tool) is None]


def _which(tool):
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [taken.getsockname()[1] for taken in sockets]


class Slurm:
    """Daemons and their folder. ``with Slurm() as slurm:``; nothing of it is left afterwards."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.daemons = []

    def __enter__(self):
        try:
            self._write()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error):
        for daemon in reversed(self.daemons):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        for pid in self._strays():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, *words):
        """Run one of Slurm's commands; return what it prints."""
        done = self._run(*words)
        assert done.returncode == 0, f"{words}: {done.stderr}\n{self.log()}"
        return done.stdout

    def log(self):
        """Return what the daemons said last."""
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))

    def files(self):
        """Return the configuration, file name -> content."""
        return {name: (self.folder / name).read_bytes() for name in ("slurm.conf", "gres.conf", "topology.conf")}

    def occupy(self):
        """Take 8 CPUs, 32000 MB and 3 GPUs of gpu001, and 24 CPUs and a GPU of big01, by jobs that only wait."""
        script = self.folder / "wait.sh"
        script.write_text("#!/bin/sh\nexec sleep 60\n")
        common = ("sbatch", "-o", "/dev/null", "-p", "train", f"--chdir={self.folder}", "-n1")
        self.ask(*common, "-w", "gpu001", "-c", "8", "--mem=32000", "--gres=gpu:a100:3", str(script))
        self.ask(*common, "-w", "big01", "-c", "24", "--mem=1000", "--gres=gpu:mi250x:1", str(script))
        self.ask("scontrol", "update", "NodeName=cpu01", "State=DRAIN", "Reason=new disk")
        self._wait_for(
            lambda: self.ask("scontrol", "show", "nodes").count("AllocTRES=cpu") == 2, "the jobs do not start"
        )

    def _run(self, tool, *words):
        return subprocess.run(
            [_which(tool), *words], env=self._environment(), capture_output=True, text=True, timeout=10, check=False
        )

    def _environment(self):
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def _write(self):
        controller, *ports = free_ports(5)
        devices = self.folder / "dev"
        devices.mkdir()
        for number in range(6):
            (devices / f"gpu{number}").write_bytes(b"")
        (self.folder / "state").mkdir()
        settings = _SETTINGS.format(
            host=socket.gethostname().partition(".")[0], user=os.getuid(), folder=self.folder, controller=controller
        )
        nodes = NODES.format(gpu=f"[{ports[0]},{ports[1]}]", big=ports[2], cpu=ports[3])
        (self.folder / "slurm.conf").write_text(settings + nodes)
        (self.folder / "gres.conf").write_text(GRES.format(devices=devices))
        (self.folder / "topology.conf").write_text(TOPOLOGY)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)

    def _start(self):
        folder = self.folder
        self._daemon(
            "munged", "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket",
            f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed", "--num-threads=2",
        )  # fmt: skip
        self._wait_for((folder / "munge.socket").exists, "munged does not start")
        self._daemon("slurmctld", "-D", "-i", "-f", f"{folder}/slurm.conf")
        for node in ("gpu001", "gpu002", "big01", "cpu01"):
            self._daemon("slurmd", "-D", "-N", node, "-f", f"{folder}/slurm.conf")
        self._wait_for(self._all_idle, "the nodes do not come up")

    def _all_idle(self):
        asked = self._run("scontrol", "show", "nodes")
        return asked.returncode == 0 and len(re.findall(r"State=IDLE ", asked.stdout)) == 4

    def _wait_for(self, ready, otherwise):
        until = time.monotonic() + 20
        while not ready():
            ended = [daemon.args[0] for daemon in self.daemons if daemon.poll() is not None]
            assert not ended, f"{ended} ended\n{self.log()}"
            assert time.monotonic() < until, f"{otherwise}\n{self.log()}"
            time.sleep(0.05)

    def _daemon(self, tool, *words):
        with (self.folder / f"{tool}-{len(self.daemons)}.out.log").open("wb") as out:
            self.daemons.append(
                subprocess.Popen(
                    [_which(tool), *words],
                    env=self._environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _strays(self):
        """Return the processes that a daemon has detached from itself (slurmstepd and the jobs), by their folder."""
        mine = str(self.folder).encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    environment = (entry / "environ").read_bytes()
                    if mine in environment or mine in (entry / "cmdline").read_bytes():
                        yield int(entry.name)


def record(folder):
    """Write what a running Slurm and its files say into ``folder``."""
    with Slurm() as slurm:
        slurm.occupy()
        for name, content in slurm.files().items():
            (folder / name).write_bytes(content.replace(str(slurm.folder).encode(), b"/var/slurm"))
        (folder / "nodes.txt").write_text(slurm.ask("scontrol", "show", "nodes"))
        (folder / "nodes-oneline.txt").write_text(slurm.ask("scontrol", "-o", "show", "nodes"))
        (folder / "nodes-detailed.txt").write_text(slurm.ask("scontrol", "-d", "show", "nodes"))
        (folder / "nodes.json").write_text(slurm.ask("sinfo", "--json"))


if __name__ == "__main__":
    record(Path(sys.argv[1]))
