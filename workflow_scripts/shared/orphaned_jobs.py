"""What a run on Slurm does before its first submission.

It tries the command that reports job states: the plugin would repeat one that fails for hours. Then
it cancels the jobs that a killed run left in the queue.

When Snakemake is killed (SIGKILL, a login node that goes down), its jobs stay queued or running,
and the next run would submit them again. The next run holds Snakemake's lock on its outputs, so the
run that submitted the old jobs must have ended.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.slurm_internals import job_comments

STATUS = ROOT / "profiles/slurm/bin"  # the project's own `sacct`, which reports every job
PYTHON = "FAULTLINES_PYTHON"  # variable with the interpreter that runs it
NO_RUN = "faultlines-trial"  # a job name that no run has
LIMIT_S = 60.0


def take_over(dag: Any, on_slurm: bool) -> list[str]:
    """Cancel orphaned jobs that `dag` would submit again, wait for their end, and return their ids.

    Also puts the project's `sacct` first in PATH. Does nothing if Slurm is not installed, or if no
    cluster answers and the run is not `on_slurm`. Raises `RuntimeError` if an `on_slurm` run gets
    no answer from `squeue` or about job states, and `TimeoutError` if a job does not end (its node
    may be unreachable).
    """
    if not shutil.which("squeue"):
        return []
    try:
        queue()
    except RuntimeError:
        if on_slurm:
            raise
        return []
    os.environ["PATH"] = os.pathsep.join([str(STATUS), os.environ.get("PATH", os.defpath)])
    os.environ[PYTHON] = sys.executable
    if on_slurm:
        try_status()
    jobs = left(queue(), job_comments(dag), Path.cwd())
    if jobs:
        print(
            f"cancelling {len(jobs)} jobs that an earlier run left in Slurm's queue "
            f"({' '.join(jobs)}); they are submitted again and resume from work/",
            file=sys.stderr,
        )
        subprocess.run(["scancel", *jobs], check=True)
        deadline = time.monotonic() + LIMIT_S
        while still := left(queue(), job_comments(dag), Path.cwd()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Slurm jobs {' '.join(still)} still run; see `squeue --me`")
            time.sleep(0.5)
    return jobs


def try_status() -> None:
    """Ask for job states as the plugin will. Raises `RuntimeError` if that fails."""
    command = ["sacct", "-X", "--parsable2", "--noheader", "--format=JobIdRaw,State"]
    try:
        done = subprocess.run(
            [*command, "--name", NO_RUN], capture_output=True, text=True, timeout=LIMIT_S
        )
        code, said = done.returncode, done.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        code, said = 1, str(error)
    if code:
        reason = (said.strip().splitlines() or [f"exit status {code}"])[-1]
        raise RuntimeError(
            f"expected {STATUS / 'sacct'} to report job states, found: {reason}. Nothing was "
            "submitted; run it by hand, with `--name x`"
        )


def queue() -> list[tuple[str, str, str]]:
    """Id, comment and working folder of each of this user's queued or running jobs."""
    command = ["squeue", "--me", "--noheader", "--format=%i|%k|%Z"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"squeue does not answer: {done.stderr.strip()}")
    lines = (line.strip().split("|", maxsplit=2) for line in done.stdout.splitlines())
    return [(fields[0], fields[1], fields[2]) for fields in lines if len(fields) == 3]


def left(jobs: Iterable[tuple[str, str, str]], wanted: set[str], folder: Path) -> list[str]:
    """Ids of the jobs that belong to `folder` and have one of the `wanted` comments."""
    return [job for job, comment, where in jobs if comment in wanted and Path(where) == folder]
