"""Claims: every claim of the paper, the published numbers, and which models decide them."""

import numpy as np
import pandas as pd
import pytest

from tests.change_of_mind import made, verdicts
from workflow_scripts.change_of_mind import claims, measurements, metrics, resample
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared.claims import ModelEvidence, Verdict

SPECS = {
    "12b": {"source": "/m", "paper_model_of": {"change_of_mind": "Gemma 3 12B"}},
    "27b": {"source": "/m", "paper_model_of": {"change_of_mind": "Gemma 3 27B"}},
    "small": {"source": "train"},
}


def built(difficult=(), choices=(), **settings):
    closer = {name: name in difficult for name in SPECS}
    taken = dict.fromkeys(SPECS, "logprobs") | dict(choices)
    return claims.all_claims(verdicts.PUBLISHED, SPECS, verdicts.SETTINGS | settings, closer, taken)


def row(metric, value, low, high, **where):
    base = {"experiment": "E1", "display": "", "advice": "", "accuracy": "all", "bin": ""}
    base |= {"variant": "", "parameter": "", "model": "12b", "n": 100, "metric": metric}
    base |= {"seed": None, "units": "places", "exact": False, "note": ""}
    return base | where | {"value": value, "ci_low": low, "ci_high": high}


def entries(number, *rows, **settings):
    claim = next(claim for claim in built(**settings) if claim.id == number)
    return shared.judge(claim, pd.DataFrame(rows), ModelEvidence(SPECS, "change_of_mind"))


def judged(number, *rows, **settings):
    return entries(number, *rows, **settings)[0]


def test_every_claim_of_the_paper_has_an_entry():
    names = [claim.id for claim in built()]
    assert len(names) == len(set(names))
    numbers = {name.split("-")[0].rstrip("abcdef") for name in names if name[0] != "E"}
    assert {int(number) for number in numbers} == set(range(1, 13))
    assert {"E2", "E4"} <= set(names)


def test_published_numbers_come_from_the_files():
    found = {claim.id: claim.published.value for claim in built() if claim.published}
    assert found["1a"] == pytest.approx(0.194)
    assert (found["1b"], found["1b-GPT-4o"]) == (-3.4, -1.32)
    assert found["1c"] == 0.29
    assert found["4"] == 0.21
    assert found["4-27B"].startswith("0.18 ")
    assert found["5"] == pytest.approx(-0.019)
    ratios = [float(found[name].split()[0]) for name in ("6a", "6b", "6a-27B", "6a-GPT-4o")]
    assert ratios == [2.58, 1.095, 3.4, 2.44]
    assert found["8b"] == pytest.approx(0.19)
    assert found["10a"] == 2649
    assert found["10b"] == 0.97
    assert [found[f"11a-{model}"] for model in ("27B", "GPT-4o", "o1")] == [0.167, 0.153, 0.245]
    assert found["E2"] == pytest.approx(0.657)


def test_every_published_oucs_is_a_claim_that_its_own_value_supports():
    found = [claim for claim in built() if claim.id.startswith("9")]
    assert len(found) == 18
    for claim in found:
        value = claim.published.value
        assert claim.region.reading(value, value) == Verdict.SUPPORTED
    cells = {claim.id: claim.published.value for claim in found}
    assert [cells[f"9{letter}"] for letter in "abcdef"] == [0.001, 0.21, -0.3, 0.051, 0.09, 0.086]
    assert (cells["9a-27B"], cells["9f-GPT-4o"]) == (-0.079, -0.25)


def test_a_published_number_is_decided_by_its_own_model():
    gap = [row("change_rate_gap", 0.2, 0.1, 0.3, advice="all", model=name) for name in SPECS]
    main = {entry["measured"]["model"]: entry for entry in entries("1a", *gap)}
    assert main["12b"]["verdict"] == Verdict.SUPPORTED
    assert main["27b"]["verdict"] == Verdict.NOT_TESTED
    assert "about Gemma 3 12B" in main["27b"]["reason"]
    (larger,) = entries("11a-27B", *gap)
    assert (larger["measured"]["model"], larger["verdict"]) == ("27b", Verdict.SUPPORTED)
    (absent,) = entries("11a-GPT-4o", *gap)
    assert absent["reason"] == "GPT-4o is not measured in this run"


@pytest.mark.parametrize(
    ("number", "wanted", "settings", "difference"),
    [
        ("1a", {}, {"temperature": 0.5}, "temperature 0.5, not 1"),
        ("1a", {}, {"accuracies": [50, 100]}, "stated accuracies 50, 100, not 50, 60"),
        ("1a", {}, {"foils": verdicts.SETTINGS["foils"] | {"offset": 0.25}}, "foils 0.25, not 0.5"),
        ("1a", {}, {"difficult": ["12b"]}, "foils 0.0625, not 0.5"),
        (
            "10b",
            {"metric": "r2_cells", "experiment": "E6", "variant": "D"},
            {"files": {"four_options": None, "transfer": None}},
            "task questions of our own, not GSM-MC file",
        ),
    ],
)
def test_a_papers_model_that_was_asked_differently_counts_as_another_model(
    number, wanted, settings, difference
):
    where = {"metric": "change_rate_gap", "advice": "all"} | wanted
    gap = row(value=0.95, low=0.94, high=0.96, **where)
    assert judged(number, gap)["verdict"] == Verdict.SUPPORTED
    entry = judged(number, gap, **settings)
    assert (entry["verdict"], entry["answer"]) == (Verdict.NOT_TESTED, "holds")
    assert difference in entry["measured"]["note"]


@pytest.mark.parametrize(("rate", "says"), [(0.0, "never changes"), (1.0, "always changes")])
def test_two_arms_at_a_limit_leave_the_difference_unmeasured(rate, says):
    arms = [
        row("change_rate", rate, None, None, experiment="E3", display=display, advice="all")
        for display in ("hidden", "shown")
    ]
    gap = row("change_rate_gap", 0.0, -0.02, 0.02, experiment="E3", advice="all")
    assert judged("5", gap)["verdict"] == Verdict.SUPPORTED
    entry = judged("5", gap, *arms)
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert says in entry["reason"]
    moved = arms[0] | {"value": 0.5}
    assert judged("5", gap, moved, arms[1])["verdict"] == Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.3, "supported"), (-0.1, 0.3, "inconclusive"), (-0.3, -0.1, "contradicted")],
)
def test_the_interval_decides_for_a_papers_model(low, high, verdict):
    gap = row("change_rate_gap", (low + high) / 2, low, high, advice="all")
    assert judged("1a", gap)["verdict"] == verdict
    stand_in = judged("1a", gap | {"model": "small"})
    assert stand_in["verdict"] == Verdict.NOT_TESTED
    assert stand_in["reading"] == verdict


def test_no_bias_reads_as_no_bias():
    """What the ideal answerer gives: no gain, unit weights, OUCS of 0."""
    gain = row("confidence_gain", 0, None, None, advice="neutral")
    assert judged("4", gain)["verdict"] == Verdict.INCONCLUSIVE
    weight = {"display": "hidden", "advice": "opposite"}
    assert judged("6a", row("advice_weight", 1.0, 0.9, 1.1, **weight))["verdict"] == (
        Verdict.CONTRADICTED
    )
    calm = {"display": "hidden", "advice": "neutral"}
    assert judged("9a", row("oucs", 0, -0.01, 0.01, **calm))["verdict"] == Verdict.SUPPORTED
    shown = {"display": "shown", "advice": "neutral"}
    assert judged("9b", row("oucs", 0, -0.01, 0.01, **shown))["verdict"] == Verdict.CONTRADICTED
    other = row("change_rate_gap", 0.0, -0.02, 0.02, experiment="E3", advice="all")
    assert judged("5", other)["verdict"] == Verdict.SUPPORTED


def weighed(own, questions, calibration, draws, seed):
    """Readings of claims 6a to 6c, and the scores, for an answerer with parameters `own`."""
    given, fitted = made.hidden_trials(own, questions, calibration, draws, seed)
    rng = np.random.default_rng(seed)
    rows = list(resample.estimate("E1", given, fitted, [(metrics.advice_weights, rng)]))
    frame = pd.DataFrame(rows).assign(model="12b", seed=None, variant="", parameter="", note="")
    evidence = ModelEvidence(SPECS, "change_of_mind")
    readings = [shared.judge(claim, frame, evidence)[0]["reading"] for claim in ON_WEIGHTS]
    return readings, frame.set_index(["metric", "advice"])


ON_WEIGHTS = [claim for claim in built() if claim.id in ("6a", "6b", "6c")]
WEIGHTS = {
    "same_weight": ("advice_weight", "same"),
    "opposite_weight": ("advice_weight", "opposite"),
}


def test_noise_without_bias_reads_as_no_bias():
    readings, found = weighed(made.ANSWERERS["noisy"], 600, 3000, 60, 1)
    assert readings == [Verdict.CONTRADICTED, Verdict.SUPPORTED, Verdict.CONTRADICTED]
    for key in WEIGHTS.values():
        assert found.loc[key, "ci_low"] < 1 < found.loc[key, "ci_high"]


def test_a_biased_answerer_is_found_and_its_weights_come_back():
    readings, found = weighed(made.BIASED, 600, 3000, 60, 1)
    assert (readings[0], readings[2]) == (Verdict.SUPPORTED, Verdict.SUPPORTED)
    for parameter, key in WEIGHTS.items():
        row = found.loc[key]
        assert row["ci_low"] < made.BIASED[parameter] < row["ci_high"]
        assert row["ci_high"] - row["ci_low"] < 0.2 * made.BIASED[parameter]


@pytest.mark.slow
def test_small_samples_seldom_find_a_bias_in_noise():
    """At the nominal rate, one of 40 intervals lies above the truth; the margin allows fewer."""
    readings = [weighed(made.ANSWERERS["noisy"], 60, 240, 40, seed)[0] for seed in range(20)]
    assert sum(found[0] == Verdict.SUPPORTED for found in readings) <= 1
    assert sum(found[2] == Verdict.SUPPORTED for found in readings) <= 1
    biased = [weighed(made.BIASED, 60, 240, 40, seed)[0] for seed in range(20)]
    assert sum(found[0] == Verdict.SUPPORTED for found in biased) >= 18
    assert sum(found[2] == Verdict.SUPPORTED for found in biased) >= 18


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
    entry = judged("E4", gap)
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "contradict each other" in entry["reason"]
    use = row("advice_use", 0, -0.01, 0.01, experiment="E7", display="hidden")
    assert "about DeepSeek R1 distilled 7B" in judged("11b", use)["reason"]


def test_options_taken_in_another_way_than_the_papers_decide_nothing():
    found = row("change_rate_gap", 0.2, 0.15, 0.25, advice="all", accuracy="all")
    assert judged("1a", found)["verdict"] == Verdict.SUPPORTED
    for choices, told in (
        ("first_token", "alternatives to the first token"),
        ("sampled", "sampled"),
    ):
        claim = next(c for c in built(choices={"12b": choices}) if c.id == "1a")
        entry = shared.judge(claim, pd.DataFrame([found]), ModelEvidence(SPECS, "change_of_mind"))[
            0
        ]
        assert entry["verdict"] != Verdict.SUPPORTED
        assert told in str(entry)
        assert f"options {choices}, not logprobs" in str(entry)


@pytest.mark.parametrize(
    ("name", "choices", "same"),
    [
        ("GPT-4o", "first_token", True),
        ("GPT-4o", "logprobs", True),
        ("GPT-4o", "sampled", False),
        ("o1-preview", "sampled", True),
        ("o1-preview", "first_token", False),
        ("Gemma 3 27B", "first_token", False),
    ],
)
def test_which_ways_are_the_papers_own(name, choices, same):
    known = claims.read_tables(verdicts.PUBLISHED)
    difficult = {"m": name in ("GPT-4o", "o1-preview")}
    protocol = measurements.Protocol(verdicts.SETTINGS, difficult, {"m": choices}, known)
    assert (protocol.differs("m", name, "E1") is None) == same
