"""The repository's other files (hooks, templates) agree with the project."""

import re
import shlex

import yaml

from workflow_scripts.shared.fingerprint import ROOT


def loaded(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def task(command):
    """The tool of a command line and its main command, without further options."""
    words = [word.split("/")[-1] for word in shlex.split(command)]
    return tuple(words[: 3 if words[0] == "python" else 2])


def test_hooks_run_what_make_lint_runs():
    """The same tools with the same main options; a hook passes changed files, `make lint` all
    files."""
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    commands = re.findall(r"\$\(BIN\)/([^&\n]+)", recipe[1])
    expected = {task(command) for command in commands}
    hooks = [hook for repo in loaded(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert {task(hook["entry"]) for hook in hooks} == expected
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)


def test_the_workflow_calls_targets_and_presets_that_exist():
    workflow = loaded(".github/workflows/tests.yml")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    runs = [step["run"] for step in steps if "run" in step]
    assert {run.removeprefix("make ") for run in runs if run.startswith("make ")} <= targets
    for path in re.findall(r"presets/[\w.]+", " ".join(runs)):
        assert (ROOT / path).is_file()
    for step in steps:
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"])


def test_the_workflow_covers_the_pythons_that_the_readme_names():
    matrix = loaded(".github/workflows/tests.yml")["jobs"]["python"]["strategy"]["matrix"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.search(r"Python (3\.\d+(?:(?:, | or )3\.\d+)*)", readme)[1]
    assert re.findall(r"3\.\d+", named) == matrix["python"]
