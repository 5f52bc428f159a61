"""A complete Slurm on this machine: a controller and four nodes on loopback, two with a fake GPU.

    python tests/slurm/cluster.py start FOLDER    # as root; all state in FOLDER
    python tests/slurm/cluster.py stop FOLDER

Needs Debian's `slurmctld slurmd slurm-client munge`. slurm.conf must be at Slurm's default path,
because the job step of Snakemake's plugin does not pass SLURM_CONF on. So a link is created there,
and nothing is started on a machine that has its own Slurm.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "munged")
ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
NODES = {"c1": "", "c2": "", "g1": "gpu", "g2": "gpu"}

SLURM_CONF = """
ClusterName=faultlines
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/munge/socket
SlurmctldPort=16817
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/%n.pid
SlurmdSpoolDir={root}/spool/%n
StateSaveLocation={root}/state
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/%n.log
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=2
OverTimeLimit=0
MinJobAge=86400
JobRequeue=1
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,requeue_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
DefMemPerCPU=500
"""
PARTITIONS = """
PartitionName=cpu Nodes=c1,c2 Default=YES MaxTime=2-0 State=UP
PartitionName=gpu Nodes=g1,g2 MaxTime=2-0 State=UP
"""


def why_not() -> str | None:
    """Why no cluster can be started here, or None."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return "not installed: " + ", ".join(missing)
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    theirs = [ETC / name for name in FILES if (ETC / name).exists() and not _ours(ETC / name)]
    return f"this machine has its own Slurm ({theirs[0]})" if theirs else None


def _ours(path: Path) -> bool:
    return path.is_symlink() and (path.resolve().parent.parent / "faultlines").exists()


def wait(what: str, condition: Callable[[], bool], limit_s: float = 60) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {limit_s} s: {what}")
        time.sleep(0.1)


def call(*command: str) -> str:
    """Standard output of a Slurm command; empty if it failed."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


class Cluster:
    """The cluster whose state is in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def start(self) -> None:
        """Write the configuration, start every daemon, return once all nodes are idle."""
        if reason := why_not():
            raise RuntimeError(reason)
        for name in ("etc", "munge", "run", "spool", "state", "log", "dev"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for device in ("gpu0", "gpu1"):
            (self.root / "dev" / device).touch()
        (self.root / "faultlines").touch()
        self._configure()
        munge = self.root / "munge"
        munge.chmod(0o700)
        key = munge / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        options = ("key", "socket", "pid", "log", "seed")
        self._daemon(
            "munged",
            "--force",
            *(f"--{o}-file={munge / o}" for o in options if o != "socket"),
            f"--socket={munge / 'socket'}",
        )
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_until_idle()

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        text, gres = SLURM_CONF.format(host=host, root=self.root), "AutoDetect=off\n"
        for number, (node, kind) in enumerate(NODES.items()):
            extra = " Gres=gpu:h200:2" if kind else ""
            text += (
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={17001 + number} "
                f"CPUs=4 RealMemory=16000{extra} State=UNKNOWN\n"
            )
            if kind:
                gres += f"NodeName={node} Name=gpu Type=h200 File={self.root}/dev/gpu[0-1]\n"
        (self.root / "etc/slurm.conf").write_text(text + PARTITIONS)
        (self.root / "etc/gres.conf").write_text(gres)
        ETC.mkdir(exist_ok=True)
        for name in FILES:
            (ETC / name).unlink(missing_ok=True)
            (ETC / name).symlink_to(self.root / "etc" / name)

    def _daemon(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def start_controller(self) -> None:
        self._daemon("slurmctld")
        wait("slurmctld answers", lambda: "UP" in call("scontrol", "ping"))

    def stop_controller(self) -> None:
        self._end("slurmctld")

    def start_node(self, node: str) -> None:
        (self.root / "spool" / node).mkdir(exist_ok=True)
        self._daemon("slurmd", "-N", node)

    def stop_node(self, node: str) -> None:
        """As in a power failure: the daemon and its jobs end at once."""
        self._end(node, signal.SIGKILL)
        for job in call("squeue", "-h", "-w", node, "-o", "%i").split():
            for pid in processes_of(job):
                _kill(pid, signal.SIGKILL)

    def wait_until_idle(self) -> None:
        """Wait until every node can take a job."""
        wait(
            "all nodes idle", lambda: set(call("sinfo", "-h", "-N", "-o", "%t").split()) == {"idle"}
        )

    def stop(self) -> None:
        """End every daemon and remove the links."""
        call("scancel", "--user=root")
        for name in (*NODES, "slurmctld"):
            self._end(name)
        self._end_pid(self.root / "munge/pid")
        for name in FILES:
            if _ours(ETC / name):
                (ETC / name).unlink()

    def _end(self, name: str, number: int = signal.SIGTERM) -> None:
        self._end_pid(self.root / "run" / f"{name}.pid", number)

    def _end_pid(self, path: Path, number: int = signal.SIGTERM) -> None:
        try:
            pid = int(path.read_text())
        except (OSError, ValueError):
            return
        _kill(pid, number)
        wait(f"{path.stem} ends", lambda: not Path(f"/proc/{pid}").exists())
        path.unlink(missing_ok=True)


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def processes_of(job: str) -> list[int]:
    """Processes that a Slurm job started, and the daemon's step managers for it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if (
            f"SLURM_JOB_ID={job}".encode() in environment
            or f"slurmstepd: [{job}.".encode() in title
        ):
            found.append(int(folder.name))
    return found


if __name__ == "__main__":
    action, folder = sys.argv[1:]
    getattr(Cluster(Path(folder)), action)()
