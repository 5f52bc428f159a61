"""The cost of a run beyond the studies' own computation, and the additional cost of Slurm.

    .venv/bin/python benchmarks/overhead.py                                        # default scale
    .venv/bin/python benchmarks/overhead.py --slurm --configfile presets/smoke.yaml  # as root

Runs the whole workflow in an empty folder. CPU time is that of all processes. A study's own
computation is the time of its scripts once started, from the logs of its jobs. With `--slurm` the
same run is repeated through the shipped profile on the tests' cluster, with as many jobs at once.
"""

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import comparison

from tests.end_to_end import project
from tests.slurm.cluster import Cluster, call
from tests.slurm.runs import OFTEN, PROFILE, outputs
from workflow_scripts.shared.job import CPU_LINE

LINE = re.compile(CPU_LINE.replace("{:.2f}", r"([\d.]+)"))
OURS = ("publish_",)  # rules that belong to no study: scorecard, report


def jobs(folder: Path) -> tuple[int, float, float, float]:
    """Number of jobs in `folder`; CPU s of their start, of the studies' work, and of other work."""
    count, started, studies, rest = 0, 0.0, 0.0, 0.0
    for log in (folder / "logs").rglob("*.log"):
        if not (found := LINE.findall(log.read_text(errors="replace"))):
            continue
        start_s, work_s = map(float, found[-1])
        count, started = count + 1, started + start_s
        if log.relative_to(folder / "logs").parts[0].startswith(OURS):
            rest += work_s
        else:
            studies += work_s
    return count, started, studies, rest


def run(folder: Path, arguments: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a run; CPU time excludes jobs that other processes started."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with (folder / "run.log").open("w") as log:
        command = [sys.executable, "-m", "snakemake", *arguments]
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=log)
    if done.returncode:
        raise SystemExit(f"the run failed: {log.name}")
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(case: str, folder: Path, wall: float, cpu: float | None, cores: int) -> dict:
    """One row of the table; shares are of all CPU time, or if it is not known, of the jobs'."""
    count, started, studies, rest = jobs(folder)
    found = {
        "case": case,
        "wall_s": round(wall, 1),
        "jobs": count,
        "studies_cpu_s": round(studies, 1),
        "start_cpu_s": round(started, 1),
        "publish_cpu_s": round(rest, 1),
    }
    if cpu is not None:
        found["snakemake_cpu_s"] = round(cpu - started - studies - rest, 1)
        found["share_not_studies"] = round(1 - studies / cpu, 3)
        found["cores_busy"] = round(cpu / wall / cores, 3)
    return found


def through_slurm(folder: Path, arguments: list[str], at_once: int) -> dict:
    """The same run on a cluster on this machine, with the distribution of its jobs' time."""
    cluster = Cluster(folder.parent / "cluster")
    cluster.start()
    try:
        wall, _ = run(folder, [*PROFILE, *OFTEN, "--jobs", str(at_once), *arguments])
        form = "--format=%V|%S|%e"
        lines = call("squeue", "-h", "--states=all", form).splitlines()
    finally:
        cluster.stop()
    spans = [[_seconds(when) for when in line.split("|")] for line in lines]
    found = row("through Slurm", folder, wall, None, at_once)
    found["submissions"] = len(spans)
    found["queued_s"] = sum(start - submitted for submitted, start, _ in spans)
    found["running_s"] = sum(end - start for _, start, end in spans)
    return found


def _seconds(when: str) -> float:
    return time.mktime(time.strptime(when, "%Y-%m-%dT%H:%M:%S"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--slurm", action="store_true")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, help="where to run; by default a folder that is removed"
    )
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = options.folder or Path(scratch)
        local = project.copy(base / "local")
        taken = run(local, ["--cores", str(options.cores), *arguments])
        rows = [row("local", local, *taken, options.cores)]
        if options.slurm:
            remote = project.copy(base / "slurm")
            rows.append(through_slurm(remote, arguments, options.cores))
            rows[-1]["wall_over_local"] = round(rows[1]["wall_s"] / rows[0]["wall_s"], 2)
            here, there = outputs(local), outputs(remote)
            # Files that contain CPU times always differ: curves and cards of models, the report.
            rows[-1]["files_that_differ"] = sum(
                here.get(name) != there.get(name) for name in here | there
            )
        comparison.report("overhead", rows)


if __name__ == "__main__":
    main()
