"""A copy of the project with up-to-date results, and what Snakemake would re-run in it."""

import functools
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.end_to_end import forked
from workflow_scripts.shared.fingerprint import ROOT

FOLDERS = ("workflow_scripts", "rules", "schemas", "resources", "envs", "presets", "profiles")
SNAKEMAKE = (sys.executable, "-m", "snakemake")
FORKED = (sys.executable, str(ROOT / "tests/end_to_end/forked.py"))  # the same, jobs start faster
FILES = ("Snakefile", "config.yaml", "CITATION.cff", "LICENSE", "README.md", ".gitignore")


def copy(folder: Path) -> Path:
    """The parts of the project that a run reads, and nothing computed."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def snakemake(folder: Path, *arguments: str, program: tuple[str, ...] = SNAKEMAKE) -> str:
    """Standard output and error of a call that must succeed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [*program, "--cores", "2", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    return text


@functools.cache
def _forks() -> multiprocessing.context.ForkServerContext:
    """Processes that have imported Snakemake; a dry-run spends a third of its time on that."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(forked.WITHOUT_JOBS)
    return context


def without_jobs(folder: Path, *arguments: str) -> str:
    """Output of a call that runs no job and must succeed."""
    with tempfile.NamedTemporaryFile() as output:
        every = ("--cores", "2", *arguments)
        process = _forks().Process(
            target=forked.without_jobs, args=(every, str(folder), str(ROOT), output.name)
        )
        process.start()
        process.join()
        text = output.read().decode()
    assert process.exitcode == 0, text
    return text


LARGE = "results/models/corpus/train.parquet"  # the one result that is not empty
# Snakemake itself, except that scripts are not run: a job writes empty outputs.
PRETEND = f"""
import os, sys
import snakemake.benchmark
import snakemake.script

def script(path, basedir, input, output, *others, **more):
    for name in output:
        if "." in os.path.basename(name):
            open(name, "w").close()
        else:
            os.makedirs(name, exist_ok=True)
        if name == "{LARGE}":
            os.truncate(name, 2_000_000)

snakemake.script.script = script
# Too short to be measured.
snakemake.benchmark.write_benchmark_records = lambda records, path, *form: open(path, "w").close()
from snakemake.cli import main
main(sys.argv[1:])
"""


def make_up_to_date(folder: Path, *arguments: str) -> None:
    """Run the whole workflow with empty results, planned and recorded by Snakemake as usual."""
    command = [sys.executable, "-c", PRETEND, "--cores", "2", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


class Job(NamedTuple):
    """A job that a dry-run plans."""

    rule: str
    outputs: list[str]
    reason: str


def plan(folder: Path, *arguments: str) -> list[Job]:
    """What a dry-run would run."""
    text = without_jobs(folder, "-n", *arguments)
    blocks = re.split(r"^(?:local)?rule (\w+):$", text, flags=re.MULTILINE)[1:]
    jobs = []
    for rule, block in zip(blocks[::2], blocks[1::2], strict=True):
        outputs, reason = (re.search(rf"{key}: (.+)", block) for key in ("output", "reason"))
        names = outputs[1].split(", ") if outputs else []
        jobs.append(Job(rule, names, reason[1] if reason else ""))
    return jobs


def rules(jobs: list[Job]) -> set[str]:
    return {job.rule for job in jobs}


def changed(folder: Path, *arguments: str) -> set[str]:
    """Rules whose own parameters have changed. Deletes the records of their results.

    For a job that follows another one, Snakemake gives that as the only reason. So the first jobs
    are removed until no job is left that has its own reason.
    """
    found: set[str] = set()
    while own := [job for job in plan(folder, *arguments) if "Params have changed" in job.reason]:
        found |= rules(own)
        without_jobs(folder, "--cleanup-metadata", *(name for job in own for name in job.outputs))
    return found


def all_rules(folder: Path) -> set[str]:
    """Rules that the default target needs."""
    return rules(plan(folder, "--forceall"))
