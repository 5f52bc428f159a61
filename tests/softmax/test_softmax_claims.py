"""Scores and claims on synthetic tables: what is measured, and what can be decided."""

import numpy as np
import pandas as pd
import pytest

from tests.softmax import verdicts
from tests.softmax.verdicts import MODELS, SETTINGS, SPREAD, TABLE, comparison, heads, table
from workflow_scripts.shared import adaptive_temperature, claims, statistics
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared.claims import Evidence, Kind, ModelEvidence, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.softmax import claims as ours
from workflow_scripts.softmax import scores, theory

EVIDENCE = ModelEvidence(MODELS, "softmax")
COEFFICIENTS = adaptive_temperature.published(
    ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
)


def judged(name: str, frame: pd.DataFrame, **settings: object) -> list[dict]:
    found = ours.all_claims(TABLE, SPREAD, SETTINGS | settings)
    claim = next(claim for claim in found if claim.id == name)
    return claims.judge(claim, frame, EVIDENCE)


def test_published_numbers_come_from_the_files():
    found = {claim.id: claim.published for claim in ours.all_claims(TABLE, SPREAD, SETTINGS)}
    assert found["S6b"].value == 3.9
    assert found["S6c"].value == 0.0
    assert found["S6d"].value == 1.6  # outside the claim's region: it is a misreading
    assert found["S9a"].value == 5.69
    assert {int(name[1:].rstrip("abcd")) for name in found} == set(range(1, 15))


def test_what_the_paper_does_not_test_is_no_claim_of_it():
    kinds = {claim.id: claim.kind for claim in ours.all_claims(TABLE, SPREAD, SETTINGS)}
    assert kinds["S11"] == kinds["S5b"] == Kind.EXTENSION
    assert kinds["S12"] == kinds["S13"] == kinds["S14"] == Kind.OURS
    assert kinds["S6d"] == Kind.MISREADING
    assert kinds["S6a"] == Kind.PAPER


def test_the_label_needs_every_known_setting():
    found = ours.protocols(SETTINGS)["E1"]
    assert found.evidence == Evidence.PROTOCOL
    own = SETTINGS["heads"] | {"fewest_items": 5}
    found = ours.protocols(SETTINGS | {"heads": own, "retrieval_steps": 1000})["E1"]
    assert found.evidence == Evidence.REDUCED
    assert found.reduced == "items in training 5, 16, not 16, 16; steps 1000 of 2000"


def test_paired_differences_agree_with_scipy():
    from scipy import stats

    frame = heads()
    rows = pd.DataFrame(scores.differences(frame, "E1", "inference", "trained"))
    at = rows[rows["items"] == 1024].set_index("metric")["value"]
    wide = frame[(frame["metric"] == "accuracy") & (frame["items"] == 1024)].pivot(
        index="seed", columns="inference", values="value"
    )
    expected = stats.ttest_rel(wide["published"], wide["trained"])
    assert at["paired_t_p"] == pytest.approx(expected.pvalue)
    assert at["accuracy_gain_over_trained"] == pytest.approx(0.04, abs=0.001)
    assert at["paired_t_p_holm"] >= at["paired_t_p"]


def test_a_loss_at_one_size_contradicts():
    (entry,) = judged("S6a", table(heads(gains=(0.0, 0.04, -0.02))))
    assert entry["verdict"] == Verdict.CONTRADICTED
    assert "16384 items" in entry["measured"]["note"]


def test_less_trained_heads_do_not_decide_the_gain():
    (entry,) = judged("S6a", table(heads(0.95, gains=(0.0, 0.04, -0.02))))
    assert entry["reading"] == Verdict.CONTRADICTED
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "95.0 % at 16 items, expected the paper's 98.6 %" in entry["reason"]


def test_few_heads_do_not_pass_for_trained_ones_by_a_wide_interval():
    frame = heads(0.5)
    (entry,) = judged("S6b", table(frame[frame["seed"] < 2]))
    assert "our softmax heads reach" in entry["reason"]


def test_a_reduced_protocol_decides_dispersion_and_not_table_1():
    frame = table(heads())
    assert judged("S2", frame, retrieval_steps=1000)[0]["verdict"] == Verdict.SUPPORTED
    (entry,) = judged("S6b", frame, retrieval_steps=1000)
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "steps 1000 of 2000" in entry["measured"]["note"]


def test_heads_that_never_were_sharp_do_not_lose_sharpness():
    """Attention spread evenly over 16 items falls, too, but was never on the largest item."""
    frame = heads(weight_at_16=1 / 16)
    assert judged("S7", table(frame))[0]["verdict"] == Verdict.CONTRADICTED
    (entry,) = judged("S7", table(heads(accuracy_at_16=0.2)))
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "expected 90 %" in entry["reason"]


def test_heads_that_all_gain_nothing_are_bounded_by_their_sets():
    """No set of 10 heads with 1,000 each changed. The interval was 0 points wide, then none."""
    frame = heads(gains=(0.0, 0.0, 0.0), spread=0.0)
    (entry,) = judged("S6c", table(frame))
    assert entry["verdict"] == Verdict.SUPPORTED
    assert entry["measured"]["units"] == "sets"
    assert entry["measured"]["ci_high"] == pytest.approx(100 * (1 - 0.025**1.0e-4))
    (entry,) = judged("S6a", table(frame))
    assert entry["verdict"] == Verdict.INCONCLUSIVE
    few = frame.assign(n=20)
    (entry,) = judged("S6c", table(few))
    assert entry["verdict"] == Verdict.INCONCLUSIVE


def test_ways_out_are_told_apart_and_need_trained_heads():
    (entry,) = judged("S11", comparison(Verdict.SUPPORTED))
    assert entry["measured"]["condition"] == "sparsemax"
    assert entry["verdict"] == Verdict.SUPPORTED
    frame = comparison(Verdict.SUPPORTED)
    at_16 = (frame["experiment"] == "E7") & (frame["items"] == 16)
    weak = at_16 & (frame["metric"] == "accuracy") & (frame["normaliser"] == "sparsemax")
    frame.loc[weak, ["value", "ci_low", "ci_high"]] = [0.5, 0.4, 0.6]
    (entry,) = judged("S11", frame)
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "our sparsemax heads reach 50.0 % at 16 items" in entry["reason"]


def test_each_spread_is_decided_by_its_own_model():
    spread = {
        name: shared_scores.mean(
            "E5", "logit_spread_mean", [4.9, 5.0, 5.1], units="heads", model=name
        )
        for name in MODELS
    }
    frame = shared_scores.table([list(spread.values())], scores.CONDITIONS)
    for name, decides in (("S9a", "gemma-2b"), ("S9b", "gemma-7b")):
        verdicts = {e["measured"]["model"]: e["verdict"] for e in judged(name, frame)}
        expected = dict.fromkeys(MODELS, Verdict.NOT_TESTED) | {decides: Verdict.SUPPORTED}
        assert verdicts == expected


def test_a_quartic_is_judged_on_heads_that_it_was_not_fitted_to():
    rng = np.random.default_rng(0)
    entropy = np.tile(np.linspace(1, 6, 12), 8)
    seed = np.repeat(np.arange(8), 12)
    points = pd.DataFrame({"seed": seed, "entropy_nats": entropy})
    curve = np.polyval(COEFFICIENTS, entropy)
    followed = scores.held_out_variance(points.assign(best=curve), "best", 4)
    assert followed == pytest.approx(np.ones(8))
    noise = points.assign(best=rng.normal(size=len(points)))
    assert np.mean(scores.held_out_variance(noise, "best", 4)) < 0.1
    assert scores.held_out_variance(points.assign(best=2.0), "best", 4) == []


def test_theory_holds_and_a_broken_bound_would_show(monkeypatch):
    rng = np.random.default_rng(0)
    values = {row["metric"]: row["value"] for row in theory.bounds(rng, 20, [2, 8, 64])}
    assert values.pop("tightest_maximum_relative_error") < 1e-9
    assert set(values.values()) == {0.0}
    real = theory.dispersion.bounds
    monkeypatch.setattr(theory.dispersion, "bounds", lambda n, d, t: real(n, 0.9 * d, t))
    values = {row["metric"]: row["value"] for row in theory.bounds(rng, 20, [2, 8, 64])}
    assert values["bound_violations"] > 0


def test_dispersion_is_tested_where_the_temperature_is_not_1():
    """Large uniform rows are past the window, where adaptive and plain weights are equal."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(theory.slopes(rng, 20, [2048, 8192, 32768], COEFFICIENTS))
    slope = rows[rows["metric"] == "max_weight_slope"].set_index("experiment")["value"]
    assert slope["S10"] == pytest.approx(-1.0, abs=0.01)
    largest = rows[rows["metric"] == "max_weight"].pivot(
        index="items", columns="experiment", values="value"
    )
    assert (largest["S10"] > 2 * largest["S1"]).all()
    (row,) = theory.sharpened(rng, 20, [8, 64, 256], COEFFICIENTS)
    assert row["value"] == 0
    assert row["n"] > 20  # rows that the polynomial sharpens


def test_blocks_agree_with_the_exact_form_and_the_guard_does_not():
    rows = pd.DataFrame(theory.stream(np.random.default_rng(0), 4, [16, 16384], COEFFICIENTS))
    worst = rows.pivot(index="items", columns="metric", values="value")
    assert worst["streaming_error"].max() < 1e-12
    assert 1e-6 < worst.loc[16384, "log_guard_error"] < 1e-3


def test_a_model_that_does_not_retrieve_decides_no_gain():
    frame = verdicts.adaptive("S13", Verdict.SUPPORTED)
    short = (frame["metric"] == "accuracy") & (frame["items"] == 2)
    found = statistics.proportion(5, 50)
    frame.loc[short, ["value", "ci_low", "ci_high"]] = [found.value, found.low, found.high]
    (entry,) = judged("S13", frame)
    assert entry["reading"] == Verdict.SUPPORTED
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "right in 10 % of lists of 2, which may be chance" in entry["reason"]
