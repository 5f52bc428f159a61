"""Each figure of a study is in three places: its rule's list, its caption, its function."""

import importlib
import re
import subprocess
import sys

import pytest
import yaml

from tests.end_to_end import project
from workflow_scripts.shared import figures
from workflow_scripts.shared.fingerprint import ROOT

STUDIES = list(yaml.safe_load((ROOT / "config.yaml").read_text())["studies"])


def declared(study):
    """Names in the list `<STUDY>_FIGURES` of the study's rules, with those under a condition."""
    text = (ROOT / f"rules/{study}.smk").read_text()
    listed = re.findall(rf"^{study.upper()}_FIGURES \+?= \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    return re.findall(r'"(\w+)"', ",".join(listed))


@pytest.mark.parametrize("study", STUDIES)
def test_each_has_a_function_of_its_name(study):
    module = importlib.import_module(f"workflow_scripts.{study}.figures")
    names = declared(study)
    assert len(names) == len(set(names)) > 0
    for name in names:
        assert figures.drawing(name, [module, *module.TOPICS])


@pytest.mark.parametrize("study", STUDIES)
def test_each_has_a_caption_and_no_caption_is_left_over(study):
    captions = {path.stem for path in (ROOT / f"resources/captions/{study}").glob("*.rst")}
    tables = {name for name in captions if name.endswith("_table")}
    assert set(declared(study)) == captions - tables


@pytest.mark.parametrize("study", STUDIES)
def test_each_is_declared_as_png_and_pdf(study):
    text = (ROOT / f"rules/{study}.smk").read_text()
    assert f'png=figure_pngs("{study}", {study.upper()}_FIGURES)' in text
    assert f'"results/{study}/figures/{{figure}}.pdf", figure={study.upper()}_FIGURES' in text


def test_a_missing_caption_is_told_before_anything_runs(tmp_path):
    folder = project.copy(tmp_path / "project")
    (folder / "resources/captions/softmax/gain.rst").unlink()
    command = [sys.executable, "-m", "snakemake", "softmax", "-n"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode
    line = "figure gain of softmax: expected its caption in resources/captions/softmax/gain.rst"
    assert line in done.stdout + done.stderr
