"""The four nested Bayesian regressions on E5, compared by leave-one-out, and D applied to E6.

The scores have `variant` (A to D) and `parameter`. Sums of log densities and their differences have
Student's t interval over questions, because the 36 trials of a question are not independent.
Posterior means have their 95 % highest-density interval.
"""

import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import bayes, design, resample
from workflow_scripts.change_of_mind.confidence import Floats
from workflow_scripts.change_of_mind.trials import TRIALS
from workflow_scripts.inference.forms import SAMPLED
from workflow_scripts.shared import job, progress, scores, seeds, statistics, tables
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval

HISTOGRAM = np.linspace(0, 1, 11)
RESAMPLES = 1000
interval = partial(scores.interval, units="questions")
number = partial(scores.number, units="trials")


def compare(
    sampler: bayes.Sampler,
    fits: dict[str, bayes.Fit],
    datas: dict[str, design.Data],
    question: resample.Ints,
) -> Iterator[Row]:
    """ELPD by leave-one-out of each variant, its difference to D, and the sampler's diagnostics.

    `question`, shape (n,), numbers the trials' questions from 0. As in the paper, one trial is left
    out at a time.
    """
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
        elpd = total(pointwise[variant], question)
        yield interval("E5", "elpd_loo", elpd, variant=variant)
        summary = arviz.summary(traces, kind="diagnostics", round_to="none")
        diagnostics = {
            "share_pareto_k_over_0.7": (found.pareto_k.to_numpy() > 0.7).mean(),
            "r_hat_max": summary["r_hat"].max(),
            "ess_bulk_min": summary["ess_bulk"].min(),
            "ess_tail_min": summary["ess_tail"].min(),
            "divergences": fit.divergences,
        }
        for metric, value in diagnostics.items():
            yield number("E5", metric, value, n, variant=variant)
        if variant == "D":
            yield from posterior(fit, n)
    for variant in pointwise:
        if variant != "D":
            lead = total(pointwise["D"] - pointwise[variant], question)
            yield interval("E5", "elpd_lead_of_D", lead, variant=variant)


def posterior(fit: bayes.Fit, n: int) -> Iterator[Row]:
    """Means and 95 % highest-density intervals of the intercepts and weights of D, fit to n trials.

    The draws have shape (chains, draws, heads or columns).
    """
    import arviz

    names = [f"{head}.intercept" for head in design.HEADS]
    names += [f"{head}.{name}" for head, name in design.COLUMNS]
    draws = np.concatenate([fit.draws["intercepts"], fit.draws["weights"]], axis=-1)
    for place, name in enumerate(names):
        own = draws[..., place]
        low, high = arviz.hdi(own.reshape(-1), hdi_prob=0.95)
        mean = float(own.mean())
        found = Interval(mean, min(float(low), mean), max(float(high), mean), n)
        where = {"units": "trials", "variant": "D", "parameter": name}
        yield scores.interval("E5", "posterior_mean", found, **where)


def transfer(
    sampler: bayes.Sampler, given: resample.Sample, data: design.Data, fit: bayes.Fit, seed: int
) -> Iterator[Row]:
    """D, fitted to E5, on E6 without refitting: density, R squared, AUROC and the figure's data.

    R squared is of the confidence in the first-chosen option, over trials and over the means of
    the 36 cells. The intervals are over questions.
    """
    change, confidence = bayes.predictions(data, fit)
    log_likelihood = sampler.log_likelihood(data, fit).reshape(-1, len(data.changed))
    top = log_likelihood.max(axis=0)
    n = len(data.changed)
    where = {"variant": "D", "parameter": "transfer"}
    density = top + np.log(np.exp(log_likelihood - top).mean(axis=0))
    yield interval("E6", "elpd_transfer", total(density, given.question), **where)
    for metric, by_cell in (("r2_trials", False), ("r2_cells", True)):
        found = r_squared(given, data.observed, confidence, by_cell, seed)
        yield interval("E6", metric, found, **where)
    trials = pd.DataFrame(
        {
            "display": np.array(given.displays)[given.display],
            "advice": np.array(given.advices)[given.advice],
            "accuracy": given.accuracy.astype(str),
            "observed": data.observed,
            "predicted": confidence,
        }
    )
    keys = ["display", "advice", "accuracy"]
    cells = trials.groupby(keys, sort=False).mean().reset_index()
    if np.ptp(data.changed):
        yield number("E6", "transfer_auroc", statistics.auroc(change, data.changed), n, **where)
    for cell in cells.to_dict("records"):
        cell_where = where | {key: cell[key] for key in keys}
        for side in ("observed", "predicted"):
            yield number("E6", f"transfer_{side}_confidence", cell[side], n, **cell_where)
    for outcome, name in enumerate(("kept", "changed")):
        counts = np.histogram(change[data.changed == outcome], HISTOGRAM)[0]
        for bin_, count in enumerate(counts):
            yield number("E6", f"transfer_histogram_{name}", count, n, bin=str(bin_), **where)


def r_squared(
    given: resample.Sample, observed: Floats, predicted: Floats, by_cell: bool, seed: int
) -> Interval:
    """R squared over trials, or over the means of cells, with a bootstrap over questions.

    `observed` and `predicted` have shape (n,). Each question has one trial per cell (display,
    advice, accuracy).
    """
    rows = np.lexsort((given.accuracy, given.advice, given.display, given.question))
    pairs = np.stack([observed, predicted])[:, rows].reshape(2, given.questions, -1)

    def share(questions: resample.Ints) -> float:
        drawn = pairs[:, questions]
        return explained(*(drawn.mean(axis=1) if by_cell else drawn.reshape(2, -1)))

    count = given.questions
    rng = np.random.default_rng(seed)
    # The percentile interval: R squared is so skewed that BCa leaves out most of its lower tail.
    draws = np.array([share(rng.integers(0, count, count)) for _ in range(RESAMPLES)])
    return resample.percentiles(share(np.arange(count)), draws, count, resample.DEFINED)


def explained(observed: Floats, predicted: Floats) -> float:
    """Share of the variance of `observed` that `predicted` explains; NaN without variance.

    Both have shape (n,).
    """
    around = ((observed - observed.mean()) ** 2).sum()
    return float(1 - ((observed - predicted) ** 2).sum() / around) if around else np.nan


def total(values: Floats, question: resample.Ints) -> Interval:
    """The sum of `values` with Student's t interval over the sums of the questions.

    Both arguments have shape (n,); `question` numbers the trials' questions from 0.
    """
    found = statistics.seed_interval(np.bincount(question, values))
    return Interval(found.value * found.n, found.low * found.n, found.high * found.n, found.n)


def regressions_of(
    sampler: bayes.Sampler, trials: pd.DataFrame, questions: int, seed: int
) -> Iterator[Row]:
    """All scores of the regressions for one model, from the first `questions` of E5 and of E6."""
    trials = resample.complete(trials)
    first = trials[trials["experiment"] == "first"]
    fitted = resample.temperatures(
        first[first["part"] == "calibration"], 0, np.random.default_rng(0)
    )
    name = str(trials["model"].iloc[0])
    four, other = (
        design.prepared(trials, experiment, questions, fitted.value) for experiment in ("E5", "E6")
    )
    datas = {variant: design.data(*four, variant) for variant in design.VARIANTS}
    fits = {
        variant: sampler.fit(data, seeds.derive(seed, "regressions", name, variant))
        for variant, data in datas.items()
    }
    rows = [*compare(sampler, fits, datas, four[0].question)]
    data = design.data(*other, "D")
    rows += transfer(sampler, other[0], data, fits["D"], seeds.derive(seed, "transfer"))
    for row in rows:
        yield row | {"model": name}


def main(
    trials: list[str],
    regressions: str,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Fit the regressions to each model's table of trials and write their scores."""
    sizes = settings["chains"], settings["warmup"], settings["draws"]
    samplers = {counted: bayes.Sampler(*sizes, counted) for counted in (False, True)}
    rows: list[Row] = []
    for path in progress.track(trials, description="models", unit="model"):
        frame = tables.read(path, TRIALS)
        sampler = samplers[frame["choices"].iloc[0] == SAMPLED]
        rows += regressions_of(sampler, frame, settings["questions"], seed)
    tables.write(pd.DataFrame(rows), regressions, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
