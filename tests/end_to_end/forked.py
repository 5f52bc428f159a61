"""Snakemake whose jobs fork from one process that has imported the libraries.

    python tests/end_to_end/forked.py <arguments of snakemake>

A job is a process of its own with its log and its measurements, as in a usual run. Only the start
differs: importing torch, transformers and pandas takes seconds of each of a hundred short jobs.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any

LIBRARIES = [
    "torch",
    "transformers",
    "transformers.models.auto.modeling_auto",
    "pandas",
    "pandera.pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "statsmodels.api",
    "matplotlib.pyplot",
    "jsonschema",
    "tqdm",
]
WITHOUT_JOBS = ["snakemake.cli", "snakemake.dag", "snakemake.report", "pulp"]


def without_jobs(arguments: Sequence[str], folder: str, root: str, output: str) -> None:
    """Call Snakemake in that folder without running a job; what it prints goes to a file.

    The project's modules are those of the folder and not those in `root`, the caller's, so this
    module imports none.
    """
    os.chdir(folder)
    os.environ.pop("PYTHONPATH", None)
    sys.path[:] = [folder, *(path for path in sys.path if path not in ("", root))]
    with open(output, "wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv = ["snakemake", *arguments]
    runpy.run_module("snakemake", run_name="__main__")


def run(script: str, folder: str, variables: dict[str, str]) -> None:
    """Run a job's script as `python script` would, in that folder and environment."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    paths = [path for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [os.path.dirname(script), *paths]
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")


def main(arguments: list[str]) -> None:
    """Run Snakemake with these arguments."""
    import snakemake.script
    from snakemake.benchmark import benchmarked
    from snakemake.cli import main as snakemake_main

    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(LIBRARIES)
    # `start` looks for processes that have ended. If it finds one that another thread is joining,
    # one of the two reads the exit status, and the other takes the job for failed (255).
    one_at_a_time = threading.Lock()

    def execute_script(self: Any, fname: str, edit: bool = False) -> None:
        variables = dict(os.environ) | {
            name: str(self.threads) for name in os.environ if name.endswith("_NUM_THREADS")
        }
        job = processes.Process(target=run, args=(str(fname), os.getcwd(), variables))
        with one_at_a_time:
            job.start()
        with benchmarked(job.pid, self.bench_record):
            wait([job.sentinel])
        with one_at_a_time:
            job.join()
        if job.exitcode:
            raise subprocess.CalledProcessError(job.exitcode, str(fname))

    snakemake.script.PythonScript.execute_script = execute_script
    snakemake_main(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
