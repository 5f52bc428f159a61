"""What the project changes in Snakemake's Slurm plugin (2.8.0) and in its groups of jobs (9.27.1).

Neither is part of their interface. `tests/shared/test_slurm_internals.py` has a test per item:

- the program that a job starts (`start_once`)
- when the states of jobs are asked for (`ask_when_jobs_end`)
- the members of a failed group that have finished (`keep_finished`)
- the comments of jobs (`job_comments`)
"""

import asyncio
import contextlib
import functools
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from snakemake.logging import logger

from workflow_scripts.shared.slurm_job import ENDED

FOLDER = Path(".snakemake/slurm_ended")  # one file per job that has ended; see `slurm_job`
JOBS_PER_S = 10  # a question about n jobs is followed by a pause of at least n / JOBS_PER_S seconds
PAUSE_S = 1.0  # the shortest pause
LOOK_S = 0.5  # between looks at `FOLDER`
SHOWN = 5  # rules of a group that its name holds


def adapt(workflow: Any) -> None:
    """Adapt the plugin and Snakemake; called when the rules are read, in each process.

    Does nothing in jobs, and nothing to the plugin where it is not installed.
    """
    if not workflow.is_main_process:
        return
    keep_finished()
    with contextlib.suppress(ImportError):
        start_once()
        ask_when_jobs_end()


def start_once() -> None:
    """Let a Slurm job start one Snakemake, the one that runs its rules.

    The plugin's job starts a Snakemake that reads the workflow and then starts a second one with
    `srun`. A job here has one task on one node, for which Slurm needs no `srun`.
    """
    from snakemake_executor_plugin_slurm import Executor

    if hasattr(Executor.format_job_exec, "once"):
        return
    original = Executor.format_job_exec

    def format_job_exec(self: Any, job: Any) -> str:
        command = str(original(self, job))
        if command.count(" -m snakemake ") != 1:
            raise RuntimeError(f"expected one `-m snakemake` in the command of a job: {command}")
        return command.replace(" -m snakemake ", " -m workflow_scripts.shared.slurm_job ")

    format_job_exec.once = True  # type: ignore[attr-defined]
    Executor.format_job_exec = format_job_exec
    Executor.additional_general_args = lambda self: ""  # no executor: the local one


def ask_when_jobs_end() -> None:
    """Let a run ask for job states as soon as one of its jobs says that it has ended.

    Otherwise it asks as often as the profile says. With few jobs it may ask again after a second;
    with 100 of them, after ten. A job that is killed says nothing.
    """
    import snakemake_executor_plugin_slurm as plugin

    if hasattr(plugin.Executor.sleep, "watching"):
        return
    # The plugin asks for this setting of the cluster whenever it asks for job states.
    plugin.get_min_job_age = functools.cache(plugin.get_min_job_age)

    async def sleep(self: Any) -> None:
        began, limit_s = time.monotonic(), self.next_seconds_between_status_checks
        if not hasattr(self, "ended_jobs"):
            self.ended_jobs = EndedJobs(FOLDER)
        while self.wait:
            jobs = [str(info.external_jobid) for info in list(self.active_jobs)]
            slept_s = time.monotonic() - began
            if slept_s >= limit_s:
                return
            self.ended_jobs.see(jobs, time.monotonic())
            rested = slept_s >= max(PAUSE_S, len(jobs) / JOBS_PER_S)
            if rested and self.ended_jobs.due(time.monotonic()):
                return
            await asyncio.sleep(min(LOOK_S, limit_s - slept_s))

    sleep.watching = True  # type: ignore[attr-defined]
    plugin.Executor.sleep = sleep


def watch_folder() -> None:
    """Empty the folder in which jobs say that they have ended, and name it to them."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.environ[ENDED] = str(FOLDER.absolute())


class EndedJobs:
    """The jobs that say in `folder` that they have ended, and when to ask Slurm about each.

    Slurm knows a moment later than the job; on a busy cluster, much later. So the run asks half a
    second after a job's notice, and if Slurm still says that it runs, after 1, 2, 4, ... seconds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.next: dict[str, tuple[float, float]] = {}  # time of the next question, pause after it

    def see(self, active: Iterable[str], now_s: float) -> None:
        """Note the notices of `active` jobs at this time in s; delete those of other jobs."""
        try:
            said = set(os.listdir(self.folder))
        except OSError:  # a network file system that is not there just now
            return
        active = set(active)
        for job in said - active:
            with contextlib.suppress(OSError):
                (self.folder / job).unlink()
        first = (now_s + PAUSE_S / 2, PAUSE_S)
        self.next = {job: self.next.get(job, first) for job in said & active}

    def due(self, now_s: float) -> bool:
        """Whether to ask about one of them now; if so, the next time is set."""
        due = [job for job, (time_s, _) in self.next.items() if time_s <= now_s]
        for job in due:
            pause_s = self.next[job][1]
            self.next[job] = (now_s + pause_s, 2 * pause_s)
        return bool(due)


def keep_finished() -> None:
    """Let members of a group that have finished count as finished if the group fails.

    Snakemake deletes the results of all its members and runs them all again. Here the group is
    submitted again with the others only.
    """
    from snakemake.jobs import GroupJob
    from snakemake.scheduling.job_scheduler import JobScheduler

    if hasattr(JobScheduler._handle_error, "keeping"):
        return
    original, original_postprocess = JobScheduler._handle_error, GroupJob.postprocess
    kept: dict[Any, list[Any]] = {}  # finished members of failed groups

    async def postprocess(self: Any, error: bool = False, **named: Any) -> None:
        if not error:
            await original_postprocess(self, **named)
            return
        kept[self] = await _finished(self)
        for member in set(self.jobs) - set(kept[self]):
            await member.postprocess(error=True, **named)

    def handle_error(self: Any, job: Any, postprocess_job: bool = True) -> None:
        if not job.is_group():
            original(self, job, postprocess_job)
            return
        if postprocess_job:  # else it was done: Slurm called the group completed, it was not
            self.workflow.async_run(job.postprocess(error=True))
        done = kept.pop(job, [])
        if rest := _without(self, job, done):
            original(self, rest, postprocess_job=False)
            rest._scheduler_resources = None  # its own, now that the group's are freed
        if done and postprocess_job:  # else the caller goes on with what is to be finished
            self._finish_jobs()

    handle_error.keeping = True  # type: ignore[attr-defined]
    JobScheduler._handle_error, GroupJob.postprocess = handle_error, postprocess


async def _finished(group: Any) -> list[Any]:
    """The members whose results are complete, each after those that it depends on.

    Outputs are marked as incomplete from the group's submission until the member has ended in it,
    with success or with its outputs deleted.
    """
    dag, persistence = group.dag, group.dag.workflow.persistence
    persistence._clear_cache()
    done: list[Any] = []
    for member in (member for level in group.toposorted for member in level):
        needs = {other for other in dag.job_dependencies(member) if other in group}
        there = [await file.exists() for file in member.products(include_logfiles=False)]
        if all(there) and needs <= set(done) and not await persistence.incomplete(member):
            done.append(member)
    return done


def _without(scheduler: Any, group: Any, done: list[Any]) -> Any:
    """Let finished members of a failed group take the way of jobs that succeed.

    Returns the group of the others, which replaces `group` where the scheduler and the graph of
    jobs hold it; None if none is left.
    """
    if not done:
        return group
    dag, rest = scheduler.workflow.dag, None
    scheduler.running.remove(group)
    dag._running.discard(group)
    if others := set(group.jobs) - set(done):
        resources = scheduler.workflow.global_resources
        rest = dag.group_job_factory.new(group.groupid, others, resources)
        rest.finalize()
        rest._attempt = group.attempt
        rest._scheduler_resources = group.scheduler_resources  # held until they are freed
        for member in rest:
            dag._group[member] = rest
        scheduler.running.add(rest)
        dag._running.add(rest)
    else:
        scheduler._free_resources(group)
    for member in done:
        logger.info(f"Rule {member.rule} of the failed group {group.groupid} had finished.")
        member._scheduler_resources = {}  # it holds none
        scheduler.running.add(member)
        dag._running.add(member)
        scheduler._tofinish.append(member)
    return rest


def job_comments(dag: Any) -> set[str]:
    """What the Slurm plugin writes into the comments of the jobs that `dag` is to run.

    A group's comment names the rules of its members. Some members of a group that a killed run
    submitted may have finished since, so every selection of the group's rules counts.
    """
    found = set()
    for job in dag.needrun_jobs():
        group = dag.get_job_group(job)
        if group is not None:
            rules = {other.name for other in dag.rules if other.group == job.rule.group}
            found |= {f"rule_{group.groupid}_{name}" for name in _selections(rules, job.name)}
        wildcards = "_".join(job.wildcards).replace("/", "_") if job.wildcards else ""
        found.add(f"rule_{job.name}" + (f"_wildcards_{wildcards}" if wildcards else ""))
    return found


def _selections(rules: Iterable[str], needed: str) -> Iterator[str]:
    """Names, as Snakemake joins them, of all selections of `rules` that hold the `needed` one."""
    others = sorted(set(rules) - {needed})
    for count in range(len(others) + 1):
        for chosen in combinations(others, count):
            names = sorted([*chosen, needed])
            shown = names[:SHOWN] + ["..."] * (len(names) > SHOWN)
            yield "_".join(shown)
