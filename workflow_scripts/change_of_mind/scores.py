"""All measurements of the study as one table of scores: one row per number."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import counted, curves, metrics, resample, turns
from workflow_scripts.change_of_mind.confidence import Floats
from workflow_scripts.change_of_mind.trials import TRIALS
from workflow_scripts.inference.forms import SAMPLED
from workflow_scripts.shared import job, progress, schemas, seeds, statistics, tables
from workflow_scripts.shared.scores import Row, interval, mean, number, share, table

CONDITIONS = ["display", "advice", "accuracy", "bin", "variant", "parameter"]
IDEAL_EDGES = np.linspace(0, 1, 11)


def calibration(
    first: pd.DataFrame, fitted: resample.Temperatures, rng: np.random.Generator
) -> Iterator[Row]:
    """The temperature, and the calibration of first answers to questions outside its fit.

    Each metric at the fitted temperature and, as variant `raw`, at 1; the reliability diagram in
    ten bins of confidence. First answers are drawn, so confidence in them may be below 1/2.
    """
    fitted_on = int((first["part"] == "calibration").sum())
    found = resample.percentiles(fitted.value, fitted.draws, fitted_on)
    yield interval("E1", "temperature", found, units="questions")
    tested = first[(first["part"] == "main") & first["question"].str.startswith("latitude/")]
    hit = (tested["first"] == tested["right"]).to_numpy().astype(np.float64)
    cluster, places = pd.factorize(tested["cluster"])
    confidence = resample.first_confidence(tested)
    for variant in ("calibrated", "raw"):
        scaled = variant == "calibrated"
        own = confidence(fitted.value if scaled else 1.0, np.ones(len(hit)))
        point = _quality(own, hit, np.ones(len(hit)))
        draws = []
        for temperature in fitted.draws:
            weights = resample.draw_weights(cluster, rng)
            drawn = confidence(temperature if scaled else 1.0, weights)
            draws.append(_quality(drawn, hit, weights))
        for name, value in point.items():
            values = np.array([draw[name] for draw in draws])
            found = resample.percentiles(value, values, len(places))
            yield interval("E1", name, found, units="places", variant=variant)
        place = np.minimum((own * 10).astype(int), 9)
        for bin_ in np.unique(place):
            here = place == bin_
            n = int(here.sum())
            where = {"units": "questions", "variant": variant, "bin": str(bin_)}
            yield share("E1", "reliability", int(hit[here].sum()), n, **where)
            yield number("E1", "reliability_confidence", own[here].mean(), n, **where)


def _quality(confidence: Floats, hit: Floats, weights: Floats) -> dict[str, float]:
    """Expected calibration error, Brier score and AUROC of weighted answers; shape (n,) each."""
    repeated = np.repeat(np.arange(len(hit)), weights.astype(int))
    c, h = confidence[repeated], hit[repeated]
    return {
        "ece": statistics.expected_calibration_error(c, h),
        "brier": statistics.brier(c, h),
        "auroc": statistics.auroc(c, h),
    }


def first_answers(first: pd.DataFrame) -> Iterator[Row]:
    """Accuracy of first answers and total probability of the options, per task."""
    for task, rows in first[first["part"] == "main"].groupby(
        first["question"].str.split("/").str[0], sort=False
    ):
        experiment = next(e for e, (name, *_) in turns.EXPERIMENTS.items() if name == task)
        right = int((rows["first"] == rows["right"]).sum())
        yield share(experiment, "first_accuracy", right, len(rows), units="questions")
        if rows["choices"].iloc[0] != SAMPLED:
            mass = np.exp(resample.matrix(rows["first_logprobs"])).sum(axis=1)
            yield mean(experiment, "option_mass", mass, units="questions")


def reading(trials: pd.DataFrame) -> Iterator[Row]:
    """What was not read or not listed, by experiment, where log-probabilities are not all given.

    Sampled: the shares of replies that were read, of questions left out because an answer was not
    read, and of trials in which all draws agree. Else: the share of trials with an option that the
    server does not list, and the probability that such options have at most, on average.
    """
    whole = set(resample.complete(trials)["request"])
    for experiment, rows in trials.groupby("experiment", sort=False):
        name = "E1" if experiment == "first" else str(experiment)
        display = "first" if experiment == "first" else ""
        n, where = len(rows), {"display": display}
        if rows["choices"].iloc[0] == SAMPLED:
            read, replies = int(rows["read"].sum()), int(rows["replies"].sum())
            yield share(name, "read_share", read, replies, units="replies", **where)
            kept = rows["request"].isin(whole)
            left_out = rows.loc[~kept, "question"].nunique()
            questions = rows["question"].nunique()
            yield share(name, "left_out", left_out, questions, units="questions", **where)
            column = "first_counts" if experiment == "first" else "final_counts"
            counts = resample.counts(rows.loc[kept, column])
            if counts is not None:
                yield number(name, "saturated", counted.saturated(counts).mean(), n,
                             units="trials", **where)  # fmt: skip
        elif rows["unlisted"].any():
            bounds = rows["unlisted"]
            yield number(name, "unlisted_share", (bounds > 0).mean(), n, units="trials", **where)
            yield number(name, "unlisted_at_most", bounds.mean(), n, units="trials", **where)


def experiment_scores(
    trials: pd.DataFrame,
    experiment: str,
    fitted: resample.Temperatures,
    settings: dict[str, Any],
    seed: int,
) -> Iterator[Row]:
    """All scores of one experiment of one model."""
    chosen = trials[trials["experiment"] == experiment]
    if experiment == "E2":  # compared with the ordinary display on the same questions
        ordinary = trials[trials["experiment"] == "E1"]
        ordinary = ordinary[ordinary["question"].isin(set(chosen["question"]))]
        chosen = pd.concat([ordinary, chosen], ignore_index=True)
    given = resample.sample(chosen)
    at = resample.seen(given, fitted.value)
    bins = curves.confidence_bins(at.before, settings["bins"])
    wanted = [
        metrics.means,
        metrics.ratios(settings["least_ideal_update"]),
        curves.by_confidence(bins, with_sigmoids=experiment == "E1"),
    ]
    if experiment == "E1":
        wanted += [metrics.ideal_bins(IDEAL_EDGES), metrics.update_bins(bins)]
    wanted.append(metrics.advice_weights)
    drawn = [
        (statistic, seeds.generator(seed, "bootstrap", experiment, place))
        for place, statistic in enumerate(wanted)
    ]
    yield from resample.estimate(experiment, given, fitted, drawn, metrics.BOUNDS)
    yield from curves.logistic(experiment, given, at)


def model_scores(trials: pd.DataFrame, settings: dict[str, Any], seed: int) -> list[Row]:
    """All scores of one model (or artificial answerer) from its trials."""
    found = list(reading(trials))
    trials = resample.complete(trials)
    first = trials[trials["experiment"] == "first"]
    rng = seeds.generator(seed, "bootstrap", "calibration")
    fitted = resample.temperatures(
        first[first["part"] == "calibration"], settings["bootstrap"], rng
    )
    rows = [*found, *calibration(first, fitted, rng), *first_answers(first)]
    for experiment in turns.EXPERIMENTS:
        rows += experiment_scores(trials, experiment, fitted, settings, seed)
    return [row | {"model": trials["model"].iloc[0]} for row in rows]


def main(
    trials: list[str],
    regressions: str,
    scores: str,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Score each table of trials, add the scores of the regressions, and write one table."""
    parts: list[Any] = [
        model_scores(tables.read(path, TRIALS), settings, seed)
        for path in progress.track(trials, description="models", unit="model")
    ]
    parts.append(tables.read(regressions))
    frame = table(parts, CONDITIONS, texts=CONDITIONS)
    tables.write(frame, scores, schemas.SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
