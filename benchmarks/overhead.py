"""The cost of a run beyond the studies' own computation, and the additional cost of Slurm.

    .venv/bin/python benchmarks/overhead.py                                        # default scale
    .venv/bin/python benchmarks/overhead.py --slurm --configfile presets/smoke.yaml  # as root

Runs the whole workflow in an empty folder. CPU time is that of all processes, Slurm's daemons and
their jobs included. A study's own computation is the time of its scripts once started, from the
logs of its jobs. With `--slurm` the same run is repeated through the shipped profile on the tests'
cluster of four nodes, with as many jobs at once as there are nodes. All nodes are this machine.
"""

import argparse
import ctypes
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comparison

from tests.end_to_end import project
from tests.slurm.cluster import NODES, Cluster, call
from tests.slurm.runs import PROFILE, outputs
from workflow_scripts.shared.job import CPU_LINE

LINE = re.compile(CPU_LINE.replace("{:.2f}", r"([\d.]+)"))
OURS = ("publish_",)  # rules that belong to no study: scorecard, report
PR_SET_CHILD_SUBREAPER = 36  # of prctl(2): daemons become children of the caller, not of init


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


def run(folder: Path, arguments: list[str]) -> float:
    """Wall seconds of a run."""
    start = time.monotonic()
    with (folder / "run.log").open("w") as log:
        command = [sys.executable, "-m", "snakemake", *arguments]
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=log)
    if done.returncode:
        raise SystemExit(f"the run failed: {log.name}")
    return time.monotonic() - start


def with_cpu_s(work: Callable[[], Any], scratch: Path) -> tuple[Any, float]:
    """What `work` returns (plain values), and the CPU seconds of all processes that it starts.

    Daemons count too: a process of its own waits for every descendant.
    """
    answer = scratch / "answer.json"
    reaper = os.fork()
    if reaper == 0:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        worker = os.fork()
        if worker == 0:
            try:
                answer.write_text(json.dumps(work()))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        failed = 0
        while True:
            try:
                ended, status = os.wait()
            except ChildProcessError:
                os._exit(failed)
            failed = 1 if ended == worker and status else failed
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if os.waitpid(reaper, 0)[1]:
        raise SystemExit("the run failed, see above")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(answer.read_text()), cpu_s


def row(case: str, folder: Path, wall: float, cpu: float, cores: int) -> dict:
    """One row of the table; shares are of all CPU time."""
    count, started, studies, rest = jobs(folder)
    return {
        "case": case,
        "wall_s": round(wall, 1),
        "jobs": count,
        "studies_cpu_s": round(studies, 1),
        "start_cpu_s": round(started, 1),
        "publish_cpu_s": round(rest, 1),
        "snakemake_cpu_s": round(cpu - started - studies - rest, 1),
        "cpu_s": round(cpu, 1),
        "share_not_studies": round(1 - studies / cpu, 3),
        "cores_busy": round(cpu / wall / cores, 3),
        "load_after": round(os.getloadavg()[1], 1),
    }


def through_slurm(folder: Path, arguments: list[str]) -> tuple[float, list[str]]:
    """Wall seconds of the same run on a cluster on this machine, and when each job was where."""
    cluster = Cluster(folder.parent / "cluster")
    cluster.start()
    try:
        wall = run(folder, [*PROFILE, "--jobs", str(len(NODES)), *arguments])
        return wall, call("squeue", "-h", "--states=all", "--format=%V|%S|%e").splitlines()
    finally:
        cluster.stop()


def submissions(lines: list[str]) -> dict[str, Any]:
    """Number of Slurm jobs, and their seconds in the queue and on a node."""
    spans = [[_seconds(when) for when in line.split("|")] for line in lines]
    return {
        "submissions": len(spans),
        "queued_s": sum(start - submitted for submitted, start, _ in spans),
        "running_s": sum(end - start for _, start, end in spans),
    }


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
        here = ["--cores", str(options.cores), *arguments]
        wall, cpu = with_cpu_s(lambda: run(local, here), base)
        rows = [row("local", local, wall, cpu, options.cores)]
        if options.slurm:
            remote = project.copy(base / "slurm")
            (wall, lines), cpu = with_cpu_s(lambda: through_slurm(remote, arguments), base)
            rows.append(row("through Slurm", remote, wall, cpu, options.cores) | submissions(lines))
            for kind in ("wall", "cpu"):
                ratio = rows[1][f"{kind}_s"] / rows[0][f"{kind}_s"]
                rows[1][f"{kind}_over_local"] = round(ratio, 2)
            first, second = outputs(local), outputs(remote)
            # Files that contain CPU times always differ: curves and cards of models, the report.
            rows[1]["files_that_differ"] = sum(
                first.get(name) != second.get(name) for name in first | second
            )
        comparison.report("overhead", rows)


if __name__ == "__main__":
    main()
