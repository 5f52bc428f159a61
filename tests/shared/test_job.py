"""The shell around a script: what it writes to the log."""

import os
import re
import subprocess
import sys

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
