"""The report of a small real run, opened in headless Chromium with no network."""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
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
    output:
        scores="results/tiny/scores.parquet",
    run:
        from workflow_scripts.shared import schemas, scores, tables

        place = {"experiment": "E1", "units": "seeds"}
        rows = [
            scores.number(metric="slope", value=value, n=4, model=model, **place)
            for model, value in (("theory", -1.0), ("tiny-model", -0.9), ("mine", -0.5))
        ]
        rows.append(scores.share("E1", "failure_rate", 1, 8, units="replies", model="mine"))
        tables.write(scores.table([rows], []), output.scores, schemas.SCORES)


rule tiny_claims:
    input:
        scores="results/tiny/scores.parquet",
    output:
        claims="results/tiny/claims.json",
        figure=report("results/tiny/figures/line.png", category="tiny"),
    run:
        import matplotlib.pyplot as plt

        from workflow_scripts.shared import claims, figures, measurements, tables
        from workflow_scripts.shared.claims import Claim, Evidence, ModelEvidence, Published, Region

        def slopes(scores, evidence):
            found = []
            for model, low, high in (
                ("theory", -1.2, -0.8), ("tiny-model", -1.1, -0.7), ("mine", 0.4, 0.6)
            ):
                row = measurements.select(
                    scores, seeds="pooled", undefined="drop", metric="slope", model=model
                ).iloc[0].copy()
                row["value"], row["ci_low"], row["ci_high"] = (low + high) / 2, low, high
                kind = Evidence.THEORY if model == "theory" else evidence(model)
                named = None if model == "theory" else model
                found.append(measurements.measured(row, kind, "four seeds", model=named))
            return found

        claim = Claim(
            id="T1", statement="The slope is negative.", source="section 1", quantity="slope",
            region=Region(high=0.0), models=("Model 7B",),
            decided_by=frozenset({Evidence.THEORY, Evidence.PAPER_MODEL}),
            published=Published(-2.0, "published", "table 1"), test=slopes,
        )
        other = Claim(
            id="T2", statement="Nobody measured this.", source="section 2", quantity="none",
            region=Region(), decided_by=frozenset({Evidence.THEORY}),
            test=lambda scores, evidence: [],
        )
        claims.write(
            output.claims, [claim, other], tables.read(input.scores),
            ModelEvidence(config["models"], "tiny"), figures={"line": ("T1",)},
        )
        figures.use_style()
        figure, axes = plt.subplots()
        axes.plot([0, 1], [0, -1])
        figures.save(figure, output.figure)


rule tiny_replies:
    output:
        "results/tiny/requests/mine.parquet",
    run:
        from workflow_scripts.shared import tables

        tables.write(pd.DataFrame({"request_id": ["a"]}), output[0])


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
    return ["results/tiny/requests/mine.parquet"]


include: "rules/publish_common.smk"
include: "rules/publish.smk"
"""


README = """# Study `tiny`

A. Nobody: *Tiny*, arXiv 0000.00000.

Does a [line](line.md) fall?

## What is run

One line.

## Notes on speed

None.
"""
REPLIES = '''"""Replies of a tiny study."""

import pandas as pd


def read(paths, asked):
    """A reply that was read, and one that was not."""
    assert paths
    both = {"experiment": "E1", "condition": asked["kind"], "prompt": "Say <b>4</b>."}
    return pd.DataFrame(
        [
            both | {"reply": "4", "read_as": "4 (right)", "failure": ""},
            both | {"reply": "four or five", "read_as": "", "failure": "two numbers"},
        ]
    )
'''


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
    (folder / "workflow_scripts/tiny").mkdir()
    (folder / "workflow_scripts/tiny/replies.py").write_text(REPLIES)
    (folder / "workflow_scripts/tiny/README.md").write_text(README)
    (folder / "envs").mkdir()
    for name in ("publish", "analysis"):  # recorded, never used
        (folder / "envs" / f"{name}.yaml").write_text("dependencies: []\n")
    (folder / "rules").mkdir()
    for name in ("publish_common.smk", "publish.smk"):
        shutil.copy(ROOT / "rules" / name, folder / "rules")
    config = {
        "scale": "test scale",
        "seed": 1,
        "studies": {"tiny": ["tiny-model", "mine"], "absent": None},
        "models": {
            "tiny-model": {"source": "train"},
            "mine": {"source": "owner/name", "kind": "base"},
        },
        "kinds": {"embedded": {}, "base": {}},
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
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no `chromium` on PATH: the report is not opened")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def opened(browser, path, **more):
    """A page that notes errors and refuses the network."""
    page = browser.new_page(**{"viewport": {"width": 1400, "height": 900}} | more)
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
    page.goto(path)
    return page


@pytest.fixture
def page(report, browser):
    page = opened(browser, report.as_uri())
    yield page
    assert page.problems == []
    page.close()


@pytest.mark.slow
def test_the_first_page_says_what_ran_what_was_found_and_where_it_is_weak(page):
    text = " ".join(page.inner_text("#overview").split())
    assert page.locator("main > section:visible").count() == 1
    for said in (
        "experiments of 1 paper and compares 2 claims",
        "scale test scale",
        "seed 77",
        "stand-in, trained by this run",
        "owner/name",
        "mine in tiny: more than 10% of the replies could not be read in 1 of 1 experiments",
        "Claims without any measurement in this run: tiny 1.",
        "Studies that are not part of this run: absent.",
    ):
        assert said in text, text
    # Worst first: contradicted by nothing that decides, supported by theory.
    assert page.locator("#overview .cell").all_inner_texts()[:2] == ["+", ""]
    # The stand-in differs most from the published -2 and is left out.
    different = page.locator("#overview tbody").first.inner_text()
    assert "owner" not in different
    assert "tiny-model" not in different
    assert "mine" in different


@pytest.mark.slow
def test_a_link_to_a_claim_opens_it_with_its_trace_its_figure_and_its_replies(report, browser):
    page = opened(browser, f"{report.as_uri()}#tiny-T1")
    claim = page.locator("#tiny-T1")
    claim.get_by_text("section 1").wait_for()
    assert claim.locator(".bar:visible").count() == 3
    text = claim.inner_text()
    for said in (
        "snakemake results/tiny/claims.json --forcerun tiny_claims",
        "make why CLAIM=tiny-T1",
        "Row 0 of results/tiny/scores.parquet",
        "Row 2 of results/tiny/scores.parquet",
        "published: -2 (published)",
    ):
        assert said in text, text
    size = claim.locator(".shown img[src]").evaluate(
        "image => image.decode().then(() => image.naturalWidth)"
    )
    assert size > 100
    claim.locator(
        "a[href='#replies-tiny-mine-E1']"
    ).click()  # the second click from the number to the replies
    replies = page.locator("#replies-tiny-mine-E1")
    assert replies.is_visible()
    shown = replies.inner_text()
    assert "Say <b>4</b>." in shown
    assert "read as 4 (right)" in shown
    assert "not read: two numbers" in shown
    whole = replies.locator("a", has_text="replies/mine.parquet").get_attribute("href")
    assert len(pd.read_parquet(report.parent / whole)) == 2
    page.go_back()
    assert claim.is_visible()
    assert page.problems == []


@pytest.mark.slow
def test_the_scorecard_searches_filters_and_sorts_without_a_mouse(page):
    page.goto(page.url + "#scorecard")
    visible = page.locator(".claim:visible")
    assert visible.count() == 2
    page.fill("#search", "nobody measured")
    assert visible.count() == 1
    page.locator("#clear").press("Enter")
    assert visible.count() == 2
    for name, value, left in (
        ("model", "mine", 1),
        ("evidence", "theory", 1),
        ("verdict", "not tested", 2),
        ("study", "tiny", 2),
    ):
        page.select_option(f"[data-of={name}]", value)
        assert visible.count() == left, name
        page.locator("#clear").click()
    # Filters hold for one and the same measurement.
    page.select_option("[data-of=model]", "mine")
    page.select_option("[data-of=verdict]", "supported")
    assert visible.count() == 0
    assert page.inner_text("#count") == "0 of 2 claims"
    page.locator("#clear").click()
    page.select_option("#order", "distance")
    assert page.locator(".claim").first.get_attribute("id") == "tiny-T1"
    summary = page.locator("#tiny-T2 summary").first
    summary.focus()
    summary.press("Enter")
    assert page.locator("#tiny-T2 .more").is_visible()


@pytest.mark.slow
def test_a_study_has_its_question_its_figure_and_the_claims_beside_it(page):
    page.locator("header a", has_text="Studies").click()
    page.locator("#studies a", has_text="tiny").click()
    study = page.locator("#study-tiny")
    text = study.inner_text()
    assert "Does a line fall?" in text
    assert "Notes on speed" not in text
    figure = study.locator("#figure-tiny-line")
    assert "The slope is negative." in figure.inner_text()
    assert study.locator("a[href$='line.md']").count() == 0
    loaded = figure.locator("img").evaluate(
        "image => image.decode().then(() => image.naturalWidth)"
    )
    assert loaded > 100


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(report, browser, scheme):
    phone = {"viewport": {"width": 390, "height": 800}, "color_scheme": scheme}
    page = opened(browser, report.as_uri(), **phone)
    for name in ("overview", "tiny-T1", "study-tiny", "replies", "replies-tiny-mine-E1", "made"):
        page.goto(f"{report.as_uri()}#{name}")
        page.wait_for_timeout(50)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390, name
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")
    assert page.problems == []


@pytest.mark.slow
def test_it_prints_the_overview_the_scorecard_and_the_studies(report, browser):
    page = opened(browser, report.as_uri())
    page.emulate_media(media="print")
    assert page.locator("#scorecard").is_visible()
    assert page.locator("#study-tiny figure").is_visible()
    assert not page.locator("header").is_visible()
    assert not page.locator("#replies").is_visible()
    assert page.pdf().startswith(b"%PDF")
    assert page.problems == []


@pytest.mark.slow
def test_snakemake_s_own_report_lies_beside_it(report, browser):
    page = opened(browser, report.with_name("provenance.html").as_uri())
    page.get_by_text("at scale").first.wait_for()
    assert "at scale test scale, with seed 77" in " ".join(page.inner_text("body").split())
    assert page.problems == []
