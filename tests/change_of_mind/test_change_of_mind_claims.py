"""Claims: every claim of the paper, the published numbers, and which models decide them."""

import pandas as pd
import pytest

from workflow_scripts.change_of_mind import claims
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared.claims import Evidence, Verdict
from workflow_scripts.shared.fingerprint import ROOT

PUBLISHED = sorted((ROOT / "resources" / "published").glob("change_of_mind_*.csv"))


def built():
    return claims.all_claims(PUBLISHED, {"m": {}})


def row(metric, value, low, high, **where):
    base = {"experiment": "E1", "display": "", "advice": "", "accuracy": "all", "bin": ""}
    base |= {"variant": "", "parameter": "", "model": "m", "n": 100, "metric": metric}
    base |= {"seed": None, "units": "places"}
    return base | where | {"value": value, "ci_low": low, "ci_high": high}


def judged(number, *rows, evidence=Evidence.PAPER_MODEL):
    claim = next(claim for claim in built() if claim.id == number)
    return shared.judge(claim, pd.DataFrame(rows), lambda _: evidence)[0]


def test_every_claim_of_the_paper_has_an_entry():
    names = [claim.id for claim in built()]
    assert len(names) == len(set(names))
    assert {int(name.rstrip("abc")) for name in names if name[0] != "E"} == set(range(1, 13))
    assert {"E2", "E4"} <= set(names)


def test_published_numbers_come_from_the_files():
    found = {claim.id: claim.published.value for claim in built() if claim.published}
    assert found["1a"] == pytest.approx(0.194)
    assert found["1b"] == -3.4
    assert found["1c"] == 0.29
    assert found["4"] == 0.21
    assert found["5"] == pytest.approx(-0.019)
    assert (found["6a"], found["6b"]) == (2.58, 1.095)
    assert found["8b"] == pytest.approx(0.19)
    assert found["9c"] == -0.3
    assert found["10a"] == 2649
    assert found["10b"] == 0.97
    assert found["E2"] == pytest.approx(0.657)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.3, "supported"), (-0.1, 0.3, "inconclusive"), (-0.3, -0.1, "contradicted")],
)
def test_the_interval_decides_for_a_papers_model(low, high, verdict):
    gap = row("change_rate_gap", (low + high) / 2, low, high, advice="all")
    assert judged("1a", gap)["verdict"] == verdict
    stand_in = judged("1a", gap, evidence=Evidence.STAND_IN)
    assert stand_in["verdict"] == Verdict.NOT_TESTED
    assert stand_in["reading"] == verdict


def test_no_bias_reads_as_no_bias():
    """What the ideal answerer gives: zero gaps, unit ratios, OUCS of 0."""
    assert judged("4", row("confidence_gain", 0, 0, 0, advice="neutral"))["verdict"] == (
        Verdict.CONTRADICTED
    )
    ratio = {"display": "hidden", "advice": "opposite"}
    assert judged("6a", row("overweighting", 1.0, 0.98, 1.0, **ratio))["verdict"] == (
        Verdict.CONTRADICTED
    )
    calm = {"display": "hidden", "advice": "neutral"}
    assert judged("9a", row("oucs", 0, -0.01, 0.01, **calm))["verdict"] == Verdict.SUPPORTED
    other = row("change_rate_gap", 0.0, -0.02, 0.02, experiment="E3", advice="all")
    assert judged("5", other)["verdict"] == Verdict.SUPPORTED


def test_minds_hardly_change_only_if_under_both_kinds_of_advice():
    same = row("change_rate", 0.01, 0.0, 0.02, display="shown", advice="same")
    neutral = row("change_rate", 0.2, 0.15, 0.25, display="shown", advice="neutral")
    assert judged("2", same, neutral)["verdict"] == Verdict.CONTRADICTED
    assert (
        judged("2", same, neutral | {"value": 0.0, "ci_low": 0.0, "ci_high": 0.01})["verdict"]
        == Verdict.SUPPORTED
    )


def test_a_sampler_that_did_not_converge_decides_nothing():
    leads = [row("elpd_lead_of_D", 9, 5, 13, experiment="E5", variant=v) for v in "ABC"]
    assert judged("10a", *leads)["verdict"] == Verdict.SUPPORTED
    bad = row("r_hat_max", 1.4, None, None, experiment="E5", variant="B")
    assert "did not converge" in judged("10a", *leads, bad)["reason"]


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [(1, -2, 4, "inconclusive"), (-4, -6, -2, "contradicted"), (20, 15, 25, "supported")],
)
def test_d_wins_only_if_it_leads_each_rival(value, low, high, verdict):
    leads = [row("elpd_lead_of_D", 9, 5, 13, experiment="E5", variant=v) for v in "AC"]
    rival = row("elpd_lead_of_D", value, low, high, experiment="E5", variant="B")
    found = judged("10a", *leads, rival)
    assert found["verdict"] == verdict
    assert found["measured"]["value"] == min(9, value)
    assert judged("10a", *leads)["measured"] is None  # a rival is missing


def test_what_contradicts_itself_is_recorded_and_not_graded():
    gap = row("change_rate_gap", 0.1, 0.05, 0.15, experiment="E4", advice="all")
    assert judged("E4", gap)["verdict"] == Verdict.NOT_TESTED
    assert (
        judged("11b", row("advice_use", 0, -0.01, 0.01, experiment="E7", display="hidden"))[
            "verdict"
        ]
        == Verdict.NOT_TESTED
    )
