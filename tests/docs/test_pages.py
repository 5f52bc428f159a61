"""Links have targets, examples are valid, lists are complete."""

import ast
import copy
import re
import textwrap

import pytest
import yaml
from snakemake.utils import update_config

from tests.docs import pages
from workflow_scripts.shared import config
from workflow_scripts.shared.claims import Evidence, Verdict
from workflow_scripts.shared.fingerprint import ROOT

DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
STUDIES = list(DEFAULT["studies"])
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
MOST_BYTES = 200_000  # of a picture in the documentation


def anchors(text):
    """The anchors of a page's headings, as on a forge."""
    headings = re.findall(r"^#+ (.+)$", pages.FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for found in LINK.findall(page.read_text(encoding="utf-8")):
        link = found[0] or found[1]
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{link}: no such heading"


def examples(language):
    return [
        pytest.param(page, block.text, id=f"{pages.name(page)}-{number}")
        for page in pages.PAGES
        for number, block in enumerate(pages.blocks(page.read_text(encoding="utf-8")))
        if block.language == language
    ]


def filled(value, folder):
    """The settings with each path under /data moved to a folder in which it exists."""
    if isinstance(value, dict):
        return {key: filled(entry, folder) for key, entry in value.items()}
    if isinstance(value, list):
        return [filled(entry, folder) for entry in value]
    if isinstance(value, str) and value.startswith("/data/"):
        path = folder / value.removeprefix("/data/")
        if path.suffix in {".jsonl", ".npz"}:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
            (path / "config.json").write_text("{}")
        return str(path)
    return value


@pytest.mark.parametrize(("page", "text"), examples("yaml"))
def test_every_example_of_settings_is_valid(page, text, tmp_path):
    changes = yaml.safe_load(text)
    if "channels" in changes:
        return  # conda's settings, not ours
    settings = copy.deepcopy(DEFAULT)
    update_config(settings, filled(changes, tmp_path))
    config.check(settings, config.config_checks())


@pytest.mark.parametrize(("page", "text"), examples("python"))
def test_every_example_in_python_parses(page, text):
    ast.parse(textwrap.dedent(text))


@pytest.mark.parametrize("kinds", [Evidence, Verdict])
def test_the_page_on_the_scorecard_names_every_kind(kinds):
    text = (ROOT / "docs/scorecard.md").read_text(encoding="utf-8")
    assert [str(kind) for kind in kinds if f"| {kind} |" not in text] == []


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_is_in_the_readme_and_has_its_pages(study):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"[`{study}`](workflow_scripts/{study}/README.md)" in readme
    assert (ROOT / f"docs/studies/{study}.md").is_file()


def test_pictures_are_small():
    pictures = [path for path in (ROOT / "docs").iterdir() if path.suffix in {".png", ".svg"}]
    assert len(pictures) >= 3
    assert {path.name for path in pictures if path.stat().st_size > MOST_BYTES} == set()
