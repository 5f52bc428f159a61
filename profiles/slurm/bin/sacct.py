"""The states of a run's jobs, for Snakemake's Slurm plugin, on every kind of site.

The plugin (2.8.0) calls `sacct`. A run puts this program first in its PATH, because with the site's
own `sacct` the plugin can lose jobs and wait for ever:

- On a site without accounting `sacct` fails. This program calls `squeue` instead: a job that was
  listed before and no longer is has ended. Snakemake then checks the job's outputs, which are
  complete or absent.
- While the controller or the database is down, this program asks again for `PATIENCE_S` seconds;
  the plugin repeats the call up to `slurm-status-attempts` times.
- The plugin does not know the state "CANCELLED by 1000", nor PREEMPTED of a job that Slurm does not
  requeue (the profile sets --no-requeue; Snakemake submits the job again).

All other calls go to the site's `sacct`; without accounting their answer is empty.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 45.0  # the plugin waits 60 s for an answer
PAUSE_S = 2.0
ENDED = "COMPLETED"  # Slurm no longer knows how the job ended; the outputs decide
KNOWN = {"PREEMPTED": "CANCELLED", "REVOKED": "CANCELLED", "OUT_OF_ME+": "OUT_OF_MEMORY"}


def real_sacct() -> str | None:
    """The site's own sacct, if it has one."""
    here = Path(__file__).resolve().parent
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = [folder for folder in folders if Path(folder or ".").resolve() != here]
    return shutil.which("sacct", path=os.pathsep.join(others))


def ask(*command: str) -> tuple[bool, str]:
    """Whether the command succeeded, and its output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, done.stdout if done.returncode == 0 else done.stderr


def normal(state: str) -> str:
    """The state under a name that the plugin knows."""
    word = state.split()[0] if state.split() else state
    return KNOWN.get(word, word)


def parse(text: str) -> dict[str, str]:
    """State of each job, from lines `job|state`."""
    pairs = (line.strip().split("|")[:2] for line in text.splitlines() if "|" in line)
    return {job: normal(state) for job, state in pairs}


def with_forgotten(states: dict[str, str], run: str) -> dict[str, str]:
    """The states, with jobs of earlier answers that are missing in this one marked as ended."""
    memory = Path(".snakemake/slurm_seen") / f"{run}.json"
    try:
        seen = json.loads(memory.read_text())
    except (OSError, ValueError):
        seen = []
    if set(states) - set(seen):
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(sorted({*seen, *states})))
        part.replace(memory)
    return {job: ENDED for job in seen} | states


def states_of(run: str, arguments: list[str]) -> dict[str, str] | None:
    """The state of each job of a run, from sacct or, failing that, squeue; None if both fail."""
    sacct = real_sacct()
    deadline = time.monotonic() + PATIENCE_S
    while True:
        told, text = ask(sacct, *arguments) if sacct else (False, "no sacct")
        if told:
            return parse(text)
        queue = ("squeue", "--noheader", "--states=all", "--format=%i|%T", f"--name={run}")
        told, text = ask(*queue)
        if told:
            return with_forgotten(parse(text), run)
        if time.monotonic() + PAUSE_S > deadline:
            sys.stderr.write(text)
            return None
        time.sleep(PAUSE_S)


def main(arguments: list[str]) -> int:
    """Answer one call of `sacct` with these arguments; return the exit status."""
    if "--name" not in arguments:
        sacct = real_sacct()
        told, text = ask(sacct, *arguments) if sacct else (False, "")
        # A job without a node must not be reported: the plugin would exclude a node named "None".
        print(text if told and "None" not in text else "", end="")
        return 0
    states = states_of(arguments[arguments.index("--name") + 1], arguments)
    if states is None:
        return 1
    print("".join(f"{job}|{state}\n" for job, state in states.items()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
