"""File systems without locks, permissions or fsync of folders, and homes that cannot be written."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.publish import tiny_run
from workflow_scripts.inference import spending, store
from workflow_scripts.publish import summary
from workflow_scripts.shared import files, filesystem, locks, submit
from workflow_scripts.shared.fingerprint import ROOT

REFUSED = {"flock": errno.ENOSYS, "fsync": errno.EINVAL, "chmod": errno.EPERM}


@pytest.fixture
def poor(tmp_path, monkeypatch):
    """Every call fails that a poor file system refuses; nothing has been said yet."""

    def refuse(name):
        def refused(*_, **__):
            raise OSError(REFUSED[name], os.strerror(REFUSED[name]))

        return refused

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(filesystem.SAID, "")
    monkeypatch.setattr(fcntl, "flock", refuse("flock"))
    for name in ("fsync", "chmod"):
        monkeypatch.setattr(os, name, refuse(name))


def ledger(folder, requests):
    limits = {"requests": requests, "tokens": None, "cost": None}
    return spending.Spending("m", folder, limits, None)


def test_everything_is_written_and_each_gap_is_said_once(poor, tmp_path, capsys):
    for _ in range(2):
        files.write_text("a/text.txt", "x")
        with files.atomic_folder("folder") as folder:
            (folder / "inside").write_text("x")
        with locks.only_writer(["out"], "same") as done:
            assert not done
        replies = store.Store("replies")
        replies.append([{"request_id": "a", "sample": 0, "text": "x"}])
        replies.close()
        ledger(tmp_path, 9).reserve(spending.Amount(1))
    filesystem.try_out("work")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    for name, code in REFUSED.items():
        assert sum(f"({name}: {os.strerror(code)})" in line for line in lines) == 1
    assert files.Path("folder/inside").read_text() == "x"
    assert not list((tmp_path / "work").glob(".try*"))


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_an_error_of_another_kind_is_raised(tmp_path, monkeypatch, code):
    def broken(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match=os.strerror(code)):
        files.write_text(tmp_path / "a.txt", "x")
    assert not list(tmp_path.iterdir())


def test_without_locks_two_jobs_stay_below_a_limit_and_count_each_other(poor, tmp_path):
    first, second = ledger(tmp_path, 3), ledger(tmp_path, 3)
    first.reserve(spending.Amount(1))
    second.reserve(spending.Amount(1, 10, 10))
    second.settle(spending.Amount(1, 10, 10), spending.Amount(1, 10, 2))
    first.reserve(spending.Amount(1))
    with pytest.raises(spending.CeilingError, match="3 are spent"):
        second.reserve(spending.Amount(1))
    assert ledger(tmp_path, 3).total == spending.Amount(3, 10, 2)


def test_without_locks_a_request_that_another_job_overtakes_is_taken_back(
    poor, tmp_path, monkeypatch
):
    ours, other = ledger(tmp_path, 1), ledger(tmp_path, 1)
    check = ours._check

    def overtaken(*arguments):
        check(*arguments)
        monkeypatch.setattr(ours, "_check", check)
        other.reserve(spending.Amount(1))

    monkeypatch.setattr(ours, "_check", overtaken)
    with pytest.raises(spending.CeilingError):
        ours.reserve(spending.Amount(1))
    assert ledger(tmp_path, 1).total == spending.Amount(1)


@pytest.mark.parametrize("locked", [True, False])
def test_an_incomplete_line_of_a_killed_job_costs_no_other_line(request, tmp_path, locked):
    if not locked:
        request.getfixturevalue("poor")
    ledger(tmp_path, 9).reserve(spending.Amount(1))
    with (tmp_path / "spent.jsonl").open("a") as stream:
        stream.write('{"requests": 1, "prom')
    ledger(tmp_path, 9).reserve(spending.Amount(2))
    assert ledger(tmp_path, 9).total == spending.Amount(3)


def test_times_that_are_whole_seconds_hide_no_news_and_invent_none(tmp_path, monkeypatch, capsys):
    """The scorecard and the claims of one second: the scorecard has read the claims."""
    monkeypatch.chdir(tmp_path)
    moment = 1_800_000_000
    for name in ("scorecard.parquet", "tiny/claims.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        os.utime(path, (moment, moment))
    monkeypatch.setattr(summary, "read", lambda _: None)
    monkeypatch.setattr(summary, "show", lambda *_: None)
    monkeypatch.setattr(summary.tables, "provenance", lambda _: {})
    arguments = [tmp_path / name for name in ("scorecard.parquet", "last", "none", "none")]
    summary.main(*arguments)
    assert "Without the latest claims" not in capsys.readouterr().out


# ---- make cluster ----


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Commands that would replace the process, in a folder of a run."""
    monkeypatch.chdir(tmp_path)
    found = []
    monkeypatch.setattr(os, "execv", lambda _, command: found.append(command[1:]))
    monkeypatch.setattr(subprocess, "call", lambda command: found.append(command[1:]) or 0)
    return found


SNAKEMAKE = ["-m", "snakemake", "--workflow-profile", "profiles/slurm"]


def left_locks():
    path = files.Path(".snakemake/locks/0.input.lock")
    path.parent.mkdir(parents=True)
    path.touch()


def test_a_second_submitter_is_refused(started, capsys):
    files.WORK.mkdir()
    with (files.WORK / "submitter.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert submit.main(["softmax"]) == 1
    assert started == []
    assert "another run submits from this folder" in capsys.readouterr().err


def test_locks_of_a_killed_run_are_removed_by_the_only_submitter(started):
    left_locks()
    submit.main(["softmax"])
    assert started == [[*SNAKEMAKE, "--unlock", "softmax"], [*SNAKEMAKE, "softmax"]]


def test_without_locks_it_submits_and_removes_no_lock_of_a_run_that_may_live(poor, started, capsys):
    submit.main(["softmax"])
    assert started.pop() == [*SNAKEMAKE, "softmax"]
    assert "another run submits" not in capsys.readouterr().err
    left_locks()
    assert submit.main(["softmax"]) == 1
    assert started == []
    assert "snakemake --unlock" in capsys.readouterr().err


# ---- a run ----


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """A library that makes the file system below $POOR_ROOT a poor one."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "poor.so"
    source = ROOT / "tests/shared/poor_file_system.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd") / "Mein Projekt (1) – \u00e9"
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    return tiny_run.make(folder)


@pytest.mark.slow
def test_a_run_on_a_poor_file_system_in_an_odd_path_without_a_home(project, shim):
    """Also on a terminal that has neither the path's dash nor the studies' Greek letters."""
    command = [f"{project}/.venv/bin/python", "-m", "snakemake", "--cores", "1", "tiny"]
    odd = {
        "LD_PRELOAD": str(shim),
        "POOR_ROOT": str(project.resolve()),
        "HOME": "/dev/null",
        "PYTHONIOENCODING": "latin-1",
    }
    done = subprocess.run(
        command, cwd=project, env=tiny_run.environment(project) | odd, capture_output=True
    )
    said = done.stderr.decode("latin-1")
    assert done.returncode == 0, said
    assert said.count("The file system ") == 3
    claims = json.loads((project / "results/tiny/claims.json").read_text())
    assert claims
    assert not (project / "work/cache/huggingface").exists()
    # All times in whole seconds: nothing looks newer than what was computed from it.
    for path in project.rglob("*"):
        if path.is_file() and ".venv" not in path.parts:
            second = path.stat().st_mtime // 2 * 2
            os.utime(path, (second, second))
    assert "Nothing to be done" in tiny_run.call(project, *command, "--dry-run")


@pytest.mark.slow
def test_a_read_only_checkout_runs_from_another_folder(tmp_path):
    """`-s` and `-d`, for a user who may not write into the checkout and has no home."""
    checkout, run = tmp_path / "checkout", tmp_path / "run"
    for folder in (checkout, run):
        folder.mkdir()
    tiny_run.make(checkout)
    shutil.copy(checkout / "config.json", run)
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*")}
    subprocess.run(["chmod", "-R", "a-w", checkout], check=True)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "-s", checkout / "Snakefile"]
    if os.geteuid() == 0:  # the superuser, but bound by permissions
        if shutil.which("setpriv") is None:
            pytest.skip("the superuser may write everywhere, and setpriv is not installed")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    odd = {"HOME": "/dev/null", "PYTHONDONTWRITEBYTECODE": ""}
    try:
        text = tiny_run.call(run, *command, "-d", run, "tiny", **odd)
        assert (run / "results/tiny/claims.json").exists(), text
        assert {path: path.stat().st_mtime_ns for path in checkout.rglob("*")} == before
    finally:
        subprocess.run(["chmod", "-R", "u+w", checkout], check=True)


def test_only_a_home_that_cannot_be_written_moves_the_caches(monkeypatch, tmp_path):
    for name in ("XDG_CACHE_HOME", "HF_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "")  # restored afterwards
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "new"))
    filesystem.use_caches_at_hand()
    assert "XDG_CACHE_HOME" not in os.environ
    monkeypatch.setenv("HOME", "/dev/null")
    filesystem.use_caches_at_hand()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "work/cache")
    assert os.environ["HF_HOME"] == "/dev/null/.cache/huggingface"
