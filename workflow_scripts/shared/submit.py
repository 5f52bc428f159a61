"""Run Snakemake on a cluster as the only submitter of this folder: `make cluster`.

    python -m workflow_scripts.shared.submit [any argument of snakemake]

The holder of `work/submitter.lock` alone submits from this folder, so a lock that Snakemake left
there belongs to a run that was killed, and is removed.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.shared import files, filesystem

LEFT = Path(".snakemake/locks")
PROFILE = "profiles/slurm"


def main(arguments: Sequence[str] | None = None) -> int:
    """Replace this process by Snakemake with the Slurm profile; return 1 if another one submits."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", PROFILE]
    files.WORK.mkdir(exist_ok=True)
    descriptor = os.open(files.WORK / "submitter.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        alone = filesystem.lock(descriptor, wait=False)
    except BlockingIOError:
        print("another run submits from this folder; see squeue --me", file=sys.stderr)
        return 1
    left = LEFT.is_dir() and any(LEFT.iterdir())
    if left and not alone:
        print(
            f"{LEFT}: expected no locks, found those of another run; if it has ended, run "
            "`snakemake --unlock`, then make cluster",
            file=sys.stderr,
        )
        return 1
    if left and (status := subprocess.call([*command, "--unlock", *given])):
        return status
    os.set_inheritable(descriptor, True)  # held until Snakemake ends, however it ends
    os.execv(command[0], [*command, *given])


if __name__ == "__main__":
    sys.exit(main())
