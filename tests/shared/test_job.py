"""The shell around a script: what it writes to the log."""

import os
import re
import subprocess
import sys

import pytest

from workflow_scripts.publish import cost, jobs
from workflow_scripts.shared import job
from workflow_scripts.shared.fingerprint import ROOT

SCRIPT = """
import sys, time
from types import SimpleNamespace

from workflow_scripts.shared import job

while time.process_time() < 1:  # imports
    pass
given = SimpleNamespace(
    rule="work", output=["out.txt"], log=["logs/work.log"], threads=1, params={}, input=[],
    config={}, wildcards=[],
)
with job.running(given):
    print("working")
    while time.process_time() < 1.5:
        pass
    if len(sys.argv) > 1:
        raise ValueError("out of range")
"""


def run(folder, *arguments):
    command = [sys.executable, "-c", SCRIPT, *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def cpu_times(log):
    found = re.fullmatch(r"CPU time: ([\d.]+) s to start, ([\d.]+) s to work", log)
    return tuple(map(float, found.groups()))


def test_the_last_line_of_a_log_says_the_cpu_time_before_and_in_the_work(tmp_path):
    assert run(tmp_path).returncode == 0
    lines = (tmp_path / "logs/work.log").read_text().splitlines()
    assert lines[0] == "working"
    start, work = cpu_times(lines[-1])
    assert 0.95 < start < 1.3
    assert 0.2 < work < 0.6


def test_a_job_that_fails_says_so_in_one_line_and_keeps_its_log(tmp_path):
    done = run(tmp_path, "fail")
    assert done.returncode == 1
    assert done.stderr == "work: ValueError: out of range (traceback in logs/work.log)\n"
    log = (tmp_path / "logs/work.log").read_text()
    assert "Traceback" in log
    cpu_times(log.splitlines()[-1])


USING = """
import subprocess, sys, time
from types import SimpleNamespace

from workflow_scripts.shared import job

ALLOCATE = "import time; held = bytearray(400 * 2**20); time.sleep(0.3); del held"
empty = SimpleNamespace(items=dict().items)
given = SimpleNamespace(
    rule="work", output=["out.txt"], log=["logs/work/a.log"], threads=1, params={}, input=[],
    config={}, wildcards=[],
)
with job.running(given):
    print("e\u2192 \u03b1")
    if "self" in sys.argv:
        exec(ALLOCATE)
    if "child" in sys.argv:
        subprocess.run([sys.executable, "-c", ALLOCATE], check=True)
    if "tiny" in sys.argv:
        subprocess.run(["true"], check=True)
"""


@pytest.mark.parametrize(
    ("what", "least_mb", "most_mb"),
    [("self", 400, 520), ("child", 400, 520), ("self tiny", 400, 520), ("tiny", 5, 100)],
)
def test_the_peak_is_the_kernels_with_children_and_is_what_publishing_reads(
    tmp_path, monkeypatch, what, least_mb, most_mb
):
    """Held for 0.3 s: samples of Snakemake's benchmarks miss it."""
    monkeypatch.chdir(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-c", USING, *what.split()]
    subprocess.run(command, check=True, env=environment)
    log = tmp_path / "logs/work/a.log"
    assert log.read_text(encoding="utf-8").startswith(
        "e\u2192 \u03b1\n"
    )  # whatever the terminal has
    found = job.measured(log)
    assert least_mb <= found["max_rss_mb"] <= most_mb
    benchmark = tmp_path / "logs/benchmarks/work/a.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\tmax_rss\tcpu_time\n2.5\t7\t0\n")
    ran = jobs.Job("work", "work/a", None, "logs/work/a.log", 0.0, 1.0, [])
    jobs.measure(ran, tmp_path)
    assert ran.usage == found | {"wall_s": 2.5}
    assert cost.peak_gb() == {"work": found["max_rss_mb"] / 1024}


def test_a_log_without_measurements_leaves_those_of_the_benchmark(tmp_path):
    (tmp_path / "a.log").write_text("killed\n")
    assert job.measured(tmp_path / "a.log") == job.measured(tmp_path / "none.log") == {}
