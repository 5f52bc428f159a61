"""Every command in the documentation works.

Snakemake's commands are parsed by Snakemake itself, and each distinct combination of settings is
planned (a dry-run) with all targets that the documentation uses with it. Targets of make are
expanded by `make -n`; the snakemake commands in them count as well. A few commands are only
checked for their form, for the reason given here. Any other command fails the test.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict

import pytest
from snakemake.cli import parse_args

from tests.docs import pages
from tests.end_to_end import project
from workflow_scripts.shared.fingerprint import ROOT

# Placeholders, and the files that replace them in the folder where commands are planned.
FILES = {
    "my.yaml": "softmax: {theory: {cases: 7}}\n",  # the user's own settings
    "run/config.json": '{"seed": 7}\n',  # the settings of an archived run
}
VARIABLES = {
    "$CONDA": "--sdm conda --conda-prefix /shared/faultlines-envs",
    "snakemake zipf_law": "snakemake cocycles",  # the study that `make study` would have written
}

# Commands of which only the form is checked, with the reason.
FORM_ONLY = {
    r"source \.venv/bin/activate": "changes the shell that reads it",
    r"export [A-Z_]+=\S+( [A-Z_]+=\S+)*": "changes the shell that reads it",
    r'CONDA="--sdm conda --conda-prefix \S+"': "changes the shell that reads it; used as $CONDA",
    r"git clone <repository> \w+": "needs the repository's address and a network",
    r"cd \w+": "changes the shell that reads it",
    r"apt-get install slurm-wlm munge": "needs root and changes the machine",
    r"unzip -q faultlines-[\w-]+\.zip -d \w+": "needs an archive; tests/publish unpacks one",
    r"touch -c -d 1980-01-02 models-elsewhere/\* inputs.*": "needs an unpacked archive",
    r"conda config --set channel_priority strict": "needs conda and changes the user's settings",
    r'\.venv/bin/python -m pytest -m "not slow"': "would run the tests inside a test",
    r"\.venv/bin/python benchmarks/<name>\.py": "takes minutes; `name` is from the page's table",
    r"\.venv/bin/python benchmarks/(\w+)\.py( --[\w-]+)?": "takes minutes",
    r'\.venv/bin/python -c "import torch; print\(torch\.cuda\.is_available\(\)\)"': "two seconds",
}
# Options that affect the plan of a dry-run, besides the targets. Other options change how jobs run.
PLANNING = ("configfile", "config", "forcerun", "forceall")


def all_commands():
    found = defaultdict(set)
    for page in pages.PAGES:
        for command in pages.commands(page.read_text(encoding="utf-8")):
            for variable, value in VARIABLES.items():
                command = command.replace(variable, value)
            found[command].add(pages.name(page))
    return {command: ", ".join(sorted(where)) for command, where in sorted(found.items())}


COMMANDS = all_commands()
RULES = {
    name
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that a run reads, and those that replace placeholders."""
    folder = project.copy(tmp_path_factory.mktemp("documented"))
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "constraints-vllm.txt"):
        shutil.copy(ROOT / name, folder)
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def words_of(command):
    """The words of a command after variables that are set for it alone."""
    words = shlex.split(command)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return words


def understood(arguments, folder, monkeypatch):
    """Snakemake's own parsing of its arguments. Fails if Snakemake would reject or misread them."""
    monkeypatch.chdir(folder)
    try:
        _, found = parse_args(arguments)
    except SystemExit:
        pytest.fail(f"snakemake does not accept {shlex.join(arguments)}")
    for path in found.configfile or ():
        assert (folder / path).is_file(), f"--configfile takes {path} for a config file"
    for entry in found.config or ():
        assert re.match(r"\w+=", entry), f"--config takes {entry} for a setting"
    methods = {str(method) for method in found.software_deployment_method or ()}
    assert methods <= {"conda"}, f"--sdm takes {methods} for deployment methods"
    for option in (found.forcerun or (), found.set_threads or (), found.set_resources or ()):
        for name in option:
            assert name in RULES or "/" in name, f"there is no rule {name}"
    return found


def expanded(command, folder):
    """The snakemake commands that a make command runs. Fails if make would fail."""
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    for line in done.stdout.splitlines():
        if found := re.search(r"\.venv/bin/snakemake (.*?)(?=$| \d*>|;|\|\||&&)", line):
            yield shlex.split(found[1].rstrip("\\"))
        elif found := re.search(r"workflow_scripts\.\w+\.(?:cost|explain|submit) (.+)", line):
            yield shlex.split(found[1])


def kind(command):
    words = words_of(command)
    if words and words[0] in ("snakemake", ".venv/bin/snakemake"):
        return "snakemake"
    if words and words[0] == "make":
        return "make"
    return "form" if any(re.fullmatch(form, command) for form in FORM_ONLY) else "unknown"


def test_there_is_something_to_check():
    kinds = [kind(command) for command in COMMANDS]
    assert kinds.count("snakemake") > 20
    assert kinds.count("make") > 10


def test_every_form_is_still_used():
    for form in FORM_ONLY:
        assert any(re.fullmatch(form, command) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_accepted(command, folder, monkeypatch):
    match kind(command):
        case "snakemake":
            understood(words_of(command)[1:], folder, monkeypatch)
        case "make":
            for arguments in expanded(command, folder):
                understood(arguments, folder, monkeypatch)
        case "form":
            if found := re.search(r"benchmarks/(\w+)\.py", command):
                assert (ROOT / found[0]).is_file()
        case "unknown":
            pytest.fail(f"{COMMANDS[command]}: no check for this command: {command}")


@pytest.mark.parametrize(
    "wrong",
    [
        "snakemake --configfile my.yaml stochasticity",
        "snakemake --sdm conda stochasticity",
        "snakemake --config seed=7 stochasticity",
        "snakemake stochasticity --set-threads inference_genrate=2",
        "snakemake --cluster sbatch",
    ],
)
def test_a_wrong_command_is_found(wrong, folder, monkeypatch):
    with pytest.raises((pytest.fail.Exception, AssertionError)):
        understood(words_of(wrong)[1:], folder, monkeypatch)


def planned(folder):
    """For each combination of planning options in the documentation, the targets used with it."""
    combinations = defaultdict(set)
    for command in COMMANDS:
        found = []
        if kind(command) == "snakemake":
            found = [words_of(command)[1:]]
        elif kind(command) == "make":
            found = expanded(command, folder)
        for arguments in found:
            _, options = parse_args(arguments)
            if not options.unlock and not options.lint:
                key = tuple((name, repr(getattr(options, name))) for name in PLANNING)
                combinations[key] |= {(tuple(options.targets), tuple(arguments))}
    return combinations


@pytest.mark.slow
def test_every_command_can_be_planned(folder, monkeypatch):
    """One dry-run per combination of settings, with all the targets that are used with it."""
    monkeypatch.chdir(folder)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for uses in planned(folder).values():
        targets = sorted({target for names, _ in uses for target in names or ("all",)})
        _, options = parse_args(next(iter(uses))[1])
        command = ["-n", *targets]
        for option in ("configfile", "config", "forcerun"):
            if values := getattr(options, option):
                command += [f"--{option}", *map(str, values)]
        if options.forceall:
            command.append("--forceall")
        done = subprocess.run(
            [str(ROOT / ".venv/bin/snakemake"), *command],
            cwd=folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
