"""Snakemake within a Slurm job: it starts sooner, and says when it ends.

    python -m workflow_scripts.shared.slurm_job [arguments of snakemake]

`shared/slurm_internals.py` lets jobs start with it, instead of with `python -m snakemake`.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ENDED = "FAULTLINES_SLURM_ENDED"  # variable with the folder in which a job leaves a file as it ends
NO_PREFIX = "(none)"  # no module's name begins with it


@contextlib.contextmanager
def announced() -> Iterator[None]:
    """Leave a file named after the Slurm job once the block has ended, however it ended.

    The submitting run looks for it, and asks Slurm for job states when there is one.
    """
    try:
        yield
    finally:
        folder, job = os.environ.get(ENDED), os.environ.get("SLURM_JOB_ID")
        if folder and job:
            with contextlib.suppress(OSError):  # a late notice costs time, no result
                Path(folder, job).touch()


def main() -> None:
    """Run Snakemake with this process's arguments."""
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    # A job submits nothing. The plugin that does imports pandas, a sixth of Snakemake's start.
    ExecutorPluginRegistry.module_prefix = NO_PREFIX
    from snakemake.cli import main as snakemake

    snakemake(sys.argv[1:])


if __name__ == "__main__":
    with announced():
        main()
