"""Scores and claims on synthetic tables: what is measured, and what can be decided."""

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.shared import claims as shared
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared.claims import Evidence, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.statistics import Interval
from workflow_scripts.softmax import claims, scores, theory

PUBLISHED = ROOT / "resources/published"
TABLE = PUBLISHED / "softmax_table1_max_retrieval.csv"
SPREAD = PUBLISHED / "softmax_logit_spread.csv"
SIZES = (16, 1024, 16384)


def synthetic(accuracy_at_16: float, gains: tuple[float, float, float]) -> pd.DataFrame:
    """A table of 10 heads as `evaluate` writes it."""
    rows = []
    for seed in range(10):
        wobble = 0.001 * (seed - 4.5)
        for items, base, gain in zip(SIZES, (accuracy_at_16, 0.5, 0.12), gains, strict=True):
            key = {"normaliser": "softmax", "items": items, "seed": seed, "n": 1000}
            for way, right in (("trained", base), ("published", base + gain * (1 + wobble))):
                for metric, value in (
                    ("accuracy", right + wobble),
                    ("max_weight", 20.0 / (items + 4)),
                    ("largest_item_weight", 16.0 / items),
                    ("entropy_nats", np.log(items) - 0.5),
                    ("bound_violations", 0.0),
                ):
                    rows.append(key | {"inference": way, "metric": metric, "value": value})
            spread = {"inference": "trained", "metric": "domain_spread_to_bound", "value": 0.4}
            rows.append(key | spread)
    return pd.DataFrame(rows)


def table(frame: pd.DataFrame) -> pd.DataFrame:
    rows: list[shared_scores.Row] = [
        *scores.pooled(frame, "E1"),
        *scores.differences(frame, "E1", "inference", "trained"),
        *scores.slopes(frame, "E1"),
        shared_scores.exact("E1", "training_steps", 1000, 1, units="trainings"),
        shared_scores.exact("S5", "window_high_nats", 5.9445, 1, units="cases"),
    ]
    return shared_scores.table([rows], scores.CONDITIONS, whole=["items"])


def judged(name: str, frame: pd.DataFrame) -> dict:
    claim = next(claim for claim in claims.all_claims(TABLE, SPREAD) if claim.id == name)
    return shared.judge(claim, table(frame), lambda _: Evidence.STAND_IN)[0]


def test_published_numbers_come_from_the_files():
    found = {claim.id: claim.published for claim in claims.all_claims(TABLE, SPREAD)}
    assert found["S6b"].value == 3.9
    assert found["S6c"].value == 0.0
    assert found["S9a"].value == 5.69
    assert {int(name[1:].rstrip("abcd")) for name in found} == set(range(1, 12))


def test_paired_differences_agree_with_scipy():
    from scipy import stats

    frame = synthetic(0.99, (0.0, 0.04, 0.01))
    rows = pd.DataFrame(scores.differences(frame, "E1", "inference", "trained"))
    at = rows[rows["items"] == 1024].set_index("metric")["value"]
    wide = frame[(frame["metric"] == "accuracy") & (frame["items"] == 1024)].pivot(
        index="seed", columns="inference", values="value"
    )
    expected = stats.ttest_rel(wide["published"], wide["trained"])
    assert at["paired_t_p"] == pytest.approx(expected.pvalue)
    assert at["accuracy_gain_over_trained"] == pytest.approx(0.04)
    assert at["paired_t_p_holm"] >= at["paired_t_p"]


def test_well_trained_heads_decide_the_gain():
    frame = synthetic(0.99, (0.0, 0.04, 0.01))
    assert judged("S6a", frame)["verdict"] == Verdict.SUPPORTED
    assert judged("S6b", frame)["measured"]["value"] == pytest.approx(4.0)
    assert judged("S6c", frame)["verdict"] == Verdict.SUPPORTED


def test_no_gain_at_one_size_contradicts():
    entry = judged("S6a", synthetic(0.99, (0.0, 0.04, 0.0)))
    assert entry["verdict"] == Verdict.CONTRADICTED
    assert "16384 items" in entry["measured"]["note"]


def test_less_trained_heads_do_not_decide_the_gain():
    entry = judged("S6a", synthetic(0.95, (0.0, 0.04, 0.0)))
    assert entry["reading"] == Verdict.CONTRADICTED
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "95.0 % at 16 items, the paper's 98.6 %" in entry["reason"]


def test_no_op_past_the_window():
    assert judged("S6d", synthetic(0.95, (0.0, 0.04, 0.0)))["verdict"] == Verdict.SUPPORTED
    assert judged("S6d", synthetic(0.95, (0.0, 0.04, 0.02)))["verdict"] == Verdict.CONTRADICTED


def test_the_slope_decides_dispersion():
    frame = synthetic(0.95, (0.0, 0.04, 0.0))
    assert judged("S2", frame)["verdict"] == Verdict.SUPPORTED
    sharp = frame.assign(value=frame["value"].where(frame["metric"] != "max_weight", 1.0))
    assert judged("S2", sharp)["verdict"] == Verdict.CONTRADICTED


def test_stand_ins_never_decide_the_spread_of_gemma():
    spread = Interval(5.0, 4.9, 5.1, 12)
    row = shared_scores.interval("E5", "logit_spread_mean", spread, units="heads", model="tiny")
    rows = shared_scores.table([[row]], scores.CONDITIONS)
    claim = next(claim for claim in claims.all_claims(TABLE, SPREAD) if claim.id == "S9a")
    stand_in = shared.judge(claim, rows, lambda _: Evidence.STAND_IN)[0]
    assert (stand_in["reading"], stand_in["verdict"]) == (Verdict.SUPPORTED, Verdict.NOT_TESTED)
    assert shared.judge(claim, rows, lambda _: Evidence.PAPER_MODEL)[0]["verdict"] == "supported"


def test_theory_holds_and_a_broken_bound_would_show(monkeypatch):
    rng = np.random.default_rng(0)
    values = {row["metric"]: row["value"] for row in theory.bounds(rng, 20, [2, 8, 64])}
    assert values.pop("tightest_maximum_relative_error") < 1e-9
    assert set(values.values()) == {0.0}
    real = theory.dispersion.bounds
    monkeypatch.setattr(theory.dispersion, "bounds", lambda n, d, t: real(n, 0.9 * d, t))
    values = {row["metric"]: row["value"] for row in theory.bounds(rng, 20, [2, 8, 64])}
    assert values["bound_violations"] > 0
