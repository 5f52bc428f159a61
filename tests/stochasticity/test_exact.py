"""Exact laws of a small model, and their scores against closed forms and simulated draws."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.inference import tiny
from tests.stochasticity.verdicts import PLAIN, VENDOR, digit_laws, law_scored
from workflow_scripts.inference import requests as inference
from workflow_scripts.inference.laws import Setting
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import schemas, tables
from workflow_scripts.stochasticity import (
    asking,
    exact,
    exact_scores,
    law_table,
    requests,
    supports,
)

DECODING = {
    "temperatures": [0.6, 1.0],
    "top_ps": [0.9, 1.0],
    "recommended": {"temperature": 0.7, "top_p": 0.95, "top_k": 20},
}
DISCRETE = {"bernoulli_percent": [20], "categorical_percent": [[40, 30, 20, 10]]}
SETTINGS = {"targets": ["digit", "die"], "styles": ["plain", "formula"], "least": 1e-5}
ASKED = {"kind": "embedded", "thinks": False, "reply_tokens": 4}


def test_settings_hold_every_temperature_without_filters():
    found = exact.settings_of(DECODING)
    assert found[0] == PLAIN
    assert len(found) == len(set(found))
    assert {Setting(t, p, 0) for t in (0.6, 1.0) for p in (0.9, 1.0)} < set(found)
    assert Setting(0.7, 0.95, 20) in found
    assert {(each.temperature, 1.0, 0) for each in found} < set(found)


def test_prompts_are_those_that_the_study_samples():
    """Same words, limit and stop strings as the requests of S1, S2 and S14."""
    manner = asking.Manner(ASKED | {"kind": "base"})
    keys = ["target", "style", "messages", "max_tokens", "stop"]
    own = [tuple(each[k] for k in keys) for each in exact.prompts(manner, SETTINGS, DISCRETE)]
    sampled = [*requests.styles(manner, 8, 1), *requests.discrete(manner, DISCRETE, 8, 1)]
    other = {tuple(each[k] for k in keys) for each in sampled}
    assert len(own) == len(set(own)) == 5
    assert set(own) - other == {each for each in own if each[0] == "die"}


@pytest.fixture(scope="module")
def laws(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laws")
    checkpoint = tiny.save(folder / "model")
    path = folder / "laws.parquet"
    more = {"settings": SETTINGS, "decoding": DECODING, "discrete": DISCRETE, "asked": ASKED}
    exact.main(str(path), "tiny", tiny.SPEC, str(checkpoint), 4096, **more)
    return tables.read(path, law_table.LAWS)


def test_every_law_of_a_small_model_adds_to_one(laws):
    keys = ["target", "style", "temperature", "top_p", "top_k"]
    totals = laws.groupby(keys)["probability"].sum()
    assert len(totals) == 5 * len(exact.settings_of(DECODING))
    assert np.allclose(totals, 1, atol=1e-6)
    assert set(laws[laws["target"] == "die"]["answer"]) == {"", *"123456"}


def test_scores_of_a_small_model_fit_their_tables(laws):
    scores = law_scored(laws)
    schemas.SCORES.validate(scores)
    assert {"support_mass", "law_share", "law_tv", "law_tv_model"} <= set(scores["metric"])
    wide = scores.pivot_table(
        index=["target", "style", "temperature", "top_p", "top_k"], columns="metric", values="value"
    ).dropna()
    parts = wide["law_tv_model"] + wide["law_tv_temperature"] + wide["law_tv_filters"]
    assert np.allclose(parts, wide["law_tv"])
    assert np.allclose(wide["law_tv_decoder"], wide["law_tv"] - wide["law_tv_model"])


def one(scores, metric, **wanted):
    rows = scores[scores["metric"] == metric]
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    return rows.iloc[0]


def test_distances_and_parts_of_known_laws():
    far = {PLAIN: 0.1, (0.6, 1.0, 0): 0.25, VENDOR: 0.2}
    scores = law_scored(digit_laws(far))
    vendor = {"top_k": 20}
    assert one(scores, "law_tv", **vendor)["value"] == pytest.approx(0.2)
    assert one(scores, "law_tv_model", **vendor)["value"] == pytest.approx(0.1)
    assert one(scores, "law_tv_temperature", **vendor)["value"] == pytest.approx(0.15)
    assert one(scores, "law_tv_filters", **vendor)["value"] == pytest.approx(-0.05)
    assert one(scores, "law_tv_decoder", **vendor)["value"] == pytest.approx(0.1)
    assert scores[scores["metric"] != "law_share"]["exact"].all()


@pytest.mark.parametrize("unresolved", [0.001, 0.05])
def test_bounds_hold_wherever_the_unresolved_mass_belongs(unresolved):
    law = digit_laws({PLAIN: 0.1}, unresolved)
    row = one(law_scored(law), "law_tv")
    share = one(law_scored(law), "law_share", cell="3")
    rng = np.random.default_rng(2)
    answers = law[law["part"] == "answer"]["probability"].to_numpy()
    support = supports.of("digit")
    extremes = [*np.eye(10), np.zeros(10), *rng.dirichlet(np.full(10, 0.3), 200)]
    for spread in extremes:
        whole = answers + unresolved * spread
        whole = whole / whole.sum()
        distance = 0.5 * np.abs(whole - support.probabilities).sum()
        assert row["ci_low"] - 1e-12 <= distance <= row["ci_high"] + 1e-12
        assert share["ci_low"] - 1e-12 <= whole[3] <= share["ci_high"] + 1e-12


def replies(rng, masses, n, tokens=2):
    """Requests and responses of S1 in which the digits have the given masses, "?" the rest."""
    manner = asking.Manner(ASKED)
    fields = {"tokens": 4, "n": n, "seed": 1}
    plain = words.PROMPTS["digit"]["plain"]
    asked = inference.table([asking.direct(manner, "S1", "digit", "plain", plain, **fields)])
    drawn = rng.choice(11, size=n, p=[*masses, max(1 - sum(masses), 0.0)])
    told = pd.DataFrame({"request_id": asked["request_id"].iloc[0], "sample": range(n)})
    told["text"] = [f"{each}" if each < 10 else "?" for each in drawn]
    told["finish_reason"], told["completion_tokens"] = "stop", tokens
    return asked, told


@pytest.mark.parametrize(("far", "agrees"), [(0.1, True), (0.3, False)])
def test_draws_of_a_law_agree_with_it_and_others_do_not(far, agrees):
    law = digit_laws({PLAIN: 0.1})
    masses = digit_laws({PLAIN: far}).query("part == 'answer'")["probability"]
    asked, told = replies(np.random.default_rng(3), masses, 1000)
    rows = {row["metric"]: row for row in exact_scores.draw_scores(law, asked, told, 7)}
    assert (rows["draws_p"]["value"] > 0.001) == agrees
    assert (abs(rows["draws_excess"]["value"]) < 0.03) == agrees
    if not agrees:
        assert rows["draws_excess"]["value"] == pytest.approx(0.2, abs=0.05)
    # 1,024 draws of two tokens each, over a law of 30 tokens.
    assert rows["law_saving"]["value"] == pytest.approx(2048 / 30)


def test_replies_that_are_no_answers_are_outside():
    law = digit_laws({PLAIN: 0.0})
    asked, told = replies(np.random.default_rng(3), np.full(10, 0.05), 1000)
    rows = {row["metric"]: row for row in exact_scores.draw_scores(law, asked, told, 7)}
    assert rows["draws_p"]["value"] == 0
    assert rows["draws_excess"]["value"] == pytest.approx(0.5, abs=0.05)
    told["finish_reason"] = "length"  # cut off: no reply is an answer
    rows = {row["metric"]: row for row in exact_scores.draw_scores(law, asked, told, 7)}
    assert rows["draws_excess"]["value"] == pytest.approx(1, abs=0.05)


def test_a_model_without_draws_of_its_laws_has_no_agreement():
    law = digit_laws({PLAIN: 0.1}, target="digit", style="formula")
    asked, told = replies(np.random.default_rng(3), np.full(10, 0.1), 10)
    (row,) = exact_scores.draw_scores(law, asked, told, 7)
    assert row["value"] is None
    assert row["note"] == "no condition with draws has a law"
    assert json.loads(asked["stop"].iloc[0]) == []
