"""Before a run: cancel what an earlier run, now gone, left in Slurm's queue for the same outputs.

Snakemake that is killed outright (SIGKILL, a login node that goes down) cancels nothing, so its
jobs wait and work on, and a run that takes over submits them once more. It holds the folder's lock
for the outputs that it is to make: whoever submitted jobs for these is gone.
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
from workflow_scripts.shared.snakemake_internals import job_comments

STATUS = ROOT / "profiles/slurm/bin"  # a `sacct` that loses no job
LIMIT_S = 60.0


def take_over(dag: Any, on_slurm: bool) -> list[str]:
    """Cancel left-behind jobs of what `dag` is to run, wait until they are gone, return their ids.

    Also puts the project's `sacct` first in this run's PATH. Where there is no Slurm, nothing
    happens; nor does it in a run that is not `on_slurm` where Slurm's commands are installed but
    no cluster answers. Raises `RuntimeError` if the run is and none does, and `TimeoutError` if a
    job does not go away: its node may be out of reach.
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
    jobs = left(queue(), job_comments(dag), Path.cwd())
    if jobs:
        print(
            f"cancelling {len(jobs)} jobs that an earlier run left in Slurm's queue "
            f"({' '.join(jobs)}); they are submitted again and go on from work/",
            file=sys.stderr,
        )
        subprocess.run(["scancel", *jobs], check=True)
        deadline = time.monotonic() + LIMIT_S
        while still := left(queue(), job_comments(dag), Path.cwd()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Slurm jobs {' '.join(still)} do not end; see `squeue --me`")
            time.sleep(0.5)
    return jobs


def queue() -> list[tuple[str, str, str]]:
    """Job, comment and working folder of each job that this user has waiting or running."""
    command = ["squeue", "--me", "--noheader", "--format=%i|%k|%Z"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"squeue does not answer: {done.stderr.strip()}")
    lines = (line.strip().split("|", maxsplit=2) for line in done.stdout.splitlines())
    return [(fields[0], fields[1], fields[2]) for fields in lines if len(fields) == 3]


def left(jobs: Iterable[tuple[str, str, str]], wanted: set[str], folder: Path) -> list[str]:
    """The jobs of `folder` whose comment is among the `wanted`."""
    return [job for job, comment, where in jobs if comment in wanted and Path(where) == folder]
