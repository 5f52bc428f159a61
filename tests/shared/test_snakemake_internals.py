"""One test per internal of Snakemake that the project relies on; each fails if it changes."""

import inspect
import io
import logging
import shlex
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import snakemake
import yaml

from workflow_scripts.shared import snakemake_internals as internals
from workflow_scripts.shared.fingerprint import ROOT

WORKFLOW = """
rule all:
    input: "b.txt"
rule second:
    input: "a.txt"
    output: "b.txt"
    params: settings=config.get("study", {})
    shell: "cp {input} {output}"
rule first:
    output: "a.txt"
    log: "logs/first/a.log"
    shell: "echo 1 > {output}"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Snakefile").write_text(WORKFLOW)
    return tmp_path


def run(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


def test_version_bounds_hold_the_installed_one():
    internals.check_version(snakemake.__version__)
    for version in ("9.26.4", "9.28.0", "10.0.0"):
        with pytest.raises(internals.VersionError, match=f"found {version}"):
            internals.check_version(version)


def test_job_rate_limiter_may_be_none():
    from snakemake.scheduling.job_scheduler import JobScheduler

    source = inspect.getsource(JobScheduler)
    assert source.count("self.job_rate_limiter is not None") == 1
    assert source.count("self.job_rate_limiter is None") == 1


def test_benchmark_interval_is_read_when_a_timer_starts():
    import snakemake.benchmark

    assert snakemake.benchmark.BENCHMARK_INTERVAL_SHORT > 0
    assert "DaemonTimer(BENCHMARK_INTERVAL_SHORT" in inspect.getsource(snakemake.benchmark)


def test_settings_given_on_the_command_line_are_text_and_become_typed():
    from snakemake.cli import parse_config

    given = parse_config(["study={draws: 256, rate: 1.0e-3, on: [1, two], none: null}", "seed=7"])
    assert given["study"]["draws"] == "256"  # text; else `typed_settings` is not needed
    config = {"study": {"draws": 1, "kept": 2} | given["study"], "seed": given["seed"]}
    internals.typed_settings(config, given)
    assert config == {
        "study": {"draws": 256, "kept": 2, "rate": 1e-3, "on": [1, "two"], "none": None},
        "seed": 7,
    }


@pytest.mark.parametrize("text", ["{draws: 256", "a: b: c"])
def test_a_setting_on_the_command_line_that_is_not_yaml_is_one_line(text):
    with pytest.raises(internals.SettingError) as error:
        internals.typed_settings({"study": 1}, {"study": text})
    (line,) = str(error.value).splitlines()
    assert line.startswith(f"--config: expected YAML, found {text!r}")


def test_interruption_hides_reports_of_the_jobs_that_it_ended():
    from snakemake.logging import logger

    before = signal.getsignal(signal.SIGINT)
    try:
        found = internals.tell_interruptions()
        assert found in logger.filters
        error = logging.LogRecord("x", logging.ERROR, "", 0, "Error in rule", (), None)
        dag = SimpleNamespace(needrun_jobs=lambda exclude_finished=True: [1] * 3)
        assert found.filter(error)
        assert found.summary(SimpleNamespace(dag=dag)) is None
        with pytest.raises(KeyboardInterrupt):
            found.handle(signal.SIGINT, None)
        assert not found.filter(error)
        assert "Interrupted after 0 of 3 jobs." in found.summary(SimpleNamespace(dag=dag))
    finally:
        signal.signal(signal.SIGINT, before)
        logger.removeFilter(found)


def test_an_interruption_while_planning_is_one_line(capsys):
    found = internals.Interruption(planning=True)
    with pytest.raises(SystemExit) as ended:
        found.handle(signal.SIGINT, None)
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("Interrupted before any job started")


def test_a_script_interrupted_during_its_imports_prints_nothing_and_other_errors_do(monkeypatch):
    from snakemake.logging import logger
    from snakemake.script import PythonScript

    monkeypatch.setattr(PythonScript, "write_script", PythonScript.write_script)
    before = signal.getsignal(signal.SIGINT)
    logger.removeFilter(internals.tell_interruptions())
    signal.signal(signal.SIGINT, before)

    def run(source):
        written = io.BytesIO()
        PythonScript.write_script(SimpleNamespace(source=source), "x = 1\n", written)
        command = [sys.executable, "-c", written.getvalue().decode()]
        return subprocess.run(command, capture_output=True, text=True)

    interrupted = run("raise KeyboardInterrupt")
    assert (interrupted.returncode, interrupted.stderr) == (-signal.SIGINT, "")
    assert "ValueError: x is 1" in run("raise ValueError(f'x is {x}')").stderr


def test_dag_tells_planned_from_finished_jobs():
    from snakemake.dag import DAG

    assert "exclude_finished" in inspect.signature(DAG.needrun_jobs).parameters


def test_a_target_of_a_study_that_is_left_out_is_one_line(folder):
    head = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
    head += "from workflow_scripts.shared.snakemake_internals import refuse_targets\n"
    (folder / "Snakefile").write_text(head + WORKFLOW + 'refuse_targets(workflow, ["tiny"])\n')
    assert "second" in internals.dry_run([], folder)
    for target in ("tiny", "tiny_scores", "results/tiny/scores.parquet"):
        with pytest.raises(internals.PlanError, match=f"\n{target}: .* `studies: {{tiny: null}}`"):
            internals.dry_run([target], folder)


def test_comments_are_those_of_the_slurm_plugin():
    import snakemake_executor_plugin_slurm as plugin

    source = inspect.getsource(plugin)
    for text in (
        'comment_str = f"rule_{job.name}"',
        'comment_str = f"rule_{job.name}_wildcards_{wildcard_str}"',
        'comment_str = f"rule_{jobs[0].name}"',
    ):
        assert text in source, text
    from snakemake_executor_plugin_slurm.utils import get_job_wildcards

    job = SimpleNamespace(wildcards=["retrieval", "a/b"], is_group=lambda: False)
    assert get_job_wildcards(job) == "retrieval_a_b"


def test_dry_run_is_read(folder):
    first, second = sorted(internals.blocks(internals.dry_run(["--cores", "1"], folder)))
    assert (first.rule, first.local, first.group) == ("first", False, None)
    assert first.fields["output"] == "a.txt"
    assert first.fields["reason"] == "Missing output files: a.txt"
    assert second.fields["input"] == "a.txt"
    with pytest.raises(internals.PlanError, match="no_such"):
        internals.dry_run(["no_such", "--cores", "1"], folder)


def test_jobs_of_a_group_are_indented(folder):
    groups = ["--groups", "first=g", "second=g", "--executor", "slurm", "--jobs", "1"]
    found = internals.blocks(internals.dry_run(groups, folder))
    assert {block.rule for block in found} == {"first", "second"}
    assert {block.group for block in found} == {("g", 1)}


def test_records_are_read_under_the_names_that_snakemake_gives_them(folder):
    run(folder)
    found = dict(internals.records(folder))
    assert set(found) == {"a.txt", "b.txt"}
    assert {"rule", "input", "log", "code", "starttime", "endtime"} <= set(found["a.txt"])
    for output in found:
        assert (folder / internals.RECORDS / internals.record_name(output)).is_file()
    (folder / internals.RECORDS / internals.record_name("a.txt")).write_text("{")
    why = dict(internals.records(folder))["a.txt"][internals.TORN]
    assert "cannot be read as a record" in why


def test_long_outputs_have_records_where_snakemake_looks_for_them(tmp_path):
    from snakemake.persistence.file import FilePersistence

    finder = SimpleNamespace(_fetch_max_len=lambda subject: 255)
    for output in ("short", "x" * 400):
        path = FilePersistence._record_path(finder, str(tmp_path), output)
        assert path == str(tmp_path / internals.record_name(output))


def test_nested_settings_reach_a_rule(folder):
    text = "from workflow_scripts.shared.snakemake_internals import typed_settings\n"
    root = internals.__file__.partition("/workflow_scripts/")[0]
    head = f"import sys\nsys.path.insert(0, {root!r})\n{text}"
    head += "typed_settings(config, workflow.config_settings.config or {})\n"
    (folder / "Snakefile").write_text(head + WORKFLOW.replace("cp {input}", "echo {params} >"))
    run(folder, "--config", "study={draws: 256}")
    records = dict(internals.records(folder))
    assert yaml.safe_load(records["b.txt"]["params"][0])["draws"] == 256


@pytest.mark.parametrize("mark", '{}$`\\"')
def test_a_path_that_snakemake_or_a_shell_would_change_is_refused_in_one_line(tmp_path, mark):
    internals.check_folder(tmp_path / "Mein Projekt (1) – é & 'co'; [x] #~!")
    with pytest.raises(internals.FolderError) as error:
        internals.check_folder(tmp_path / f"a{mark}b")
    (line,) = str(error.value).splitlines()
    assert "rename the folder" in line


def test_commands_of_jobs_quote_an_interpreter_with_blanks_in_its_path(monkeypatch):
    from snakemake.executors.local import Executor
    from snakemake.script import PythonScript
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
    from snakemake_interface_executor_plugins.settings import SharedFSUsage
    from snakemake_interface_executor_plugins.utils import join_cli_args

    odd = "/data/Mein Projekt (1) é/.venv/bin/python"
    monkeypatch.setattr(sys, "executable", odd)
    for kind in (Executor, RemoteExecutor):
        monkeypatch.setattr(kind, "get_python_executable", kind.get_python_executable)
    ran = []
    monkeypatch.setattr(PythonScript, "_execute_cmd", lambda *_, **named: ran.append(named))
    internals.run_anywhere()
    PythonScript.execute_script(
        SimpleNamespace(
            container_img=None,
            conda_env=None,
            env_modules=None,
            _execute_cmd=lambda cmd, **named: PythonScript._execute_cmd(None, cmd, **named),
        ),
        "script.py",
    )
    assert shlex.split(ran[0]["py_exec"]) == [odd]
    shared = SimpleNamespace(shared_fs_usage=SharedFSUsage.all())
    here = SimpleNamespace(workflow=SimpleNamespace(storage_settings=shared))
    for kind in (Executor, RemoteExecutor):
        command = join_cli_args([kind.get_python_executable(here), "-m snakemake"])
        assert shlex.split(command) == [odd, "-m", "snakemake"]


GPUS = """
import sys
sys.path.insert(0, "{root}")
from workflow_scripts.shared import snakemake_internals
snakemake_internals.limit_gpus(workflow)
rule work:
    output: "a.txt"
    resources: gpu=3
    shell: "touch {{output}}"
"""


@pytest.mark.parametrize(
    ("more", "gpus"),
    [((), 0), (("--resources", "gpu=2"), 2), (("--executor", "slurm", "--jobs", "5"), 3)],
)
def test_gpus_are_limited_in_a_run_on_this_machine_only(tmp_path, monkeypatch, more, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (tmp_path / "Snakefile").write_text(GPUS.format(root=ROOT))
    text = run(tmp_path, "--dry-run", *more).stdout
    found = internals.blocks(text)[0].fields.get("resources", "")
    assert f"gpu={gpus}" in found


RETRIES = """
import sys
sys.path.insert(0, "{root}")
from workflow_scripts.shared import snakemake_internals
rule work:
    output: "a.txt"
    retries: 2
    shell: "echo tried >> tries.txt; false"
snakemake_internals.retry_once(workflow)
"""


@pytest.mark.parametrize(("mode", "tries"), [("default", 3), ("subprocess", 1), ("remote", 1)])
def test_only_the_run_itself_tries_again(tmp_path, mode, tries):
    (tmp_path / "Snakefile").write_text(RETRIES.format(root=ROOT))
    given = ["--retries", "0", "--mode", mode, "--target-jobs", "work:"]
    with pytest.raises(subprocess.CalledProcessError):
        run(tmp_path, "work", *(() if mode == "default" else given))
    assert (tmp_path / "tries.txt").read_text().split() == ["tried"] * tries
