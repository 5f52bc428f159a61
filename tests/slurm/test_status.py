"""The project's `sacct`, with fake Slurm commands that give real answers of Slurm."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from workflow_scripts.shared import orphaned_jobs
from workflow_scripts.shared.orphaned_jobs import STATUS, left
from workflow_scripts.shared.slurm_internals import job_comments

ASKED = ("-X", "--parsable2", "--noheader", "--format=JobIdRaw,State", "--name", "run-1")
NO_ACCOUNTING = "echo 'Slurm accounting storage is disabled' >&2; exit 1"
DOWN = "echo 'Unable to contact slurm controller' >&2; exit 1"


@pytest.fixture
def ask(tmp_path):
    """Call the project's sacct, with fakes of the real sacct and squeue."""

    def asking(sacct: str, squeue: str, *arguments: str) -> subprocess.CompletedProcess:
        commands = tmp_path / "commands"
        commands.mkdir(exist_ok=True)
        for name, body in (("sacct", sacct), ("squeue", squeue)):
            (commands / name).write_text(f"#!/bin/sh\n{body}\n")
            (commands / name).chmod(0o755)
        # As on RHEL 8: the first python3 does not know today's syntax.
        (commands / "python3").write_text("#!/bin/sh\necho 'SyntaxError' >&2\nexit 1\n")
        (commands / "python3").chmod(0o755)
        path = os.pathsep.join([str(STATUS), str(commands), os.defpath])
        return subprocess.run(
            ["sacct", *(arguments or ASKED)],
            cwd=tmp_path,
            env={"PATH": path, orphaned_jobs.PYTHON: sys.executable},
            capture_output=True,
            text=True,
        )

    return asking


def states(done: subprocess.CompletedProcess) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return dict(line.split("|") for line in done.stdout.splitlines())


def test_with_accounting_the_answer_is_that_of_sacct(ask):
    assert states(ask("printf '7|RUNNING\\n8|FAILED\\n'", DOWN)) == {"7": "RUNNING", "8": "FAILED"}


def test_states_that_the_plugin_does_not_know_are_named_as_it_knows_them(ask):
    done = ask("printf '7|CANCELLED by 1000\\n8|PREEMPTED\\n9|OUT_OF_ME+\\n'", DOWN)
    assert states(done) == {"7": "CANCELLED", "8": "CANCELLED", "9": "OUT_OF_MEMORY"}


def test_without_accounting_the_answer_is_that_of_squeue(ask):
    assert states(ask(NO_ACCOUNTING, "printf '7|PENDING\\n'")) == {"7": "PENDING"}


def test_a_job_that_squeue_has_forgotten_has_ended(ask):
    ask(NO_ACCOUNTING, "printf '7|RUNNING\\n8|RUNNING\\n'")
    assert states(ask(NO_ACCOUNTING, "printf '8|RUNNING\\n'")) == {"7": "COMPLETED", "8": "RUNNING"}


def test_while_nothing_answers_it_asks_again(ask, tmp_path):
    once = (
        f"[ -e {tmp_path}/asked ] && printf '7|RUNNING\\n' || {{ touch {tmp_path}/asked; {DOWN}; }}"
    )
    assert states(ask(NO_ACCOUNTING, once)) == {"7": "RUNNING"}


def test_no_node_called_none_is_excluded(ask):
    question = ("-j", "7", "-n", "-X", "-o", "nodelist%-256")
    assert ask("echo 'None assigned'", DOWN, *question).stdout == ""
    assert ask("echo c1", DOWN, *question).stdout == "c1\n"
    assert ask(NO_ACCOUNTING, DOWN, *question).stdout == ""


def job(name, *wildcards, group=None):
    return SimpleNamespace(name=name, wildcards=wildcards, rule=SimpleNamespace(group=group))


class Dag:
    """Two jobs, one of them in a group that holds a third rule."""

    jobs = (job("softmax_train", "retrieval", "a/b"), job("softmax_claims", group="softmax"))
    rules = (
        SimpleNamespace(name="softmax_claims", group="softmax"),
        SimpleNamespace(name="softmax_scores", group="softmax"),
        SimpleNamespace(name="glasses_scores", group="glasses"),
    )

    def needrun_jobs(self):
        return iter(self.jobs)

    def get_job_group(self, job):
        return SimpleNamespace(groupid="softmax") if job.name == "softmax_claims" else None


def test_only_jobs_of_this_folder_that_this_run_is_to_do_are_left_behind(tmp_path):
    """A group that was left may hold members that have finished since (job 5)."""
    here, mine = str(tmp_path), "rule_softmax_train_wildcards_retrieval_a_b"
    queue = [
        ("1", mine, here),
        ("2", mine, "/somewhere/else"),
        ("3", "rule_softmax_theory", here),
        ("4", "rule_softmax_softmax_claims", here),
        ("5", "rule_softmax_softmax_claims_softmax_scores", here),
        ("6", "rule_softmax_softmax_scores", here),
        ("7", "", here),
    ]
    assert left(queue, job_comments(Dag()), tmp_path) == ["1", "4", "5"]


def test_a_local_run_does_not_need_a_cluster_that_answers(tmp_path, monkeypatch):
    """Slurm's commands may be installed where no cluster can be reached."""
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert orphaned_jobs.take_over(None, on_slurm=False) == []
    with pytest.raises(RuntimeError, match="no controller"):
        orphaned_jobs.take_over(None, on_slurm=True)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site whose squeue answers, with an old python3 first in PATH."""

    def command(name: str, body: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)

    command("squeue", "exit 0")
    command("python3", "echo 'SyntaxError: future feature annotations' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv(orphaned_jobs.PYTHON, "")
    monkeypatch.setattr(orphaned_jobs, "job_comments", lambda dag: set())
    return command


def test_the_status_command_runs_with_the_interpreter_of_the_run(site):
    assert orphaned_jobs.take_over(None, on_slurm=True) == []
    assert os.environ[orphaned_jobs.PYTHON] == sys.executable


def test_a_status_command_that_fails_ends_the_run_before_it_submits(site, tmp_path, monkeypatch):
    broken = tmp_path / "bin"
    broken.mkdir()
    monkeypatch.setattr(orphaned_jobs, "STATUS", broken)
    (broken / "sacct").write_text("#!/bin/sh\nexec python3 sacct.py\n")
    (broken / "sacct").chmod(0o755)
    with pytest.raises(RuntimeError, match=r"report job states, found: SyntaxError: [^\n]*$"):
        orphaned_jobs.take_over(None, on_slurm=True)


def test_a_shell_without_the_run_finds_the_interpreter_of_the_project(site, tmp_path):
    copy = tmp_path / "project/profiles/slurm/bin"
    shutil.copytree(STATUS, copy)
    python = tmp_path / "project/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(
        [copy / "sacct", "--name", "x"], env={"PATH": path}, capture_output=True, text=True
    )
    assert states(done) == {}
