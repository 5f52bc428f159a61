"""Two processes and one output: they take turns, and the second does not do the work again."""

import json
import subprocess
import sys
import time

from workflow_scripts.shared import locks
from workflow_scripts.shared.fingerprint import ROOT

WRITER = """
import sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from workflow_scripts.shared import locks
locks.GRACE_S = 0.1
name, seconds, identity = sys.argv[1:]
with locks.only_writer(["out"], identity) as done:
    with open("trace", "a") as trace:
        trace.write(f"{{name}} {{'found' if done else 'starts'}}\\n")
    if not done:
        time.sleep(float(seconds))
        Path("out").write_text(name)
        with open("trace", "a") as trace:
            trace.write(f"{{name}} ends\\n")
"""


def writer(folder, name, seconds, identity):
    code = WRITER.format(root=str(ROOT))
    command = [sys.executable, "-c", code, name, str(seconds), identity]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def wait_for(path):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_two(folder, second):
    first = writer(folder, "first", 2, "same")
    wait_for(folder / "trace")
    then = writer(folder, "second", 0, second)
    said = then.communicate(timeout=60)[1]
    first.communicate(timeout=60)
    assert (first.returncode, then.returncode) == (0, 0)
    assert "out is being written by process" in said
    return (folder / "trace").read_text().splitlines()


def test_the_second_of_two_equal_writers_finds_the_work_done(tmp_path):
    trace = run_two(tmp_path, "same")
    assert trace == ["first starts", "first ends", "second found"]


def test_a_writer_of_something_else_waits_and_then_writes(tmp_path):
    trace = run_two(tmp_path, "other")
    assert trace == ["first starts", "first ends", "second starts", "second ends"]
    assert (tmp_path / "out").read_text() == "second"


def test_a_killed_writer_holds_nothing(tmp_path):
    first = writer(tmp_path, "first", 60, "same")
    wait_for(tmp_path / "trace")
    first.kill()
    first.communicate()
    then = writer(tmp_path, "second", 0, "same")
    assert then.wait(timeout=30) == 0
    then.communicate()
    lines = (tmp_path / "trace").read_text().splitlines()
    assert lines == ["first starts", "second starts", "second ends"]


def test_an_earlier_result_that_nobody_was_writing_is_made_again(tmp_path, monkeypatch):
    """A job that Snakemake starts runs; only work done while it waited is not repeated."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").write_text("old")
    with locks.only_writer(["out"], "same"):
        pass
    with locks.only_writer(["out"], "same") as done:
        assert not done
    assert json.loads(next((tmp_path / "work/locks").iterdir()).read_text())["identity"] == "same"
