"""Metrics against scikit-learn, correlations against SciPy, and choices from synthetic pools."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics

from workflow_scripts.perplexity import correlation, selection
from workflow_scripts.perplexity import metrics as ours
from workflow_scripts.shared import scores as shared_scores


def predictions(rows: int = 30, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, (rows, size))
    return np.log(np.stack([1 - p, p], -1)), rng.integers(0, 2, (rows, size))


def test_metrics_agree_with_scikit_learn():
    logs, right = predictions()
    found = ours.of_predictions(logs, right, 1e-12)
    p_one, truth = np.exp(logs[..., 1]).ravel(), right.ravel()
    chosen = (p_one > 0.5).astype(int)
    assert found["nats"] == pytest.approx(metrics.log_loss(truth, p_one))
    assert found["accuracy"] == pytest.approx(metrics.f1_score(truth, chosen, average="micro"))
    # For two classes the Brier score of the chosen one is that of either.
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(truth, p_one))
    late = metrics.log_loss(right[:, 6:].ravel(), np.exp(logs[:, 6:, 1]).ravel())
    assert found["long_range_nats"] == pytest.approx(late)
    entropy = stats.entropy([1 - p_one, p_one]).mean()
    assert found["entropy_nats"] == pytest.approx(entropy)


def test_a_certain_wrong_prediction_costs_the_floor():
    logs = np.array([[[0.0, -np.inf]]])
    found = ours.of_predictions(logs, np.array([[1]]), 1e-6)
    assert found["nats"] == pytest.approx(-np.log(1e-6))
    assert found["calibration_error"] == found["brier"] == 1


def training(accuracy: np.ndarray, nats: np.ndarray, strings: int = 64) -> pd.DataFrame:
    """Checkpoints of one training whose accuracies over `strings` test strings are given.

    `accuracy` has shape (checkpoints, strings), `nats` (checkpoints,).
    """
    rows = []
    for step, (hits, value) in enumerate(zip(accuracy, nats, strict=True)):
        key = {"target": "prefix", "size": 128, "seed": 0, "step": step}
        rows.append(shared_scores.mean("E4", "accuracy", hits, units="strings", **key))
        for name, number in (("nats", value), ("entropy_nats", -value)):
            rows.append(shared_scores.number("E4", name, number, strings, units="labels", **key))
    return pd.DataFrame(rows)


def checkpoints(r: float, seeds: int = 3, count: int = 40) -> pd.DataFrame:
    """Trainings whose accuracies, around 0.75, correlate with nats by `r`."""
    rng = np.random.default_rng(5)
    runs = []
    for seed in range(seeds):
        x, noise = rng.normal(size=(2, count))
        y = 0.75 + 0.05 * (r * x + np.sqrt(1 - r * r) * noise)
        spread = 0.01 * np.tile([-1, 1], 32)  # over strings; it does not move the mean
        runs.append(training(y[:, None] + spread, x).assign(seed=seed))
    return pd.concat(runs)


def test_correlation_agrees_with_scipy_and_its_mean_covers_the_truth():
    frame = checkpoints(0.6, seeds=5)
    rows = pd.DataFrame(correlation.correlations(frame))
    single = rows[rows["seed"].notna()].set_index("seed")
    for seed, run in frame.groupby("seed"):
        table = run.pivot(index="step", columns="metric", values="value")
        expected = stats.pearsonr(table["nats"], table["accuracy"])
        assert single.loc[seed, "value"] == pytest.approx(expected.statistic)
        assert np.isnan(single.loc[seed, "ci_low"])  # checkpoints are not independent
    pooled = rows[rows["seed"].isna()].set_index("metric").loc["correlation"]
    assert (pooled["n"], pooled["units"]) == (5, "trainings")
    expected = stats.ttest_1samp(single["value"], 0).confidence_interval()
    assert (pooled["ci_low"], pooled["ci_high"]) == pytest.approx(tuple(expected))


def test_trainings_at_chance_pass_for_able_at_the_nominal_rate():
    rng = np.random.default_rng(0)
    able = sum(
        correlation.leaves_chance(training(rng.binomial(112, 0.5, (25, 64)) / 112, np.arange(25)))
        for _ in range(40)
    )
    assert able <= 6  # 5 % of 40, and its 99.5 % quantile
    better = rng.binomial(112, np.full((25, 64), 0.5) + np.arange(25)[:, None] * 0.002) / 112
    assert correlation.leaves_chance(training(better, np.arange(25)))


def test_a_training_without_variation_has_no_correlation():
    frame = training(np.full((10, 64), 0.5), np.arange(10.0))
    rows = pd.DataFrame(correlation.correlations(frame))
    assert rows["metric"].tolist() == ["trainings_above_chance"]


def test_best_rank_by_hand():
    values = np.array([[3.0, 1.0, 2.0, 4.0], [1.0, 1.0, 1.0, 1.0]])
    accuracy = np.array([[0.1, 0.2, 0.9, 0.3], [0.1, 0.9, 0.2, 0.3]])
    assert correlation.best_rank(values, accuracy) == pytest.approx([1 / 3, 0.5])
    rows = pd.DataFrame(correlation.best_ranks(checkpoints(1.0))).set_index("metric")
    assert rows.loc["best_rank_nats", "value"] == 1  # accuracy rises with nats
    assert rows.loc["best_rank_entropy_nats", "value"] == 0


def pool(values: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame({name: values.get(name, [0.0] * 3) for name in selection.CRITERIA})


def test_a_pick_is_the_least_perplexity_and_the_most_accuracy():
    target = np.array([0.5, 0.9, 0.7])
    values = pool({"nats": [0.1, 0.2, 0.3], "accuracy": [0.1, 0.3, 0.2], "brier": [3, 2, 1]})
    found = selection.decide(values, target, np.random.default_rng(0))
    expected = {"nats": (0.0, 0.4), "accuracy": (1.0, 0.0), "brier": (0.0, 0.2)}
    for name, both in (expected | {selection.CHANCE: (1 / 3, 0.2)}).items():
        assert (found[name, "hit_rate"], found[name, "regret"]) == pytest.approx(both)


def test_ties_are_broken_at_random():
    rng = np.random.default_rng(0)
    target = np.array([0.5, 0.9, 0.7])
    hits = [selection.decide(pool({}), target, rng)["nats", "hit_rate"] for _ in range(3000)]
    assert np.mean(hits) == pytest.approx(1 / 3, abs=0.04)


def parity_pool(far_r: float) -> pd.DataFrame:
    """Two trainings whose checkpoints improve with the step; out of distribution nats follow
    `far_r`."""
    rows = []
    for seed in (0, 1):
        for step in range(20):
            for size, nats in ((16, -step), (128, far_r * step)):
                measured = dict.fromkeys(selection.CRITERIA, 0.0)
                measured |= {"nats": nats, "accuracy": (step + 0.001 * seed) / 20}
                for metric, value in measured.items():
                    key = {"target": "prefix", "seed": seed, "step": step, "size": size}
                    key |= {"ci_low": value - 0.01, "ci_high": value + 0.01, "n": 64}
                    rows.append(key | {"metric": metric, "value": value})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("far_r", "hits"), [(1, 0.0), (-1, 1.0)])
def test_perplexity_that_rises_with_accuracy_always_chooses_wrong(far_r, hits):
    rows = selection.parity_rows(parity_pool(far_r), 16, 6, 50, np.random.default_rng(0))
    found = pd.DataFrame(rows).set_index(["measured_on", "criterion", "metric"])["value"]
    assert found[selection.OUT, "nats", "hit_rate"] == hits
    assert found[selection.IN, "nats", "hit_rate"] == 1
    assert found[selection.OUT, "accuracy", "regret"] == 0
    # The mean range of 6 numbers drawn from 20 consecutive ones is 21 x 5 / 7.
    expected = 0 if hits else 15 / 20
    assert found[selection.OUT, "nats", "regret"] == pytest.approx(expected, abs=0.05)
    # A random choice loses half of the range.
    expected = -7.5 / 20 if hits else 7.5 / 20
    over_random = found[selection.OUT, "nats", "regret_over_random"]
    assert over_random == pytest.approx(expected, abs=0.05)
