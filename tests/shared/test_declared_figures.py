"""Each figure of a study is in three places: its rule's list, its caption, its function."""

import importlib
import re

import pytest
import yaml

from workflow_scripts.shared import figures
from workflow_scripts.shared.fingerprint import ROOT

STUDIES = list(yaml.safe_load((ROOT / "config.yaml").read_text())["studies"])


def declared(study):
    """Names in the list `<STUDY>_FIGURES` of the study's rules."""
    text = (ROOT / f"rules/{study}.smk").read_text()
    listed = re.search(rf"^{study.upper()}_FIGURES = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    return re.findall(r'"(\w+)"', listed[1])


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
