"""Claims on synthetic scores, impossible settings, and the scores of synthetic tables."""

import copy

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.perplexity.verdicts import (
    FLOOR,
    MODELS,
    PARITY,
    PUBLISHED,
    SIZES,
    asked,
    broken,
    checkpoints,
    copies,
    of_parity,
    table,
)
from workflow_scripts.perplexity import bounds, claims, config_checks, curves, scores, theory
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared.claims import Evidence, Kind, ModelEvidence, Verdict
from workflow_scripts.shared.fingerprint import ROOT

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
EVIDENCE = ModelEvidence(MODELS, "perplexity")


def judged(name: str, frame: pd.DataFrame, **parity: object) -> list[dict]:
    found = claims.all_claims(PUBLISHED, 16, PARITY | parity)
    claim = next(claim for claim in found if claim.id == name)
    return shared.judge(claim, frame, EVIDENCE)


def test_every_claim_is_there_with_its_published_number_and_kind():
    found = {claim.id: claim for claim in claims.all_claims(PUBLISHED, 16, PARITY)}
    assert {int(name[1:].rstrip("abcdef")) for name in found} == set(range(1, 14))
    near, far = found["C11a"].published, found["C11b"].published
    assert (near.value, near.tag) == (-0.94, "published")
    assert (far.value, far.tag) == (0.31, "published-2nd")
    assert found["C1b"].kind == found["C6b"].kind == Kind.ERRATUM
    assert found["C12a"].kind == Kind.EXTENSION
    assert {found[f"C13{part}"].kind for part in "abcd"} == {Kind.OURS}


def test_the_published_correlations_need_the_paper_s_steps():
    assert claims.protocols(16, PARITY).parity.evidence == Evidence.PROTOCOL
    reduced = claims.protocols(16, PARITY | {"steps": 2500}).parity
    assert reduced.evidence == Evidence.REDUCED
    assert reduced.reduced == "steps 2500, not 5000"
    (entry,) = judged("C11b", of_parity(checkpoints([0.5, 0.6, 0.7]), 2), steps=2500)
    assert (entry["reading"], entry["verdict"]) == (Verdict.SUPPORTED, Verdict.NOT_TESTED)


def test_the_paper_preset_has_enough_copiers_for_perfect_ones():
    """Probabilities of exactly 1 and 0, as after long training in float32; 5 left these open."""
    paper = yaml.safe_load((ROOT / "presets/paper.yaml").read_text())["perplexity"]
    frame = copies(least=1.0, flip=0.0)
    frame = frame[frame["seed"] < paper["copying"]["seeds"]]
    for name in ("C7b", "C7c"):
        assert Verdict.SUPPORTED in [entry["verdict"] for entry in judged(name, table(frame))]


def test_slopes_recover_the_power():
    frame = pd.DataFrame(scores.copier_curves(copies(gradient=-0.7), 16)).set_index("metric")
    assert frame.loc["slope_gradient_beta", "value"] == pytest.approx(-0.7, abs=0.05)
    assert frame.loc["slope_size_times_gradient_beta", "value"] == pytest.approx(0.3, abs=0.05)


def test_means_over_orders_of_magnitude_are_geometric():
    frame = pd.DataFrame({"encoding": "rope", "flip": "last", "size": 2, "seed": [0, 1]})
    rows = pd.DataFrame(
        scores.pooled(
            pd.concat(
                [
                    frame.assign(metric="gap", value=[1e-4, 1e-2]),
                    frame.assign(metric="beta_flip", value=[0.2, 0.4]),
                ]
            )
        )
    ).set_index("metric")
    assert rows.loc["gap", "value"] == pytest.approx(1e-3)
    assert rows.loc["beta_flip", "value"] == pytest.approx(0.3)


@pytest.mark.parametrize("name", ["C7a", "C7d"])
def test_a_curve_that_falls_and_levels_off_does_not_become_arbitrarily_close(name):
    """Its slope is negative, which once supported the claim."""
    assert judged(name, table(copies()))[0]["verdict"] == Verdict.SUPPORTED
    assert judged(name, table(copies(limit=0.2)))[0]["verdict"] == Verdict.CONTRADICTED


def test_a_gradient_only_divided_by_n_supports_the_corollary_and_not_its_proof():
    frame = table(copies(gradient=-0.9))
    assert judged("C6a", frame)[0]["verdict"] == Verdict.SUPPORTED
    assert judged("C6b", frame)[0]["verdict"] == Verdict.CONTRADICTED


def test_copiers_that_do_not_copy_decide_nothing():
    few = copies(accuracy=0.6)
    few.loc[(few["metric"] == "accuracy") & (few["seed"] == 1), "value"] = 0.9
    entry = judged("C7a", table(few[few["seed"] < 2]))[0]  # their interval includes 90 %
    assert entry["verdict"] == Verdict.NOT_TESTED
    entry = judged("C7a", table(copies(accuracy=0.6)))[0]
    assert (entry["reading"], entry["verdict"]) == (Verdict.SUPPORTED, Verdict.NOT_TESTED)
    assert "60 % of the bits right" in entry["reason"]


def test_a_stand_in_decides_nothing_in_figure_2_and_its_merged_digits_are_noted():
    entry = judged("C7a", table(copies()))[1]
    assert entry["measured"]["model"] == "tiny"
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "1 wording; bits written with spaces" in entry["measured"]["note"]


def test_bounds_are_counted_over_pairs_that_satisfy_the_premises():
    frame = copies()
    entry = judged("C1d", table(frame))[0]
    assert (entry["measured"]["value"], entry["measured"]["n"]) == (0, 48)
    assert "printed form is violated by 48" in entry["measured"]["note"]
    assert judged("C1d", table(broken("corrected_bound")))[0]["verdict"] == Verdict.CONTRADICTED
    frame = frame[~frame["metric"].isin(["corrected_bound", "printed_bound"])]
    assert judged("C1d", table(frame))[0]["verdict"] == Verdict.NOT_TESTED


def test_a_neighbour_is_asked_for_only_where_the_lemma_promises_one():
    least = bounds.enough(scores.XI, FLOOR)[0]
    assert 256 < least <= 1024
    (entry,) = judged("C1c", table(copies()))
    assert (entry["measured"]["value"], entry["measured"]["n"]) == (1.0, 8)
    short = copies()
    (entry,) = judged("C1c", table(short[short["size"] <= 256]))
    assert entry["verdict"] == Verdict.NOT_TESTED
    (entry,) = judged("C2b", table(short[short["size"] <= 256]))
    assert f"at {least} bits or more" in entry["reason"]


def test_checkpoints_at_chance_decide_nothing():
    """Accuracy and perplexity on the same strings move together without any cause."""
    frame = checkpoints([0.5, 0.6, 0.7], best=0.5)
    for name in ("C11b", "C11d", "C11e", "C12a", "C12b"):
        (entry,) = judged(name, of_parity(frame, 2))
        assert entry["measured"] is None
        assert "all checkpoints of all 3 trainings are at chance" in entry["reason"]


def test_a_training_at_chance_does_not_enter_the_mean():
    able, not_able = checkpoints([0.5, 0.6, 0.7]), checkpoints([0.5], best=0.5)
    frame = pd.concat([able, not_able.assign(seed=3)])
    (entry,) = judged("C11b", of_parity(frame, 2))
    assert entry["measured"]["n"] == 3
    assert "3 of 4 trainings leave chance" in entry["measured"]["note"]


def test_choosing_is_compared_with_chance():
    """A regret is never negative: a choice as bad as a random one costs nothing by itself."""
    frame = checkpoints([0.5, 0.6, 0.7])
    rng = np.random.default_rng(0)
    at_128 = (frame["size"] == 128) & (frame["metric"] == "nats")
    frame.loc[at_128, "value"] = rng.normal(size=int(at_128.sum()))
    (entry,) = judged("C12a", of_parity(frame))
    assert entry["verdict"] == Verdict.INCONCLUSIVE
    assert abs(entry["measured"]["value"]) < 0.05


def test_trendless_curves_of_a_model_support_nothing():
    """Once, the sign of a slope decided: half of such curves "supported" the claim."""
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(10):
        noise = np.exp(0.5 * rng.normal(size=(1, len(SIZES))))
        entry = judged("C7a", table(copies(), asked(np.minimum(0.3 * noise, 1.0))))[1]
        verdicts.append(entry["reading"])
    assert Verdict.SUPPORTED not in verdicts


def test_a_model_s_limit_is_found_and_one_that_levels_off_is_told_apart():
    sizes = np.array([20, 24, 32, 48, 64, 96, 128, 256, 512, 1024], float)
    rng = np.random.default_rng(0)
    for limit in (0.0, 0.1):
        curve = (limit + 4 / sizes) * np.exp(0.1 * rng.normal(size=len(sizes)))
        found = curves.limit(sizes, curve)
        assert found.low <= limit <= found.high
        assert (found.high < 0.01) == (limit == 0)
    with pytest.raises(ValueError, match="at least 4 sizes"):
        curves.limit(sizes[:3], curve[:3])


def test_wordings_widen_an_interval_over_sizes():
    curve = np.tile(0.9 + 0.01 * np.arange(len(SIZES)) / 10, (3, 1))
    alone = pd.DataFrame(scores.model_curves(asked(curve[:1], "alpha_least"), 16))
    three = curve - np.array([[0.0], [0.3], [0.6]])
    several = pd.DataFrame(scores.model_curves(asked(three, "alpha_least", 3), 16))
    alone, several = (
        frame.set_index("metric").loc["median_alpha_least"] for frame in (alone, several)
    )
    assert alone["ci_low"] > 0.89
    assert several["ci_low"] < 0.3
    assert several["ci_high"] == 1.0


def test_the_interval_of_a_median_covers_at_its_rate():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        found = curves.median(rng.exponential(size=9))
        covered += found.low <= np.log(2) <= found.high
    assert covered >= 380
    assert np.isnan(curves.median([0.1, 0.2, 0.3, 0.4, 0.5]).low)


def test_sampled_error_rates_over_their_bound_are_found(monkeypatch):
    def sampled() -> float:
        rows = theory.unions(np.random.default_rng(0), 2000, [16, 64], [1e-3, 1e-2], 1e-3)
        return next(row["value"] for row in rows if row["metric"] == "union_bound_broken_sampled")

    assert sampled() == 0
    real = bounds.union
    monkeypatch.setattr(theory.bounds, "union", lambda size, doubt: 0.2 * real(size, doubt))
    assert sampled() > 0


BAD = [
    ("copying/width", 36, "perplexity.copying.width: found 36, allowed: a multiple of 2 x heads"),
    ("parity/sizes", [24, 128], "perplexity.parity.sizes: lacks 16, the trained size"),
    ("parity/sizes", [8, 16], "perplexity.parity.sizes: no size above 16"),
    ("parity/keep_every", 2000, "perplexity.parity.keep_every: found 2000, allowed: at most 833"),
    ("copying/random_sizes", [32], "perplexity.copying.random_sizes: found [32], allowed"),
    ("copying/sizes", [4, 8, 32], "perplexity.copying.sizes: found [4, 8, 32], allowed"),
    (
        "models/sizes",
        [8, 300],
        "perplexity.models.sizes: 300 bits need over 600 tokens, models.embedded-s.max_context is",
    ),
]


@pytest.mark.parametrize(("path", "value", "line"), BAD, ids=[line for *_, line in BAD])
def test_impossible_settings_are_reported_before_anything_runs(path, value, line):
    config = copy.deepcopy(CONFIG)
    section, key = path.split("/")
    config["perplexity"][section][key] = value
    assert any(problem.startswith(line) for problem in config_checks.problems(config))


def test_the_default_settings_have_no_problem():
    assert list(config_checks.problems(CONFIG)) == []
