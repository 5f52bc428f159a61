"""The report of a small real run, opened in headless Chromium with no network."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from workflow_scripts.shared.fingerprint import ROOT

pytestmark = pytest.mark.xdist_group("report")
SNAKEFILE = """
import sys

import pandas as pd

sys.path.insert(0, str(workflow.basedir))

from workflow_scripts.shared.fingerprint import fingerprint
from workflow_scripts.shared.job import export_python_path, project_file

export_python_path()


configfile: f"{workflow.basedir}/config.json"


rule tiny_scores:
    input:
        [],
    output:
        scores="results/tiny/scores.parquet",
    run:
        from workflow_scripts.shared import tables

        row = {"experiment": "E1", "metric": "failure_rate", "value": 0.125, "n": 8}
        tables.write(pd.DataFrame([row | {"model": "mine"}]), output.scores)


rule tiny_claims:
    output:
        claims="results/tiny/claims.json",
        figure=report("results/tiny/figures/line.png", category="tiny"),
    run:
        import matplotlib.pyplot as plt

        from workflow_scripts.shared import claims, figures
        from workflow_scripts.shared.claims import Claim, Evidence, Measured, Region

        measured = [
            Measured(-1.0, -1.2, -0.8, 10, Evidence.THEORY, "closed form"),
            Measured(-0.9, -1.1, -0.7, 4, Evidence.STAND_IN, "four seeds", model="tiny-model"),
            Measured(-0.5, -0.6, -0.4, 9, Evidence.OTHER_MODEL, "nine seeds", model="mine"),
        ]
        claim = Claim(
            id="T1", statement="The slope is negative.", source="section 1", quantity="slope",
            region=Region(high=0.0), models=("Model 7B",),
            decided_by=frozenset({Evidence.THEORY, Evidence.PAPER_MODEL}),
            test=lambda scores, evidence: measured,
        )
        claims.write(output.claims, [claim], None, None)
        figures.use_style()
        figure, axes = plt.subplots()
        axes.plot([0, 1], [0, -1])
        figures.save(figure, output.figure)


rule tiny:
    input:
        rules.tiny_claims.output,


rule models:
    input:
        [],


def checkpoint(models, name):
    return name


def study_outputs(wildcards):
    return rules.tiny.input


def reply_tables(study, name):
    return []


include: "rules/publish.smk"
"""


def tree(folder):
    """The real publishing rules, with one tiny study in place of the real ones."""
    for part in ("workflow_scripts", "resources", "schemas"):
        (folder / part).symlink_to(ROOT / part)
    # ROOT is derived from the path of the modules, so the modules are copied.
    (folder / "workflow_scripts").unlink()
    keep_out = shutil.ignore_patterns("__pycache__")
    for part in ("shared", "publish", "models", "inference"):
        shutil.copytree(
            ROOT / "workflow_scripts" / part, folder / "workflow_scripts" / part, ignore=keep_out
        )
    (folder / "envs").mkdir()
    (folder / "envs" / "publish.yaml").write_text("dependencies: []\n")  # recorded, never used
    (folder / "rules").mkdir()
    shutil.copy(ROOT / "rules" / "publish.smk", folder / "rules")
    config = {
        "scale": "test scale",
        "seed": 1,
        "studies": {"tiny": ["tiny-model", "mine"], "absent": None},
        "models": {"tiny-model": {"source": "train"}, "mine": {"source": "owner/name"}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "Snakefile").write_text(SNAKEFILE)
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tree(tmp_path_factory.mktemp("tree"))
    command = [sys.executable, "-m", "snakemake", "report", "--cores", "1", "--quiet"]
    command += ["--config", "seed=77"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    logs = "".join(log.read_text() for log in folder.glob("logs/publish_*/*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert not list((folder / "results").glob(".report*")), "a temporary file was left behind"
    return folder / "results" / "report.html"


@pytest.fixture(scope="module")
def page(report):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no `chromium` on PATH: the report is not opened")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.problems = []
        page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))

        def local_only(route):
            if route.request.url.startswith(("http:", "https:")):
                page.problems.append(f"asks the network for {route.request.url}")
                route.abort()
            else:
                route.continue_()

        page.route("**/*", local_only)
        page.goto(report.as_uri())
        yield page
        browser.close()


@pytest.mark.slow
def test_report_opens_with_the_picture_and_the_scorecard_and_the_config_as_used(page):
    page.get_by_text("1. Claims by model").wait_for()
    text = page.inner_text("body")
    menu = text[text.index("RESULTS") :].split("\n")[1:5]
    assert menu == ["1. Claims by model", "2. Scorecard", "3. Model pages", "tiny"]
    assert "absent" not in text
    assert "at scale test scale, with seed 77" in " ".join(text.split())
    assert page.problems == []


@pytest.mark.slow
def test_scorecard_and_figure_load_from_inside_the_report(page, report):
    page.get_by_text("2. Scorecard").click()
    page.get_by_text("every claim, published beside measured").wait_for()
    inside = page.evaluate("Object.values(results).map(r => [r.name, r.data_uri.slice(0, 15)])")
    kinds = {name: uri for name, uri in inside}
    assert kinds["scorecard.html"] == "data:text/html;"
    assert kinds["line.png"] == kinds["answers.png"] == "data:image/png;"
    size = page.evaluate(
        """async () => {
            const image = new Image();
            image.src = Object.values(results).find(r => r.name === "line.png").data_uri;
            await image.decode();
            return image.naturalWidth;
        }"""
    )
    assert size > 100
    page.locator("tr", has_text="published beside measured").locator("a").first.click()
    scorecard = page.frame_locator("iframe")
    scorecard.get_by_role("heading", name="Scorecard").wait_for()
    assert scorecard.locator("#claims tbody tr").count() == 3
    page.screenshot(path=report.with_name("report.png"))
    assert page.problems == []


@pytest.mark.slow
def test_scorecard_searches_filters_and_sorts(page, report):
    page.goto(report.with_name("scorecard.html").as_uri())
    rows = page.locator("#claims tbody tr")
    assert rows.count() == 3
    assert "Studies that are not part of this run: absent." in page.inner_text("body")
    page.fill("#search", "tiny-model")
    assert page.locator("#claims tbody tr:visible").count() == 1
    page.fill("#search", "")
    page.select_option("#verdict", "supported")
    assert page.locator("#claims tbody tr:visible").count() == 1
    page.select_option("#verdict", "")
    heading = page.locator("#claims th").nth(4)
    heading.click()
    assert rows.first.get_attribute("data-verdict") == "not tested"
    heading.click()
    assert rows.first.get_attribute("data-verdict") == "supported"
    assert page.problems == []
