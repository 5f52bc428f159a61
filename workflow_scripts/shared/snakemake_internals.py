"""What the project relies on inside Snakemake, beyond its documented interface.

All of it is in this module, with the versions that it was tested with, and for Slurm and groups of
jobs in `slurm_internals`. `tests/shared/test_snakemake_internals.py` has one test per item, which
fails by name when Snakemake changes.

- the job rate limiter and the sampling interval of benchmarks (`quicken`)
- the retries of a process that Snakemake starts for a job or a group (`retry_once`)
- what an interrupted run and its jobs print (`tell_interruptions`)
- the types of nested settings under `--config` (`typed_settings`)
- the limit on GPUs at once (`limit_gpus`, `share_gpus`)
- the names that are given as targets (`refuse_targets`)
- the path of the interpreter in commands, and permissions of records (`run_anywhere`)
- the text of a dry-run (`dry_run`, `blocks`)
- the records of finished jobs below `.snakemake/metadata` (`records`, `record_name`)
"""

import base64
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from workflow_scripts.shared import devices, filesystem
from workflow_scripts.shared.job import INTERRUPTED

OLDEST, TOO_NEW = (9, 27), (9, 28)  # tested with 9.27.1 and the Slurm plugin 2.8.0
RECORDS = Path(".snakemake/metadata")
CHANGED = frozenset('{}$`\\"\n')  # wildcards, and what a shell changes within double quotes
TORN = "torn"  # key of what stands for a record that cannot be read
# The first line of a job's script. Most of a short job is imports, which `job.run` cannot guard.
WITHOUT_TRACEBACK = (
    "import sys; sys.excepthook = lambda kind, *more: "
    "None if kind is KeyboardInterrupt else sys.__excepthook__(kind, *more)\n"
)


class VersionError(RuntimeError):
    """A version of Snakemake that the project was not tested with."""


class FolderError(RuntimeError):
    """A folder whose path Snakemake or a shell would change."""


class PlanError(RuntimeError):
    """Snakemake could not plan; the message is Snakemake's."""


class SettingError(ValueError):
    """A setting of --config that is not YAML."""


def check_version(version: str) -> None:
    """Raise `VersionError` if Snakemake's version is not one of the tested ones."""
    found = tuple(int(part) for part in version.split(".")[:2])
    if not OLDEST <= found < TOO_NEW:
        least, below = (".".join(map(str, bound)) for bound in (OLDEST, TOO_NEW))
        raise VersionError(
            f"expected Snakemake {least} or newer, below {below}; found {version}. "
            "`make setup` installs a tested version into .venv"
        )


def check_folder(folder: str | Path) -> None:
    """Raise `FolderError` if Snakemake cannot run in or from a folder with this path."""
    path = os.path.abspath(folder)
    if found := CHANGED & set(path):
        raise FolderError(
            f"{path!r}: expected a path without {' '.join(sorted(found))!r}, which Snakemake or a "
            "shell would replace; rename the folder"
        )


def quicken(workflow: Any) -> None:
    """Avoid two of Snakemake's own costs in a local run; called when a run starts."""
    import snakemake.benchmark

    # The scheduler looks for jobs again after each timespan of its rate limit, once per job that
    # has started: a tenth of a run's CPU time. The limit is for submissions to a cluster.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    # Measuring a large process takes 10 ms: once per second, not twice, in its first half minute.
    snakemake.benchmark.BENCHMARK_INTERVAL_SHORT = 1.0


def run_anywhere() -> None:
    """Let jobs start from a folder with blanks in its path, and where no permissions can be set."""
    from snakemake.executors.local import Executor
    from snakemake.persistence.file import FilePersistence
    from snakemake.script import PythonScript
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    if not hasattr(FilePersistence._io_write, "tolerant"):
        FilePersistence._io_write = _tolerant(FilePersistence._io_write)
    if shlex.quote(sys.executable) == sys.executable:
        return
    PythonScript._execute_cmd = _quoting(PythonScript._execute_cmd)
    for executor in (Executor, RemoteExecutor):
        executor.get_python_executable = _quoted(executor.get_python_executable)


def _tolerant(write: Any) -> Any:
    """`FilePersistence._io_write`, whose last step sets permissions, where they can be set."""

    def tolerant(self: Any, *arguments: Any, **named: Any) -> None:
        try:
            write(self, *arguments, **named)
        except OSError as error:
            if not filesystem.lacks("chmod", error):
                raise

    tolerant.tolerant = True  # type: ignore[attr-defined]
    return tolerant


def _quoting(execute: Any) -> Any:
    """`PythonScript._execute_cmd`, with the interpreter quoted for the shell."""

    def quoting(self: Any, cmd: str, **named: Any) -> Any:
        if "py_exec" in named:
            named["py_exec"] = shlex.quote(named["py_exec"])
        return execute(self, cmd, **named)

    return quoting


def _quoted(get: Any) -> Any:
    """A `get_python_executable` whose result is quoted for the shell."""
    return lambda self: shlex.quote(get(self))


def limit_gpus(workflow: Any) -> None:
    """Let a run on this machine use at most its GPUs at once, or what `--resources gpu=` says.

    Slurm has its own limits; a run on it, and a dry-run of one, has a number of jobs (`nodes`).
    """
    own = workflow.is_main_process and workflow.resource_settings.nodes is None
    if own and "gpu" not in workflow.global_resources:
        workflow.register_resource("gpu", len(devices.visible()))


def retry_once(workflow: Any) -> None:
    """Leave retries to the run: called with all rules, in every process that Snakemake starts.

    Snakemake passes `--retries 0` to the process of a job or a group, but a rule's own `retries`
    overrules it: each of the run's attempts at a group would try three times, the later ones with
    more memory than Slurm gave the group.
    """
    if not workflow.is_main_process:
        for rule in workflow.rules:
            rule.restart_times = 0


def share_gpus(workflow: Any) -> None:
    """Tell the jobs of a run on this machine how many of them share a GPU; called at its start."""
    if workflow.local_exec:
        given = workflow.global_resources.get("gpu")
        devices.share(given.value if given else 0)


class Interruption(logging.Filter):
    """Records a Ctrl-C, and drops Snakemake's later reports of the jobs that it ended."""

    def __init__(self, planning: bool = False) -> None:
        super().__init__()
        self.seen = False
        self.planning = planning  # no job has started

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        return not (self.seen and record.levelno >= logging.ERROR)

    def handle(self, number: int, frame: Any) -> None:
        """Handler of SIGINT: note it, then do what Python does; while planning, only end."""
        self.seen = True
        if self.planning:
            print("Interrupted before any job started; nothing was changed.", file=sys.stderr)
            raise SystemExit(INTERRUPTED)
        signal.default_int_handler(number, frame)

    def summary(self, workflow: Any) -> str | None:
        """What an interrupted run has kept and how to resume it; None without a Ctrl-C."""
        if not self.seen:
            return None
        planned = sum(1 for _ in workflow.dag.needrun_jobs(exclude_finished=False))
        left = sum(1 for _ in workflow.dag.needrun_jobs())
        return (
            f"Interrupted after {planned - left} of {planned} jobs. Their results are in results/; "
            "replies and checkpoints of unfinished jobs are kept in work/.\n"
            "Run the same command again to resume.\n"
        )


def tell_interruptions(planning: bool = False) -> Interruption:
    """Let Ctrl-C end a run without tracebacks; `Interruption.summary` then states what is kept.

    `planning` says whether jobs are still to be planned; the run sets it to False when they start.
    """
    from snakemake.logging import logger
    from snakemake.script import PythonScript

    found = Interruption(planning)
    logger.addFilter(found)
    if not hasattr(PythonScript.write_script, "without_traceback"):
        PythonScript.write_script = _without_traceback(PythonScript.write_script)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, found.handle)
    return found


def _without_traceback(write_script: Any) -> Any:
    """`PythonScript.write_script`, whose scripts end without a traceback after a Ctrl-C."""

    def write(self: Any, preamble: str, fd: Any) -> None:
        write_script(self, WITHOUT_TRACEBACK + preamble, fd)

    write.without_traceback = True  # type: ignore[attr-defined]
    return write


def typed_settings(config: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Give nested settings of `--config`, which Snakemake reads as text, their YAML types.

    `given` holds the arguments of `--config`; `config`, into which they were merged, is changed.
    Raises `SettingError` for a text that is not YAML.
    """
    for key, value in given.items():
        if isinstance(value, Mapping):
            typed_settings(config[key], value)
        elif isinstance(value, list):
            config[key] = [_typed(entry) for entry in value]
        elif isinstance(value, str):
            config[key] = _typed(value)


def _typed(value: Any) -> Any:
    if isinstance(value, list):
        return [_typed(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _typed(entry) for key, entry in value.items()}
    if not isinstance(value, str):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        raise SettingError(
            f"--config: expected YAML, found {value!r} ({problem}); close each bracket, and put "
            "text with a colon in quotes, or write the settings into a file for --configfile"
        ) from error


def refuse_targets(workflow: Any, left_out: Sequence[str]) -> None:
    """Let a target of a study that is left out of the run end it with one line.

    A target is the study, one of its rules or one of its results.
    """
    from snakemake.exceptions import WorkflowError

    is_rule = workflow.is_rule  # which Snakemake calls with each target

    def checked(name: str) -> bool:
        for study in left_out:
            if name == study or name.startswith((f"{study}_", f"results/{study}/")):
                raise WorkflowError(
                    f"{name}: expected a target of this run, found one of study {study}, which "
                    f"`studies: {{{study}: null}}` in the config leaves out"
                )
        return is_rule(name)

    workflow.is_rule = checked


class Block(NamedTuple):
    """A job in the text of a dry-run.

    `group` is the group that it is submitted with, if any, and the group's number, as one group may
    be submitted in several parts; `fields` are the lines under the rule's name, such as `output`.
    """

    rule: str
    local: bool
    group: tuple[str, int] | None
    fields: dict[str, str]


HEADING = re.compile(r"^(?P<indent> *)(?P<local>local)?(?:rule|checkpoint) (?P<rule>\w+):$")
GROUP = re.compile(r"Group job (\S+) \(jobs")


def dry_run(arguments: Sequence[str], folder: str | Path = ".") -> str:
    """What `snakemake --dry-run` prints with these arguments in `folder`. Raises `PlanError`."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise PlanError((done.stdout + done.stderr).strip())
    return done.stdout + done.stderr


def blocks(text: str) -> list[Block]:
    """The jobs in the text of a dry-run, target rules (no output) left out.

    A job of a group is indented under the group's line.
    """
    found: list[Block] = []
    group: tuple[str, int] | None = None
    groups = 0
    open_block: Block | None = None
    for line in text.splitlines():
        if start := GROUP.search(line):
            groups += 1
            group, open_block = (start[1], groups), None
        elif heading := HEADING.match(line):
            own = group if heading["indent"] else None
            open_block = Block(heading["rule"], bool(heading["local"]), own, {})
            found.append(open_block)
        elif open_block and (field := re.match(r"^ +(\w+): (.*)$", line)):
            open_block.fields[field[1]] = field[2]
    return [block for block in found if "output" in block.fields]


def records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Snakemake's record of each output of the run in `folder`: the output's path and the record.

    For a file that cannot be read, as after a full disk, the record is `{TORN: reason}`.
    """
    for path in (folder / RECORDS).rglob("*"):
        if path.is_file():
            # Long names are cut into folders, each but the last marked with an @.
            parts = [part.removeprefix("@") for part in path.relative_to(folder / RECORDS).parts]
            output = str(path)
            try:
                output = base64.urlsafe_b64decode("".join(parts)).decode()
                yield output, dict(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError) as error:
                yield output, {TORN: f"{path}: cannot be read as a record ({error})"}


def record_name(output: str) -> str:
    """Path, below `RECORDS`, that Snakemake reads an output's record from."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    limit = 254  # a file name has 255 bytes, less one for the mark
    parts = [name[start : start + limit] for start in range(0, len(name), limit)]
    return "/".join([*(f"@{part}" for part in parts[:-1]), parts[-1]])
