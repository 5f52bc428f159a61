"""One test per internal of the Slurm plugin, and of groups, that the project relies on.

The first runs Snakemake with fakes of Slurm's commands that run each submission at once.
"""

import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from workflow_scripts.shared import slurm_internals as internals
from workflow_scripts.shared import slurm_job
from workflow_scripts.shared.fingerprint import ROOT

plugin = pytest.importorskip("snakemake_executor_plugin_slurm")

# Member `second` fails at its first attempt; `outside` needs member `first` only.
WORKFLOW = """
import sys
sys.path.insert(0, "{root}")
from workflow_scripts.shared import slurm_internals
slurm_internals.adapt(workflow)
onstart:
    slurm_internals.watch_folder()
rule all:
    localrule: True
    input: "second.txt", "outside.txt"
rule first:
    output: "first.txt"
    group: "pair"
    resources: mem_mb=100
    shell: "echo first >> ran.txt; echo 1 > {{output}}"
rule second:
    input: "first.txt"
    output: "second.txt"
    group: "pair"
    resources: mem_mb=lambda wildcards, attempt: 100 * attempt
    shell: "echo second >> ran.txt; test {{resources.mem_mb}} = 200 && cp {{input}} {{output}}"
rule outside:
    input: "first.txt"
    output: "outside.txt"
    resources: mem_mb=100
    shell: "echo outside >> ran.txt; cp {{input}} {{output}}"
"""
SBATCH = """
for last; do :; done
flock lock sh -c 'echo "$1" >> calls.txt; wc -l < calls.txt' - "$*" > number.$$
read id < number.$$
( SLURM_JOB_ID=$id sh -c "${last#--wrap=}" > $id.log 2>&1 < /dev/null
  [ $? = 0 ] && state=COMPLETED || state={failed}
  echo "$id|$state" >> states.txt ) > /dev/null 2>&1 &
echo $id
"""
COMMANDS = {
    "sbatch": SBATCH,
    "sacct": "cat states.txt 2> /dev/null; true",
    "squeue": "",
    "sinfo": "",
}
QUICK = ("--slurm-init-seconds-before-status-checks=600", "--seconds-between-status-checks=600")


@pytest.mark.parametrize("failed", ["FAILED", "COMPLETED"])  # the second without accounting
def test_a_failed_group_is_submitted_again_without_its_finished_members(tmp_path, failed):
    """Each submission is one Snakemake; its end is noticed long before the next status check."""
    (tmp_path / "Snakefile").write_text(WORKFLOW.format(root=ROOT))
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, body in COMMANDS.items():
        (commands / name).write_text("#!/bin/sh\n" + body.replace("{failed}", failed) + "\n")
        (commands / name).chmod(0o755)
    given = ["--executor", "slurm", "--jobs", "2", "--retries", "1", "--latency-wait", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *given, *QUICK, "--slurm-no-account"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,  # less than a status check
    )
    logs = "".join(path.read_text() for path in tmp_path.glob("[0-9].log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert sorted((tmp_path / "ran.txt").read_text().split()) == [
        "first",
        "outside",
        "second",
        "second",
    ]
    calls = (tmp_path / "calls.txt").read_text().splitlines()
    group, *later = [call for call in calls if "--comment rule_pair" in call]
    assert "--target-jobs 'first:' 'second:'" in group or "'second:' 'first:'" in group
    assert len(later) == 1
    assert "--mem 200" in later[0]
    assert "first:" not in later[0]
    assert len(calls) == 3
    assert all(call.count("-m workflow_scripts.shared.slurm_job ") == 1 for call in calls)
    assert "slurm-jobstep" not in "".join(calls)
    assert not list((tmp_path / ".snakemake/incomplete").rglob("*.*"))


def ended(folder, *jobs):
    folder.mkdir(exist_ok=True)
    for job in jobs:
        (folder / job).touch()


def test_slurm_is_asked_about_an_ended_job_more_and_more_rarely(tmp_path):
    jobs = internals.EndedJobs(tmp_path / "ended")
    jobs.see(["7", "8"], 0.0)  # the folder is not there
    assert not jobs.due(0.0)
    ended(tmp_path / "ended", "7", "5")
    asked = []
    for half in range(40):
        jobs.see(["7", "8"], half / 2)
        asked += [half / 2] if jobs.due(half / 2) else []
    assert asked == [0.5, 1.5, 3.5, 7.5, 15.5]
    assert sorted(os.listdir(tmp_path / "ended")) == ["7"]  # not of another job
    jobs.see(["8"], 20.0)
    assert not jobs.due(100.0)
    assert not os.listdir(tmp_path / "ended")


@pytest.mark.parametrize(
    ("active", "notices", "limit_s", "least_s", "most_s"),
    [
        (1, 1, 9, 1.0, 2.5),  # few jobs: at once
        (30, 1, 9, 3.0, 4.5),  # many: a tenth of a second for each
        (1, 0, 1.5, 1.5, 2.5),  # no notice: when the plugin would ask
    ],
)
def test_a_run_waits_for_notices_and_the_longer_the_more_jobs_it_has(
    tmp_path, monkeypatch, active, notices, limit_s, least_s, most_s
):
    monkeypatch.setattr(plugin.Executor, "sleep", plugin.Executor.sleep)
    monkeypatch.setattr(plugin, "get_min_job_age", plugin.get_min_job_age)
    monkeypatch.setattr(internals, "FOLDER", tmp_path)
    internals.ask_when_jobs_end()
    clock = [0.0]
    monkeypatch.setattr(internals.time, "monotonic", lambda: clock[0])

    async def pass_time(seconds):
        clock[0] += seconds

    monkeypatch.setattr(internals.asyncio, "sleep", pass_time)
    ended(tmp_path, *(str(number) for number in range(notices)))
    run = SimpleNamespace(
        wait=True,
        next_seconds_between_status_checks=limit_s,
        active_jobs=[SimpleNamespace(external_jobid=str(number)) for number in range(active)],
    )
    asyncio.run(plugin.Executor.sleep(run))
    assert least_s <= clock[0] <= most_s
    run.wait = False
    asyncio.run(plugin.Executor.sleep(run))  # a run that ends does not wait
    assert clock[0] <= most_s


def test_the_plugin_sleeps_between_checks_and_the_base_class_ends_with_wait():
    import inspect

    from snakemake_interface_executor_plugins.executors import remote

    source = inspect.getsource(remote.RemoteExecutor)
    assert source.count("await self.sleep()") == 1
    assert "self.wait = False" in source
    assert "active_jobs" in source


@pytest.mark.parametrize("fails", [True, False])
def test_a_job_leaves_a_notice_however_it_ends(tmp_path, monkeypatch, fails):
    monkeypatch.setenv(slurm_job.ENDED, str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    try:
        with slurm_job.announced():
            assert not os.listdir(tmp_path)
            if fails:
                raise SystemExit(1)
    except SystemExit:
        pass
    assert os.listdir(tmp_path) == ["42"]
