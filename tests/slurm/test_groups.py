"""Attempts at a group of jobs: each with the memory that it says, without finished members."""

import os
import re
import shutil
import signal

import pytest

from tests.slurm.cluster import call, wait
from tests.slurm.runs import LIMIT_S, TARGETS, Run

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

GROUP = "models_data_models_corpus_models_tokenizer"
# Notes each attempt.
NOTE = """
import os, time
with open("attempts.txt", "a") as notes:
    print(snakemake.rule, snakemake.resources.mem_mb, os.environ["SLURM_JOB_ID"], file=notes)
"""
# The tokenizer succeeds with four times its memory only.
FAIL = """
if snakemake.rule == "models_tokenizer" and snakemake.resources.mem_mb < {enough}:
    raise SystemExit(1)
"""
# The tokenizer takes its time until the test says otherwise.
WAIT = """
while snakemake.rule == "models_tokenizer" and not os.path.exists("go.txt"):
    time.sleep(0.1)
"""


def change(run: Run, body: str) -> None:
    """Insert lines before the last line of the scripts of both rules."""
    for name in ("corpus", "tokenizer"):
        script = run.folder / f"workflow_scripts/models/{name}.py"
        head, main, end = script.read_text().rpartition("    job.run(")
        lines = (NOTE + body).strip().replace("\n", "\n    ")
        script.write_text(f"{head}    {lines}\n{main}{end}")


def attempts(run: Run) -> list[list[str]]:
    """Rule, memory in MB and Slurm job of each attempt so far."""
    notes = run.folder / "attempts.txt"
    return [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []


def test_a_group_is_tried_three_times_even_if_a_rule_has_retries_of_its_own(cluster, tmp_path):
    run = Run(tmp_path, cluster)
    rules = run.folder / "rules/models.smk"
    head, _, rest = rules.read_text().partition("rule models_tokenizer:\n")
    first = int(re.search(r"mem_mb=growing\((\d+)\)", rest)[1])
    rules.write_text(f"{head}rule models_tokenizer:\n    retries: 2\n{rest}")
    change(run, FAIL.format(enough=4 * first))
    run.start(TARGETS[1])
    run.finish()
    lines = attempts(run)
    tokenizer = [(int(mb), job) for rule, mb, job in lines if rule == "models_tokenizer"]
    assert [mb for mb, _ in tokenizer] == [first, 2 * first, 4 * first]
    form = "--format=%i|%m"
    text = call("squeue", "-h", "--states=all", form)
    given = dict(line.split("|") for line in text.splitlines())
    assert all(mb <= int(given[job].removesuffix("M")) for mb, job in tokenizer)
    assert len({job for _, job in tokenizer}) == 3
    assert len(lines) == 1 + 3  # the corpus, which succeeded, ran once


def until_second_member(run: Run) -> str:
    """Start the group, wait until its second member works, and return the Slurm job."""
    change(run, WAIT)
    run.start(TARGETS[1])
    wait("the tokenizer works", lambda: len(attempts(run)) == 2, LIMIT_S)
    return run.job(GROUP)


def go_on_without(run: Run, job: str) -> None:
    """Let the tokenizer end once a job that is being cancelled is gone."""
    wait("it is cancelled", lambda: not call("squeue", "-h", "-j", job, "-o", "%i"), LIMIT_S)
    (run.folder / "go.txt").touch()


def test_a_cancelled_group_goes_on_with_the_member_that_was_interrupted(cluster, tmp_path):
    run = Run(tmp_path, cluster)
    job = until_second_member(run)
    call("scancel", job)
    go_on_without(run, job)
    run.finish()
    rules = [rule for rule, _, _ in attempts(run)]
    assert rules == ["models_corpus", "models_tokenizer", "models_tokenizer"]
    assert run.submitted() == {GROUP: 1, "models_data_models_tokenizer": 1}


def test_a_group_that_a_killed_run_left_is_cancelled_though_members_have_finished(
    cluster, tmp_path
):
    run = Run(tmp_path, cluster)
    job = until_second_member(run)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    shutil.rmtree(run.folder / ".snakemake/locks")
    run.start(TARGETS[1])
    go_on_without(run, job)
    assert f"an earlier run left in Slurm's queue ({job})" in run.finish()
    rules = [rule for rule, _, _ in attempts(run)]
    assert rules == ["models_corpus", "models_tokenizer", "models_tokenizer"]
    assert run.submitted() == {"models_data_models_tokenizer": 1}
