"""Rounds that end: on a small model, and on samplers whose distance is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.inference import tiny
from tests.stochasticity.verdicts import drawn, favourite
from workflow_scripts.inference import engines, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import tables
from workflow_scripts.stochasticity import asking, requests, stopping, stopping_scores, targets

SETTINGS = {
    "targets": ["digit"],
    "tolerance": 0.1,
    "level": 0.05,
    "step": 16,
    "most": 64,
    "power": 0.9,
    "plan_for": [0.0, 0.4],
}
ASKED = {"kind": "embedded", "thinks": False, "reply_tokens": 4}


def test_without_stopping_the_requests_are_as_before():
    manner = asking.Manner(ASKED)
    own = {"external_maps": [], "self_made_maps": []}
    own["discrete"] = {"bernoulli_percent": [50], "categorical_percent": []}
    plain = list(requests.every(manner, own, {}, 16, 1))
    assert list(requests.every(manner, own | {"stopping": None}, {}, 16, 1)) == plain
    stopped = list(requests.every(manner, own | {"stopping": SETTINGS}, {}, 16, 1))
    assert stopped == [each for each in plain if each["experiment"] != "S1"]


def test_rounds_of_a_small_model_stop_and_share_the_draws_of_s1(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = tiny.save(tmp_path / "model")
    arguments = ["tiny", tiny.SPEC, str(checkpoint), 4096]
    stopping.main("rounds.parquet", *arguments, SETTINGS, ASKED, 1)
    found = tables.read("rounds.parquet", stopping_scores.ROUNDS)
    rounds = found[found["part"] == "asked"]
    assert rounds["draws"].tolist() == list(range(16, 16 * len(rounds) + 1, 16))
    assert (rounds["decision"].iloc[:-1] == stopping.OPEN).all()
    assert rounds["decision"].iloc[-1] != stopping.OPEN or len(rounds) == 4
    # A run without stopping finds the draws in the store.
    engine = engines.load("tiny", tiny.SPEC, str(checkpoint))
    manner = asking.Manner(ASKED)
    every = requests.styles(manner, int(rounds["draws"].iloc[-1]), 1)
    plain = [each for each in every if (each["experiment"], each["target"]) == ("S1", "digit")]
    monkeypatch.setattr(engine, "run", lambda tasks: pytest.fail("a draw was asked for again"))
    runner.generate(inference.table(plain), engine, runner.store_of(engine))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_the_interval_holds_at_all_times(share):
    """60 samplers, looked at after every 50 draws: it ever misses the truth in few of them."""
    target = targets.of("digit")
    truth = target.probabilities * (1 - share) + share * np.eye(10)[7]
    far = 0.5 * np.abs(truth - target.probabilities).sum()
    missed = 0
    for seed in range(60):
        values = favourite(np.random.default_rng(seed), 300, share)
        test = stopping.test_of("digit", SETTINGS)
        ends = np.array([test.interval(target.counts(values[:n])) for n in range(50, 301, 50)])
        missed += bool(((ends[:, 0] > far + 1e-6) | (ends[:, 1] < far - 1e-6)).any())
    assert missed <= stats.binom.ppf(0.999, 60, 0.05)


def test_decision_and_interval_agree():
    rng = np.random.default_rng(2)
    for share, n in ((0.5, 100), (0.0, 3000), (0.1, 300)):
        table = drawn("S1", "digit", favourite(rng, n, share))
        row = stopping.of_draws("digit", table, SETTINGS)
        inside = row["low"] < SETTINGS["tolerance"] < row["high"]
        assert (row["decision"] == stopping.OPEN) == inside
        assert row["read"] == n
    assert [share > 0 for share in (row["low"], row["high"])] == [False, True]


def test_unread_draws_count_as_asked_and_decide_nothing():
    row = stopping.of_draws("digit", drawn("S1", "digit", np.full(50, np.nan)), SETTINGS)
    assert row["read"] == 0
    assert row["decision"] == stopping.OPEN
    rounds = pd.DataFrame([row | {"model": "large", "draws": 50}])
    rounds = stopping_scores.ROUNDS.validate(
        rounds.reindex(columns=list(stopping_scores.ROUNDS.columns))
    )
    metrics = {each["metric"]: each["value"] for each in stopping_scores.round_scores(rounds, 1000)}
    assert metrics == {"failure_rate": 1.0, "draws_saved": 0.95}


def test_a_plan_says_how_many_draws_would_decide():
    rows = stopping.planned(SETTINGS | {"most": 2048, "step": 64}, "large", 1)
    assert [(each["truth"], each["decision"]) for each in rows] == [(0.0, "near"), (0.4, "far")]
    assert rows[0]["draws"] > rows[1]["draws"] > 0
