"""A model's program runs isolated and bounded; a test reaches each bound."""

import dataclasses

import pytest

from workflow_scripts.inference import sandbox

LIMITS = sandbox.Limits(cpu_s=1, wall_s=30, memory_mb=256, output_bytes=2000)


def test_a_program_prints():
    outcome = sandbox.run("import random\nprint(random.randrange(10))", LIMITS)
    assert outcome.status == "ok", outcome
    assert outcome.output.strip() in set("0123456789")


def test_the_interpreter_is_fresh(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "do not tell")
    program = "import os, sys\nprint(dict(os.environ), 'numpy' in sys.modules, sys.flags.isolated)"
    outcome = sandbox.run(program, LIMITS)
    assert outcome.status == "ok", outcome
    assert "do not tell" not in outcome.output
    assert outcome.output.strip().endswith("False 1")
    assert sandbox.run("import numpy", LIMITS).status == "error"


@pytest.mark.parametrize(
    "program",
    [
        "import socket\nsocket.create_connection(('127.0.0.1', 80), 1)",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "open('file', 'w').write('x')",
        "import os\nos.remove('anything')",
        "import ctypes\nctypes.CDLL(None)",
    ],
)
def test_what_reaches_outside_is_refused(program):
    outcome = sandbox.run(program, LIMITS)
    assert outcome.status == "error"
    assert "refused" in outcome.errors


def test_cpu_time_is_bounded():
    assert sandbox.run("while True: pass", LIMITS).status == "cpu"


def test_the_wall_clock_is_bounded():
    limits = dataclasses.replace(LIMITS, wall_s=1)
    outcome = sandbox.run("import time\ntime.sleep(60)", limits)
    assert outcome.status == "wall"
    assert outcome.wall_s < 30


def test_memory_is_bounded():
    outcome = sandbox.run("x = bytearray(10**9)", LIMITS)
    assert outcome.status == "error"
    assert "MemoryError" in outcome.errors


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_is_bounded(stream):
    outcome = sandbox.run(f"import sys\nwhile True: sys.{stream}.write('x' * 1000)", LIMITS)
    assert outcome.status == "output"
    assert len(outcome.output) <= LIMITS.output_bytes
    assert len(outcome.errors) <= LIMITS.output_bytes


def test_an_error_is_reported():
    outcome = sandbox.run("1 / 0", LIMITS)
    assert outcome.status == "error"
    assert "ZeroDivisionError" in outcome.errors
