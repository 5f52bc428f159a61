"""Everything the study measured, as one table of scores: one row, one number."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import curves, measures, resample, turns
from workflow_scripts.change_of_mind.confidence import probabilities
from workflow_scripts.change_of_mind.trials import TRIALS
from workflow_scripts.shared import job, progress, provenance, schemas, seeds, statistics, tables

COLUMNS = ["experiment", "display", "advice", "accuracy", "bin", "variant", "parameter"]
COLUMNS += ["model", "seed", "metric", "value", "ci_low", "ci_high", "n"]
IDEAL_EDGES = np.linspace(0, 1, 11)


def calibration(
    first: pd.DataFrame, fitted: resample.Temperatures, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """The temperature, and how calibrated first answers are on questions it was not fitted on.

    Each measure at the fitted temperature and, as variant `raw`, at 1; the reliability diagram in
    ten bins of confidence. First answers are drawn, so confidence in them may lie below 1/2.
    """
    ends = np.quantile(fitted.draws, [0.025, 0.975])
    yield _row("temperature", fitted.value, ends, int((first["part"] == "calibration").sum()))
    held = first[(first["part"] == "main") & first["question"].str.startswith("latitude/")]
    logprobs = resample.matrix(held["first_logprobs"])
    chosen, right = held["first"].to_numpy(int), held["right"].to_numpy(int)
    hit = (chosen == right).astype(float)
    cluster = pd.factorize(held["cluster"])[0]
    clusters = int(cluster.max()) + 1
    for variant in ("calibrated", "raw"):
        draws = []
        for number in range(-1, len(fitted.draws)):
            weights = (
                resample.cluster_weights(clusters, rng)[cluster] if number >= 0 else 1 + 0 * hit
            )
            t = fitted.value if number < 0 else float(fitted.draws[number])
            own = probabilities(logprobs, t if variant == "calibrated" else 1.0)
            draws.append(_quality(own[np.arange(len(hit)), chosen], hit, weights))
        names = list(draws[0])
        for name in names:
            low, high = np.nanquantile([draw[name] for draw in draws[1:]], [0.025, 0.975])
            yield _row(name, draws[0][name], (low, high), clusters) | {"variant": variant}
        own = probabilities(logprobs, fitted.value if variant == "calibrated" else 1.0)
        c = own[np.arange(len(hit)), chosen]
        place = np.minimum((c * 10).astype(int), 9)
        for bin_ in np.unique(place):
            here = place == bin_
            found = statistics.proportion(int(hit[here].sum()), int(here.sum()))
            bin_names = {"variant": variant, "bin": str(bin_)}
            yield _row("reliability", found.value, (found.low, found.high), found.n) | bin_names
            mean = float(c[here].mean())
            yield _row("reliability_confidence", mean, (mean, mean), found.n) | bin_names


def _quality(confidence: np.ndarray, hit: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Expected calibration error, Brier score and AUROC of weighted answers."""
    repeated = np.repeat(np.arange(len(hit)), weights.astype(int))
    c, h = confidence[repeated], hit[repeated]
    return {
        "ece": statistics.expected_calibration_error(c, h),
        "brier": statistics.brier(c, h),
        "auroc": statistics.auroc(c, h),
    }


def first_answers(first: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Accuracy of first answers and the probability that the options have, for each task."""
    for task, rows in first[first["part"] == "main"].groupby(
        first["question"].str.split("/").str[0], sort=False
    ):
        right = (rows["first"] == rows["right"]).sum()
        found = statistics.proportion(int(right), len(rows))
        experiment = next(e for e, (name, *_) in turns.EXPERIMENTS.items() if name == task)
        yield _row("first_accuracy", found.value, (found.low, found.high), found.n) | {
            "experiment": experiment
        }
        mass = np.exp(resample.matrix(rows["first_logprobs"])).sum(axis=1)
        mean = statistics.seed_interval(mass)
        yield _row("option_mass", mean.value, (mean.low, mean.high), mean.n) | {
            "experiment": experiment
        }


def experiment_scores(
    trials: pd.DataFrame,
    experiment: str,
    fitted: resample.Temperatures,
    settings: dict[str, Any],
    seed: int,
) -> pd.DataFrame:
    """All measures of one experiment of one model."""
    chosen = trials[trials["experiment"] == experiment]
    if experiment == "E2":  # against the ordinary display, on the same questions
        ordinary = trials[trials["experiment"] == "E1"]
        ordinary = ordinary[ordinary["question"].isin(set(chosen["question"]))]
        chosen = pd.concat([ordinary, chosen], ignore_index=True)
    given = resample.sample(chosen)
    at = resample.seen(given, fitted.value)
    bins = curves.confidence_bins(at.before, settings["bins"])
    wanted = [
        measures.means,
        measures.ratios(settings["least_ideal_update"]),
        curves.by_confidence(bins, with_sigmoids=experiment == "E1"),
    ]
    if experiment == "E1":
        wanted += [measures.ideal_bins(IDEAL_EDGES), measures.update_bins(bins)]
    parts = []
    for number, statistic in enumerate(wanted):
        rng = seeds.generator(seed, "bootstrap", experiment, number)
        parts.append(resample.estimate(given, fitted, statistic, rng))
    parts.append(curves.logistic(given, at))
    return pd.concat(parts, ignore_index=True).assign(experiment=experiment)


def model_scores(trials: pd.DataFrame, settings: dict[str, Any], seed: int) -> pd.DataFrame:
    """All scores of one model (or artificial answerer) from its trials."""
    first = trials[trials["experiment"] == "first"]
    rng = seeds.generator(seed, "bootstrap", "calibration")
    fitted = resample.temperatures(
        first[first["part"] == "calibration"], settings["bootstrap"], rng
    )
    opening = pd.DataFrame([*calibration(first, fitted, rng), *first_answers(first)])
    parts = [opening.fillna({"experiment": "E1"})]
    for experiment in turns.EXPERIMENTS:
        parts.append(experiment_scores(trials, experiment, fitted, settings, seed))
    return pd.concat(parts, ignore_index=True).assign(model=trials["model"].iloc[0])


def _row(metric: str, value: float, ends: Any, n: int) -> dict[str, Any]:
    low, high = (float(end) for end in ends)
    ends_of = {"ci_low": min(low, value), "ci_high": max(high, value)}
    return {"metric": metric, "value": value, **ends_of, "n": n, "experiment": None}


def main(
    trials: list[str],
    regressions: str | Path,
    path: str | Path,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Score every table of trials; join the regressions' rows."""
    parts = [
        model_scores(tables.read(table, TRIALS), settings, seed)
        for table in progress.track(trials, description="models", unit="model")
    ]
    parts.append(tables.read(regressions))
    frame = pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)
    texts = ["display", "advice", "accuracy", "bin", "variant", "parameter"]
    frame[texts] = frame[texts].fillna("").astype(str)
    frame["seed"] = frame["seed"].astype("Int64")
    tables.write(frame, path, schemas.SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            list(snakemake.input.trials),
            snakemake.input.regressions,
            snakemake.output.scores,
            dict(snakemake.params.settings),
            snakemake.params.seed,
            provenance.of(snakemake),
        )
