"""A new study from the template: in a copy of the project, it runs and passes its tests."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.end_to_end import project
from workflow_scripts.shared.fingerprint import ROOT

NAME, PAPER = "zipf_law", "2401.00001"
TITLE = """Zipf's "law" | a test: one"""


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = project.copy(tmp_path_factory.mktemp("study"))
    for name in ("templates", "tests", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def added(copy):
    """The files before and after `make study`."""
    before = tree(copy)
    command = [sys.executable, "templates/new_study.py", NAME, PAPER, TITLE]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return before, tree(copy)


def new_study(folder, *arguments):
    command = [sys.executable, "templates/new_study.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_it_touches_the_shared_files_that_contributing_lists_and_no_others(copy, added):
    before, after = added
    touched = {name for name in before if before[name] != after[name]}
    assert len(touched) <= 6
    text = (copy / "CONTRIBUTING.md").read_text()
    listed = text.partition("<!-- shared files of a study")[2].partition("<!-- end -->")[0]
    assert touched == {line.split("`")[1] for line in listed.splitlines() if line.startswith("- ")}
    assert all(NAME in name or NAME.replace("_", "-") in name for name in set(after) - set(before))


def test_shared_files_are_still_what_they_were(added):
    _, after = added
    for name in ("config.yaml", "presets/smoke.yaml", "profiles/slurm/config.yaml", "CITATION.cff"):
        old, new = (yaml.safe_load(side[name]) for side in added)
        new.get("studies", {}).pop(NAME, None)
        new.pop(NAME, None)
        for part in ("scores", "claims", "figures"):
            new.get("groups", {}).pop(f"{NAME}_{part}", None)
        if "references" in new:
            assert new["references"].pop()["title"] == TITLE
        assert new == old, name
    readme = after["README.md"].decode()
    (row,) = (line for line in readme.splitlines() if line.startswith(f"| [`{NAME}`]"))
    assert row.replace(r"\|", "").count("|") == 4
    assert f"Study `{NAME}`" in after["CHANGELOG.md"].decode()


@pytest.mark.slow
def test_it_runs_and_its_claim_is_decided(copy, added):
    assert added
    smoke = ("--configfile", "presets/smoke.yaml")
    project.snakemake(copy, NAME, "--workflow-profile", "profiles/default", *smoke)
    (claim,) = json.loads((copy / f"results/{NAME}/claims.json").read_text())["claims"]
    assert claim["verdict"] == "supported"
    for suffix in ("png", "pdf"):
        assert (copy / f"results/{NAME}/figures/spread.{suffix}").stat().st_size > 1000
    plan = project.without_jobs(copy, "-n", *smoke)
    assert f"results/{NAME}/claims.json" in plan  # the scorecard reads it


@pytest.mark.slow
def test_its_own_tests_and_linters_pass(copy, added):
    assert added
    environment = project.os.environ | {"PYTHONPATH": str(copy)}
    for command in (
        ["-m", "pytest", "-q", f"tests/{NAME}", "-p", "no:cacheprovider"],
        ["-m", "ruff", "check", "--fix", f"workflow_scripts/{NAME}", f"tests/{NAME}"],
        ["-m", "ruff", "format", "--check", f"workflow_scripts/{NAME}", f"tests/{NAME}"],
    ):
        done = subprocess.run(
            [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Zipf", PAPER), "NAME: expected lower-case letters"),
        (("softmax", PAPER), "NAME: 'softmax' already exists"),
        (("other_law", "arXiv:1"), "PAPER: expected an arXiv id"),
        (("class", PAPER), "NAME: 'class' is a word of Python"),
        (("seed", PAPER), "NAME: 'seed' already exists in config.yaml"),
        (("report", PAPER), "NAME: 'report' already exists in rules/"),
    ],
)
def test_what_cannot_be_added_is_refused_and_nothing_is_written(copy, arguments, message):
    before = tree(copy)
    done = new_study(copy, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert tree(copy) == before


def test_a_name_may_begin_like_another_study(copy, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(copy, folder, ignore=shutil.ignore_patterns("results", "work", ".snakemake"))
    assert new_study(folder, "soft", PAPER).returncode == 0
    assert (folder / "rules" / "soft.smk").is_file()
