"""Runs of the workflow on the tests' cluster, and faults during them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import fields
from pathlib import Path

from tests.end_to_end import project
from tests.slurm.cluster import Cluster, call, processes_of, wait
from workflow_scripts.shared import files, tables
from workflow_scripts.softmax.train import Settings

# Training that is long enough to be interrupted, with frequent checkpoints.
SETTINGS = """
softmax:
  retrieval: {normalisers: [softmax], steps: 400}
  comparison: {normalisers: [softmax, sparsemax], steps: 400}
  heads: {checkpoint_every: 10}
"""
SCALE = ("--configfile", "presets/smoke.yaml", "test.yaml")
HEADS = "results/softmax/heads"
TESTS = "results/softmax/tests"
TARGETS = (
    "results/softmax/theory.parquet",
    "results/models/tokenizer/tokenizer.json",
    f"{TESTS}/comparison/softmax.parquet",
    f"{TESTS}/comparison/sparsemax.parquet",
    "results/softmax/maps.parquet",
)
# The shipped profile, with more frequent status checks: the tests' jobs take seconds.
PROFILE = ("--workflow-profile", "profiles/slurm")
OFTEN = (
    "--slurm-init-seconds-before-status-checks=1",
    "--seconds-between-status-checks=1",
    "--max-status-checks-per-second=2",
    "--latency-wait=10",
)
LIMIT_S = 240


class Run:
    """A copy of the project and the runs of Snakemake in it."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder, self.cluster = project.copy(folder), cluster
        (folder / "test.yaml").write_text(SETTINGS)
        self.process: subprocess.Popen | None = None
        self.logs: list[Path] = []

    def start(self, *targets: str, more: tuple[str, ...] = ()) -> None:
        """Submit the jobs of `targets`, in the background."""
        self.logs.append(self.folder / f"run{len(self.logs)}.log")
        command = [sys.executable, "-m", "snakemake", *PROFILE, *OFTEN, *more, *SCALE, "--"]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        with self.logs[-1].open("w") as log:
            self.process = subprocess.Popen(
                [*command, *targets],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=interruptible,
            )

    def log(self) -> str:
        """What the last run has printed so far."""
        return self.logs[-1].read_text()

    def finish(self) -> str:
        """Wait for the run, which must succeed; return its log."""
        assert self.process is not None
        try:
            code = self.process.wait(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = None
        assert code == 0, self.log()
        return self.log()

    def submitted(self) -> Counter[str]:
        """How often the last run submitted each rule, or each group."""
        found = re.findall(r"SLURM jobid \d+ \(log: \S+?/(?:rule|group)_(\w+)/", self.log())
        return Counter(found)

    def job(self, part: str) -> str:
        """Wait for a running job whose comment ends with `part`, and return it."""
        found: list[str] = []

        def running() -> bool:
            lines = call("squeue", "--noheader", "--states=R", "--format=%i|%k|%Z").splitlines()
            fields = [line.split("|") for line in lines]
            found[:] = [i for i, k, z in fields if k.endswith(part) and z == str(self.folder)]
            return bool(found)

        wait(f"job {part} runs", running, LIMIT_S)
        return found[0]

    def freeze(self, training: str, normaliser: str, local: Path) -> str:
        """Stop a training run after its first checkpoint, so that a fault interrupts it."""
        state = self.folder / state_file(local, training, normaliser)
        wait(f"{state} is there", state.exists, LIMIT_S)
        job = self.job(f"_{training}_{normaliser}")
        signal_scripts(job, signal.SIGSTOP)
        assert state.exists(), "the training had already ended: increase its steps"
        return job


def interruptible() -> None:
    """Take SIGINT as usual, even where these tests run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def state_file(local: Path, training: str, normaliser: str) -> Path:
    """Folder of a training run's state, from its results in folder `local`."""
    made = tables.provenance(local / HEADS / training / f"{normaliser}.curve.parquet")
    given = made["settings"] | made["settings"]["settings"]
    names = [field.name for field in fields(Settings) if field.name != "normaliser"]
    settings = {"normaliser": normaliser} | {name: given[name] for name in names}
    key = files.content_hash(
        {
            "output": f"{HEADS}/{training}/{normaliser}.safetensors",
            "code": made["code"],
            "seed": made["seed"],
            "seed_count": given["seed_count"],
            "settings": settings,
        }
    )
    folder = Path("work/softmax_train") / key
    assert (local / folder).is_dir()
    return folder / "checkpoint.pt"


def signal_scripts(job: str, number: int) -> None:
    """Send a signal to the computing process of a Slurm job, not to its wrappers."""
    for pid in processes_of(job):
        with contextlib.suppress(OSError):  # it may just have ended
            if b".snakemake/scripts/" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, number)


def outputs(folder: Path) -> dict[str, bytes]:
    """Every result by its path."""
    results = folder / "results"
    paths = sorted(path for path in results.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def first_percent(folder: Path, training: str, normaliser: str) -> int:
    """Number of steps that the last job of a training run found completed."""
    log = (folder / "logs/softmax_train" / training / f"{normaliser}.log").read_text()
    found = re.search(r"(\d+)%", log)
    assert found
    return int(found[1])
