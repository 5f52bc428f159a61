"""A model's program runs isolated and bounded; a test reaches each bound."""

import dataclasses
import os
import sys
import zipfile

import pytest

from workflow_scripts.inference import guard, sandbox
from workflow_scripts.shared.fingerprint import ROOT

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


@pytest.fixture(params=["landlock", "audit hook"])
def reading(request, monkeypatch):
    """Both guards on reads, or the one that this kernel has; yields the name of the guard."""
    if request.param == "audit hook":
        monkeypatch.setattr(guard, "abi", lambda: 0)
    elif not guard.abi():
        pytest.skip("this kernel has no Landlock")
    return guard.name(guard.abi())


@pytest.mark.parametrize(
    "program",
    [
        "import socket\nsocket.create_connection(('127.0.0.1', 80), 1)",
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "open('file', 'w').write('x')",
        "import os\nos.remove('anything')",
        "import ctypes\nctypes.CDLL(None)",
        "import os\nos.setsid()",
        "import os\nos.pidfd_open(os.getppid())",
        "import multiprocessing as m\nm.get_context('spawn').Process(target=print).start()",
        "import asyncio\nasyncio.run(asyncio.open_connection('127.0.0.1', 9))",
    ],
)
def test_what_reaches_outside_is_refused(reading, program):
    outcome = sandbox.run(program, LIMITS)
    assert outcome.status == "error"
    assert "refused" in outcome.errors


def test_cpu_time_is_bounded():
    assert sandbox.run("while True: pass", LIMITS).status == "cpu"


def test_a_signal_that_is_caught_does_not_extend_the_time():
    program = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert sandbox.run(program, LIMITS).status == "cpu"


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


READERS = [
    "print(open({path!r}).read())",
    "import os\nprint(os.read(os.open({path!r}, os.O_RDONLY), 99))",
    "import pathlib\nprint(pathlib.Path({path!r}).read_text())",
    "import os\nos.chdir({folder!r})\nprint(open({name!r}).read())",
    "import os\nprint(os.listdir({folder!r}))",
    "import glob\nprint(glob.glob({folder!r} + '/*') or 1 / 0)",
    "import os\nprint(list(os.scandir({folder!r})))",
    "import io\nprint(io.FileIO({path!r}).read())",
    "import linecache\nprint(linecache.getlines({path!r})[0])",
    "import os\nprint(open(os.path.relpath({path!r})).read())",
    "import sys\nsys.path.insert(0, {folder!r})\nimport harmless",
    "import os\nd = os.open(os.path.dirname(os.__file__), 0)\n"
    "print(os.open(os.path.relpath({path!r}, os.path.dirname(os.__file__)), 0, dir_fd=d))",
    "import io\nprint(io.open_code({path!r}).read())",
    "import runpy\nrunpy.run_path({path!r})",
    "import zipimport\nprint(zipimport.zipimporter({archive!r}).get_source('harmless'))",
    "import mmap, os\nprint(mmap.mmap(os.open({path!r}, 0), 0, access=mmap.ACCESS_READ)[:])",
    "print(open({link!r}).read())",
    "print(open('/proc/self' + {top!r} + {path!r}).read())",
    "import importlib\nr = importlib.import_module('readline')\nr.read_history_file({path!r})\n"
    "print(r.get_history_item(1))",
    "try:\n    import _interpreters as i\nexcept ImportError:\n    import _xxsubinterpreters as i\n"
    "i.run_string(i.create(), 'print(open(' + repr({path!r}) + ').read())')\n1 / 0",
]


@pytest.mark.parametrize("program", READERS)
def test_a_file_elsewhere_cannot_be_read(reading, program, tmp_path):
    path = tmp_path / "harmless.py"
    path.write_text("print('what a test wrote')\n")
    with zipfile.ZipFile(tmp_path / "harmless.zip", "w") as archive:
        archive.write(path, path.name)
    (tmp_path / "link").symlink_to(path)
    # The link is named like the home of some users, and no file of the project names a home.
    names = {"path": str(path), "folder": str(tmp_path), "name": path.name, "top": "/" + "root"}
    names |= {"archive": str(tmp_path / "harmless.zip"), "link": str(tmp_path / "link")}
    outcome = sandbox.run(program.format(**names), LIMITS)
    assert outcome.status == "error"
    assert "wrote" not in outcome.output + outcome.errors
    assert "harmless" not in outcome.output
    assert outcome.reads == reading


@pytest.mark.parametrize(
    "path", ["/proc/self/status", "/proc/1/environ", "/sys/kernel", "/etc/hosts"]
)
def test_what_tells_of_the_machine_cannot_be_read(reading, path):
    read = f"import os\nprint(os.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}))"
    outcome = sandbox.run(read, LIMITS)
    assert outcome.status == "error"
    assert "Permission" in outcome.errors


def test_the_standard_library_and_the_own_folder_can_be_read(reading):
    program = """
import asyncio, bz2, csv, ctypes, decimal, hashlib, inspect, json, lzma, os, sqlite3, ssl
import unittest, xml.dom.minidom, zoneinfo
print(os.listdir("."), len(inspect.getsource(json)) > 100, zoneinfo.ZoneInfo("UTC"))
"""
    outcome = sandbox.run(program, LIMITS)
    assert (outcome.status, outcome.output) == ("ok", "[] True UTC\n"), outcome


def test_packages_that_are_installed_cannot_be_read_but_numpy_if_allowed(reading):
    numpy = (
        "import numpy as np\nprint(np.linalg.det(np.eye(2)), np.random.default_rng(1).random() < 1)"
    )
    with sandbox.Sandbox(LIMITS, numpy=True) as box:
        outcome = box.run(numpy)
        assert (outcome.status, outcome.output) == ("ok", "1.0 True\n"), outcome
        assert box.run("import importlib\nprint(importlib.import_module('num' + 'py').pi)").output
        for other in ("pandas", "torch"):
            assert "ModuleNotFoundError" in box.run(f"import {other}").errors
        folder = str(ROOT / ".venv")
        assert box.run(f"import os\nprint(os.listdir({folder!r}))").status == "error"


def test_a_program_learns_nothing_of_the_project_its_user_or_the_machine(reading):
    program = """
import getpass, os, platform, sys, sysconfig, traceback
traceback.print_stack(file=sys.stdout)
print(sys.path, sys.prefix, sys.exec_prefix, sys.executable, sys.orig_argv, sys.argv)
print(os.path.expanduser("~"), os.environ, platform.node(), os.uname(), sysconfig.get_paths())
try:
    print(getpass.getuser())
except (ImportError, OSError):
    raise SystemExit
"""
    outcome = sandbox.run(program, LIMITS)
    assert (outcome.status, outcome.errors) == ("ok", ""), outcome
    for secret in (ROOT, sys.executable, guard.__file__, os.uname().nodename):
        assert str(secret) not in outcome.output
    assert outcome.output.strip().endswith("}")  # no name of the user follows
    assert "~ environ({" in outcome.output


INPUTS = [
    "import sys\nprint(sys.stdin.buffer.read().decode().split())",
    "print(open(0).read().split())",
    "import os\nprint(os.read(0, os.fstat(0).st_size).decode().split())",
    "import sys\nprint(sum((line.split() for line in sys.stdin), []))",
    "import sys\nprint(sys.stdin.readline().split() + sys.stdin.readline().split())",
    "print(input().split() + input().split())",
    "import sys\nsys.stdout.buffer.write(str(sys.stdin.read().split()).encode() + b'\\n')",
    "import sys, io\ns = io.TextIOWrapper(sys.stdin.buffer)\nprint(s.read().split())",
    "import atexit, os\nt = repr(open(0).read().split())\natexit.register(os.write, 1, t.encode())",
    "import sys\nsys.stdout.write(repr(list(sys.stdin.read().split())))\nexit()",
    "print(open('/dev/stdin').read().split(), file=open('/dev/stdout', 'w'))",
    "import threading, sys\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 26)\n"
    "threading.Thread(target=lambda: print(sys.stdin.read().split())).start()",
    "def main():\n    print(open(0).read().split())\nif __name__ == '__main__':\n    main()",
    "print(input().split() + input().split())\nquit(1)",
    "from sys import *\nprint(stdin.read().split())\nexit(0)",
    "from pathlib import Path\nprint(Path('/dev/stdin').read_text().split())",
    "import asyncio\nasync def main():\n    print(open(0).read().split())\nasyncio.run(main())",
    "import io, sys\nsys.stdout = io.StringIO()\n"
    "sys.__stdout__.write(str(sys.stdin.read().split()))",
    "out = open(1, 'w')\nout.write(str(open(0).read().split()))",
    "import sys\nprint(sys.stdin.read().split())\nsys.stdout.close()",
    "import sys\nprint(stdin.read().split())\nsys.exit('done')",
]


@pytest.fixture(scope="module")
def box():
    with sandbox.Sandbox(LIMITS, graded=True) as made:
        yield made


@pytest.mark.parametrize("program", INPUTS)
def test_standard_input_and_output_are_files(box, program):
    outcome = box.run(program, "1 2\r\n3 ü")
    assert (outcome.status, outcome.output.strip()) == ("ok", "['1', '2', '3', 'ü']"), outcome


def test_a_large_input_comes_whole(box):
    assert (
        box.run("import os\nprint(len(os.read(0, 10**8)))", "x" * 3_000_000).output == "3000000\n"
    )


def test_a_graded_program_has_the_prelude_of_the_official_grader(box):
    names = "List, Counter, defaultdict, deque, gcd, inf, lru_cache, cache, accumulate, heappush, "
    names += (
        "bisect_left, Optional, deepcopy, ascii_lowercase, math, collections, datetime.date, pow"
    )
    assert box.run(f"print(len([{names}]), pow(2, 3, 5))").output == "18 3\n"
    deep = "def f(n): return n and 1 + f(n - 1)\nprint(f(40000), len(str(10**20000)))"
    assert box.run(deep).output == "40000 20001\n"
    assert "NameError" in sandbox.run("print(Counter)", LIMITS).errors


def test_runs_share_nothing(box):
    assert box.run("import math\nmath.pi = 3\nmath.mine = 1").status == "ok"
    assert box.run("print(hasattr(math, 'mine'), math.pi > 3.1, len(range(1)))").output.startswith(
        "False"
    )
    drawn = {box.run("print(random.random())").output for _ in range(4)}
    assert len(drawn) == 4


def test_a_run_that_exceeds_a_limit_harms_no_later_one():
    limits = dataclasses.replace(LIMITS, wall_s=1)
    with sandbox.Sandbox(limits, graded=True) as made:
        assert made.run("import time\ntime.sleep(60)").status == "wall"
        assert made.run("while True: print('x' * 100)").status == "output"
        assert made.run("import os\nos._exit(3)").status == "error"
        assert made.run("import sys\nsys.stderr.write('x' * 10**5)\nprint(1)").output == "1\n"
        assert made.run("print(input())", "5").output == "5\n"


def test_a_sandbox_that_cannot_start_says_so(monkeypatch):
    monkeypatch.setattr(guard, "__file__", "/nowhere/guard.py")
    with pytest.raises(sandbox.SandboxError, match=r"expected the sandbox .* No such file"):
        sandbox.run("print(1)", LIMITS)
