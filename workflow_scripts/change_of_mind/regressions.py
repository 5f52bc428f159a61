"""The four nested Bayesian regressions on E5, compared by leave-one-out, and D carried to E6.

Rows are of the scores' shape, with `variant` (A to D) and `parameter`. Differences of ELPD carry
an interval of 1.96 standard errors of the paired difference; posterior means their 95 % HDI.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import bayes, design, resample
from workflow_scripts.change_of_mind.trials import TRIALS
from workflow_scripts.shared import job, progress, provenance, seeds, statistics, tables

Row = dict[str, Any]
HISTOGRAM = np.linspace(0, 1, 11)


def compare(
    sampler: bayes.Sampler, fits: dict[str, bayes.Fit], datas: dict[str, design.Data]
) -> Iterator[Row]:
    """ELPD by leave-one-out of each variant, its difference to D, and the sampler's diagnostics."""
    import arviz

    pointwise = {}
    for variant, fit in fits.items():
        traces = arviz.from_dict(
            posterior={"theta": fit.draws["theta"]},
            log_likelihood={"trial": sampler.log_likelihood(datas[variant], fit)},
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Pareto k is reported below
            found = arviz.loo(traces, pointwise=True)
        pointwise[variant] = found.loo_i.to_numpy()
        n = len(pointwise[variant])
        where = {"variant": variant, "n": n}
        yield where | _normal("elpd_loo", float(found.elpd_loo), float(found.se))
        bad = float((found.pareto_k.to_numpy() > 0.7).mean())
        yield where | {"metric": "share_pareto_k_over_0.7", "value": bad}
        summary = arviz.summary(traces, kind="diagnostics", round_to="none")
        yield where | {"metric": "r_hat_max", "value": float(summary["r_hat"].max())}
        yield where | {"metric": "ess_bulk_min", "value": float(summary["ess_bulk"].min())}
        yield where | {"metric": "ess_tail_min", "value": float(summary["ess_tail"].min())}
        yield where | {"metric": "divergences", "value": float(fit.divergences)}
        if variant == "D":
            yield from posterior(fit, n)
    for variant in pointwise:
        if variant != "D":
            gap = pointwise["D"] - pointwise[variant]
            error = float(np.sqrt(len(gap)) * gap.std(ddof=1))
            yield {"variant": variant, "n": len(gap)} | _normal("elpd_lead_of_D", gap.sum(), error)


def posterior(fit: bayes.Fit, n: int) -> Iterator[Row]:
    """Means and 95 % highest-density intervals of the weights and intercepts of D."""
    import arviz

    named = [(f"{head}.intercept", fit.draws["intercepts"][..., i]) for i, head in
             enumerate(design.HEADS)]  # fmt: skip
    named += [
        (f"{head}.{name}", fit.draws["weights"][..., i])
        for i, (head, name) in enumerate(design.COLUMNS)
    ]
    for name, draws in named:
        low, high = arviz.hdi(draws.reshape(-1), hdi_prob=0.95)
        mean = float(draws.mean())
        yield {"variant": "D", "parameter": name, "metric": "posterior_mean", "value": mean,
               "ci_low": min(float(low), mean), "ci_high": max(float(high), mean),
               "n": n}  # fmt: skip


def transfer(
    sampler: bayes.Sampler, given: resample.Sample, data: design.Data, fit: bayes.Fit, seed: int
) -> Iterator[Row]:
    """D, fitted to E5, on E6 without refitting: density, R squared, AUROC, and what is drawn.

    R squared is of confidence in the first-chosen option, over trials and over the 36 cells'
    means; intervals are bootstraps over trials and over cells.
    """
    change, confidence = bayes.predictions(data, fit)
    log_likelihood = sampler.log_likelihood(data, fit).reshape(-1, len(data.changed))
    top = log_likelihood.max(axis=0)
    density = top + np.log(np.exp(log_likelihood - top).mean(axis=0))
    error = float(np.sqrt(len(density)) * density.std(ddof=1))
    base = {"variant": "D", "parameter": "transfer", "n": len(density)}
    yield base | _normal("elpd_transfer", float(density.sum()), error)
    yield base | _interval("r2_trials", _r2_interval(data.first, confidence, seed))
    cells = pd.DataFrame(
        {
            "display": np.array(given.displays)[given.display],
            "advice": np.array(given.advices)[given.advice],
            "accuracy": given.accuracy.astype(str),
            "observed": data.first,
            "predicted": confidence,
            "changed": data.changed,
            "chance": change,
        }
    )
    means = cells.groupby(["display", "advice", "accuracy"], sort=False)
    table = means[["observed", "predicted", "changed", "chance"]].mean().reset_index()
    found = _r2_interval(table["observed"].to_numpy(), table["predicted"].to_numpy(), seed)
    yield base | _interval("r2_cells", found)
    if np.ptp(data.changed):
        score = statistics.auroc(change, data.changed)
        yield base | {"metric": "transfer_auroc", "value": score}
    for row in table.to_dict("records"):
        where = {key: row[key] for key in ("display", "advice", "accuracy")}
        for metric in ("observed", "predicted"):
            yield base | where | {"metric": f"transfer_{metric}_confidence", "value": row[metric]}
    for outcome in (0, 1):
        counts = np.histogram(change[data.changed == outcome], HISTOGRAM)[0]
        for number, count in enumerate(counts):
            yield base | {"metric": f"transfer_histogram_{'changed' if outcome else 'kept'}",
                          "bin": str(number), "value": float(count)}  # fmt: skip


def r_squared(observed: np.ndarray, predicted: np.ndarray, axis: int = 0) -> np.ndarray:
    """Share of variance explained, along `axis`; without variance, NaN."""
    around = ((observed - observed.mean(axis=axis, keepdims=True)) ** 2).sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - ((observed - predicted) ** 2).sum(axis=axis) / around


def _r2_interval(observed: np.ndarray, predicted: np.ndarray, seed: int) -> statistics.Interval:
    return statistics.bootstrap((observed, predicted), r_squared, seed, resamples=1000)


def _interval(metric: str, found: statistics.Interval) -> Row:
    return {"metric": metric, "value": found.value, "ci_low": found.low, "ci_high": found.high}


def _normal(metric: str, value: float, error: float) -> Row:
    half = 1.96 * error
    return {"metric": metric, "value": value, "ci_low": value - half, "ci_high": value + half}


def main(
    trials: list[str],
    path: str | Path,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Fit every table of trials and write the rows."""
    sampler = bayes.Sampler(settings["chains"], settings["warmup"], settings["draws"])
    rows: list[Row] = []
    for table in progress.track(trials, description="models", unit="model"):
        frame = tables.read(table, TRIALS)
        first = frame[frame["experiment"] == "first"]
        fitted = resample.temperatures(
            first[first["part"] == "calibration"], 0, np.random.default_rng(0)
        )
        name = str(frame["model"].iloc[0])
        own: list[Row] = []
        given = {
            experiment: design.prepared(frame, experiment, settings["questions"], fitted.value)
            for experiment in ("E5", "E6")
        }
        datas = {variant: design.data(*given["E5"], variant) for variant in design.VARIANTS}
        fits = {
            variant: sampler.fit(data, seeds.derive(seed, "regressions", name, variant))
            for variant, data in datas.items()
        }
        own += [row | {"experiment": "E5"} for row in compare(sampler, fits, datas)]
        other = design.data(*given["E6"], "D")
        own += [
            row | {"experiment": "E6"}
            for row in transfer(
                sampler, given["E6"][0], other, fits["D"], seeds.derive(seed, "transfer")
            )
        ]
        rows += [row | {"model": name} for row in own]
    tables.write(pd.DataFrame(rows), path, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            list(snakemake.input.trials),
            snakemake.output.table,
            dict(snakemake.params.settings),
            snakemake.params.seed,
            provenance.of(snakemake),
        )
