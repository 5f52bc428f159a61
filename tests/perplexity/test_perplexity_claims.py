"""Claims on synthetic scores, impossible settings, and the scores of synthetic tables."""

import copy

import numpy as np
import pandas as pd
import pytest
import yaml

from workflow_scripts.perplexity import claims, config_checks, scores, theory
from workflow_scripts.perplexity.copies import rows_of
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared.claims import Evidence, Verdict
from workflow_scripts.shared.fingerprint import ROOT

PUBLISHED = ROOT / "resources/published/perplexity_parity_correlation.csv"
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SIZES = (16, 32, 64, 128, 256)


def copies(power: float = -1.0, accuracy: float = 0.95, gradient: float = -1.0) -> pd.DataFrame:
    """A table as `copies` writes it; metrics that change with the size follow a power of it."""
    rows = []
    for seed in range(4):
        wobble = 1 + 0.05 * (seed - 1.5)
        for size in SIZES:
            measured = {
                "gap": wobble * size**power,
                "nats_apart": wobble * size**power,
                "nats_beta": wobble * size**power,
                "beta_flip": 0.01 * wobble,
                "alpha_least": 0.99,
                "gradient_beta": wobble * size**gradient,
                "size_times_gradient_beta": wobble * size ** (1 + gradient),
                "corrected_bound": 2.0 * size**power,
                "printed_bound": -2.0 * size**power,
                "over_certainty": 0.5 * size**power,
                "alpha_error": 0.1,
                "alpha_union": 0.2,
                "beta_not_alpha": 0.1,
                "beta_union": 0.2,
            }
            rows += rows_of(measured, seed, size, "last")
        rows += rows_of({"accuracy": accuracy + 0.001 * seed}, seed, 16, "random")
    return pd.DataFrame(rows).assign(encoding="rope")


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Scores of copiers and one stand-in model as `scores.main` builds them."""
    ours = [*scores.pooled(frame), *scores.slopes(frame, 16), *scores.broken_bounds(frame)]
    ours.append(shared_scores.exact("E1", "training_steps", 500, 1, units="trainings"))
    pair = {"units": "pairs", "flip": "last", "model": "tiny"}
    model = [shared_scores.number("E2", "gap", 1.0 / size, 1, size=size, **pair) for size in SIZES]
    model.append(shared_scores.exact("E2", "digits_merged", 1, 1, units="models", model="tiny"))
    e2 = pd.DataFrame(model)
    parts = [
        pd.DataFrame(ours).assign(model=scores.COPIER),
        frame.assign(model=scores.COPIER),
        e2,
        scores.model_slopes(e2, 16),
        pd.DataFrame(theory.lemma(np.random.default_rng(0), 5, [2, 16])).assign(model="theory"),
    ]
    return shared_scores.table(parts, scores.CONDITIONS, whole=["size", "step"])


def judged(name: str, frame: pd.DataFrame) -> list[dict]:
    claim = next(claim for claim in claims.all_claims(PUBLISHED, 16) if claim.id == name)
    return shared.judge(claim, frame, lambda _: Evidence.STAND_IN)


def test_every_claim_is_there_with_its_published_number():
    found = {claim.id: claim for claim in claims.all_claims(PUBLISHED, 16)}
    assert {int(name[1:].rstrip("abcdef")) for name in found} == set(range(1, 13))
    near, far = found["C11a"].published, found["C11b"].published
    assert (near.value, near.tag) == (-0.94, "published")
    assert (far.value, far.tag) == (0.31, "published-2nd")


def test_slopes_recover_the_power():
    frame = pd.DataFrame(scores.slopes(copies(power=-0.7), 16)).set_index("metric")
    assert frame.loc["slope_gap", "value"] == pytest.approx(-0.7)
    assert frame.loc["slope_size_times_gradient_beta", "value"] == pytest.approx(0.0, abs=1e-9)


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


def test_what_shrinks_is_supported_and_what_grows_contradicted():
    for name in ("C3b", "C7a", "C7d"):
        assert judged(name, table(copies(-1.0)))[0]["verdict"] == Verdict.SUPPORTED
        assert judged(name, table(copies(0.5)))[0]["verdict"] == Verdict.CONTRADICTED


def test_a_gradient_only_divided_by_n_supports_the_corollary_and_not_its_proof():
    frame = table(copies(gradient=-0.9))
    assert judged("C6a", frame)[0]["verdict"] == Verdict.SUPPORTED
    assert judged("C6b", frame)[0]["verdict"] == Verdict.CONTRADICTED


def test_copiers_that_do_not_copy_decide_nothing():
    entry = judged("C7a", table(copies(accuracy=0.6)))[0]
    assert (entry["reading"], entry["verdict"]) == (Verdict.SUPPORTED, Verdict.NOT_TESTED)
    assert "60 % of the bits right" in entry["reason"]


def test_a_stand_in_decides_nothing_in_figure_2_and_its_merged_digits_are_noted():
    entry = judged("C7a", table(copies()))[1]
    assert entry["measured"]["model"] == "tiny"
    assert (entry["reading"], entry["verdict"]) == (Verdict.SUPPORTED, Verdict.NOT_TESTED)
    assert "its tokenizer merges digits" in entry["measured"]["note"]


def test_bounds_are_counted_over_pairs_that_satisfy_the_premises():
    frame = copies()
    entry = judged("C1d", table(frame))[0]
    assert (entry["measured"]["value"], entry["measured"]["n"]) == (0, 20)
    assert "printed form is violated by 20" in entry["measured"]["note"]
    frame.loc[(frame["metric"] == "corrected_bound") & (frame["seed"] == 1), "value"] = 0.0
    assert judged("C1d", table(frame))[0]["verdict"] == Verdict.CONTRADICTED
    frame = frame[~frame["metric"].isin(["corrected_bound", "printed_bound"])]
    assert judged("C1d", table(frame))[0]["verdict"] == Verdict.NOT_TESTED


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
