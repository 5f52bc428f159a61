"""The whole workflow at smoke scale: killed during the run, run again, and then up to date."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.end_to_end import project, reference
from tests.end_to_end.conftest import SMOKE
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.schemas import SCORES

STUDIES = list(yaml.safe_load((ROOT / "config.yaml").read_text())["studies"])
# One worker for the module: its tests share one run of the workflow.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("smoke")]


def test_each_study_leaves_scores_claims_and_figures(run):
    for study in STUDIES:
        scores = tables.read(run / "results" / study / "scores.parquet", SCORES)
        assert len(scores) > 10
        figures = sorted((run / "results" / study / "figures").glob("*.png"))
        assert figures
        assert all(path.with_suffix(".pdf").stat().st_size > 1000 for path in figures)


def test_every_claim_stands_in_the_scorecard_with_its_scale(run):
    scorecard = pd.read_parquet(run / "results/scorecard.parquet")
    assert set(scorecard["scale"]) == {"smoke"}
    assert set(scorecard["study"]) == set(STUDIES)
    markdown = (run / "results/scorecard.md").read_text()
    for row in scorecard.itertuples():
        kind = "" if row.kind == "claim" else f" *{row.kind}*:"
        assert f"**{row.id}**{kind} {row.statement}" in markdown.replace(r"\|", "|")
    untested = scorecard[scorecard["verdict"] == "not tested"]
    assert untested["reason"].str.len().gt(10).all()
    page = (ROOT / "docs/scorecard.md").read_text()
    assert all(f"| {tag} |" in page for tag in set(scorecard["published_tag"].dropna()))
    # A stand-in decides nothing about the papers' models.
    stand_ins = scorecard[scorecard["evidence"] == "stand-in model"]
    named = stand_ins[stand_ins["verdict"] != "not tested"]
    assert not named["statement"].str.contains("Gemma|Qwen|GPT|OLMo").any()


def test_the_claims_measure_what_they_did_before(run):
    """Up to rounding. For intended changes: python -m tests.end_to_end.reference."""
    machine, before = reference.read()
    if machine != reference.made_on():
        pytest.skip(f"the stored measurements come from another machine: {machine}")
    now = reference.measured(run / "results")
    pd.testing.assert_frame_equal(now, before, check_dtype=False, rtol=1e-4, atol=1e-9)


def test_the_report_holds_every_figure_and_nothing_from_outside(run):
    text = (run / "results/report.html").read_text()
    for figure in run.glob("results/*/figures/*.png"):
        assert f'id="figure-{figure.parts[-3]}-{figure.stem}"' in text
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="https?://', text)
    assert "<title>" in (run / "results/provenance.html").read_text()


def test_every_claim_traces_to_rows_that_hold_its_number(run):
    for path in run.glob("results/*/claims.json"):
        scores = pd.read_parquet(path.with_name("scores.parquet"))
        for entry in json.loads(path.read_text())["claims"]:
            trace, found = entry["trace"], entry["measured"]
            assert trace["code"], entry["id"]
            for name in trace["figures"]:
                assert path.with_name("figures").joinpath(f"{name}.png").exists()
            numbers = [row for a, b in trace["rows"] for row in range(a, b + 1)]
            if numbers:
                held = scores.loc[numbers]
                # Some claims are in percent, where the scores are shares.
                for factor in (1.0, 100.0):
                    if np.isclose(held["value"] * factor, found["value"], rtol=1e-6).any():
                        break
                else:
                    pytest.fail(f"{path}: {entry['id']}: {found['value']} is in no row {numbers}")
            elif found:
                assert trace["also_read"], entry["id"]


def test_every_reply_has_its_reading(run):
    """As many as the responses, and the shares that were not read as in the scores."""
    found = sorted(run.glob("results/*/replies/*.parquet"))
    assert {path.parts[-3] for path in found} == {
        "change_of_mind",
        "glasses",
        "parallel_sequential",
        "stochasticity",
    }
    for path in found:
        readings = pd.read_parquet(path)
        assert ((readings["read_as"] == "") == (readings["failure"] != "")).all(), path
        assert (readings["prompt"] != "").all()
        responses = path.parents[1] / "responses" / path.name
        if responses.exists():
            assert len(readings) == len(pd.read_parquet(responses))
    glasses = pd.read_parquet(run / "results/glasses/scores.parquet")
    stated = glasses[(glasses["metric"] == "unreadable") & (glasses["model"] == "embedded-s")]
    readings = pd.read_parquet(run / "results/glasses/replies/embedded-s.parquet")
    unread = (readings["failure"] != "").groupby(readings["experiment"]).sum()
    counted = (stated["value"] * stated["n"]).groupby(stated["experiment"]).sum().round()
    assert unread.to_dict() == counted.astype(int).to_dict()


def test_it_is_up_to_date_and_a_second_run_asks_no_model(run):
    stored = {path: path.stat().st_mtime_ns for path in run.glob("work/responses/*/*")}
    assert stored
    assert "Nothing to be done" in project.snakemake(run, *SMOKE)
    assert {path: path.stat().st_mtime_ns for path in run.glob("work/responses/*/*")} == stored


def test_lost_responses_come_from_the_store_without_a_model_call(run):
    responses = next(iter(sorted(run.glob("results/*/responses/*.parquet"))))
    before = pd.read_parquet(responses)
    stored = {path: path.stat().st_size for path in run.glob("work/responses/*/*")}
    responses.unlink()
    project.snakemake(run, str(responses.relative_to(run)), *SMOKE)
    assert {path: path.stat().st_size for path in run.glob("work/responses/*/*")} == stored
    pd.testing.assert_frame_equal(pd.read_parquet(responses), before)


def test_results_hold_no_path_of_the_machine(run):
    for path in [*run.glob("results/*/claims.json"), *run.glob("results/models/*/card.md")]:
        assert str(run) not in path.read_text()


def test_its_archive_is_whole_and_a_job_of_each_study_replays_to_the_same_bytes(run):
    project.snakemake(run, "archive", *SMOKE)
    archive = run / "results/archive/latest.zip"
    command = [sys.executable, "-m", "workflow_scripts.publish.verify", str(archive)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conforms to profile provenance-run-crate" in done.stdout
    for study in STUDIES:
        assert re.search(rf"replay +│ ok +│ results/{study}/\S+: same bytes", done.stdout), study
