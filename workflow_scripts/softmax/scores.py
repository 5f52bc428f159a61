"""The study's table of scores: one row, one number."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import adaptive_temperature, files, job, scores, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import holm, paired_t, seed_interval, without_spread

PLACE = ["normaliser", "inference", "items"]  # what a head's metric is measured under
CONDITIONS = [*PLACE, "task", "layer", "entropy_nats", "spread", "power"]
HEAD = "max-retrieval head"
ROUNDING = 1.0e-5  # of float32 in a ratio
IN_DISTRIBUTION = 16  # items, the largest set in training
# The range of one head's value, of the metrics that have one.
SHARES = ("accuracy", "largest_item_weight", "max_weight", "bound_violations")
CURVE_NATS = np.linspace(0.0, 7.0, 141)  # entropies at which the polynomials are drawn


def by_seed(frame: pd.DataFrame, metric: str, column: str = "value") -> pd.DataFrame:
    """One metric as a table: rows (normaliser, inference, items), one column per seed."""
    rows = frame[frame["metric"] == metric]
    return rows.pivot(index=PLACE, columns="seed", values=column).sort_index()


def accuracies(frame: pd.DataFrame, experiment: str) -> list[Row]:
    """Accuracy of each single head, with Wilson's interval over its sets."""
    rows = []
    for row in frame[frame["metric"] == "accuracy"].to_dict("records"):
        place = {name: row[name] for name in (*PLACE, "seed")}
        hits = round(row["value"] * row["n"])
        rows.append(scores.share(experiment, "accuracy", hits, row["n"], units="sets", **place))
    return rows


def pooled(frame: pd.DataFrame, experiment: str) -> list[Row]:
    """Mean over heads of every metric, with Student's interval over heads."""
    rows = []
    for metric in frame["metric"].unique():
        wide = by_seed(frame, metric)
        bounds = (0.0, 1.0) if metric in SHARES else None
        for key, values in zip(wide.index, wide.to_numpy(), strict=True):
            place = dict(zip(PLACE, key, strict=True)) | {"units": "heads", "bounds": bounds}
            rows.append(scores.mean(experiment, metric, values, **place))
    return rows


def over_bound(frame: pd.DataFrame, experiment: str) -> list[Row]:
    """Heads whose largest logit spread exceeds the bound of proposition 3.1, per normaliser."""
    found = frame[frame["metric"] == "domain_spread_to_bound"]
    each = found.groupby(["normaliser", "seed"])["value"].max().groupby("normaliser")
    return [
        scores.exact(
            experiment,
            "spread_bound_violations",
            int((values > 1.0 + ROUNDING).sum()),
            len(values),
            units="heads",
            normaliser=normaliser,
        )
        for normaliser, values in each
    ]


def sharpness_lost(frame: pd.DataFrame, experiment: str) -> list[Row]:
    """Weight on the largest item at 16 items less that at the largest size, head by head."""
    rows = []
    for (normaliser, inference), own in by_seed(frame, "largest_item_weight").groupby(
        level=PLACE[:2]
    ):
        values = own.droplevel([0, 1])
        if IN_DISTRIBUTION not in values.index or len(values) < 2:
            continue
        lost = (values.loc[IN_DISTRIBUTION] - values.iloc[-1]).to_numpy()
        place: Row = {"normaliser": normaliser, "inference": inference, "items": values.index[-1]}
        place |= {"units": "heads", "bounds": (-1.0, 1.0)}
        rows.append(scores.mean(experiment, "largest_item_weight_lost", lost, **place))
    return rows


def differences(frame: pd.DataFrame, experiment: str, along: str, base: str) -> list[Row]:
    """Accuracy minus that of `base`, head by head on equal sets: mean, interval, paired t-test.

    `along` is the column (`inference` or `normaliser`) whose values are compared with `base`.
    p-values are also given after Holm's correction over the sizes.
    """
    wide, sets = (by_seed(frame, "accuracy", column) for column in ("value", "n"))
    rows: list[Row] = []
    for name in sorted(set(wide.index.get_level_values(along)) - {base}):
        here = wide.xs(name, level=along, drop_level=False)
        places = [dict(zip(PLACE, key, strict=True)) for key in here.index]
        p_values = []
        for place, values in zip(places, here.to_numpy(), strict=True):
            against = wide.loc[tuple((place | {along: base}).values())].to_numpy()
            gain = f"accuracy_gain_over_{base}"
            drawn = int(sets.loc[tuple(place.values())].sum())
            rows.append(gained(experiment, gain, values - against, drawn, **place))
            p_values.append(paired_t(values, against).p)
        for metric, found in (("paired_t_p", p_values), ("paired_t_p_holm", holm(p_values))):
            rows += [
                scores.number(experiment, metric, p, here.shape[1], units="heads", **place)
                for place, p in zip(places, found, strict=True)
            ]
    return rows


def gained(
    experiment: str, metric: str, gains: NDArray[np.float64], sets: int, **place: Any
) -> Row:
    """The mean gain over heads (n,), Student's interval; over all `sets` where no head gains.

    Without spread over heads an interval over heads is +-31 points, as if a head that was not drawn
    could gain or lose everything. That none of the heads' sets changed bounds the gain much better.
    """
    found, units = seed_interval(gains), "heads"
    if len(gains) > 1 and math.isnan(found.low) and found.value == 0:
        found, units = without_spread(0.0, sets, bounds=(-1.0, 1.0)), "sets"
    return scores.interval(experiment, metric, found, units=units, **place)


def slopes(frame: pd.DataFrame, experiment: str) -> list[Row]:
    """Log-log slope of the mean largest weight against the number of items, over heads."""
    rows = []
    for (normaliser, inference), values in by_seed(frame, "max_weight").groupby(level=PLACE[:2]):
        sizes = values.index.get_level_values("items").to_numpy(dtype=float)
        if len(sizes) < 2:
            continue
        each = np.polyfit(np.log(sizes), np.log(values.to_numpy()), 1)[0]
        place: Row = {"normaliser": normaliser, "inference": inference}
        rows.append(scores.mean(experiment, "max_weight_slope", each, units="heads", **place))
    return rows


def held_out_variance(points: pd.DataFrame, best: str, degree: int) -> list[float]:
    """R^2 of each head's best inverse temperatures, by a polynomial fitted to the other heads.

    `points` has a row per head (`seed`) and size; `best` is the column that is predicted. Points at
    or below 0.5 nats are left out, as in the fit. Heads are left out where too few points remain.
    """
    used = points[points["entropy_nats"] > adaptive_temperature.LEAST_ENTROPY_NATS]
    found = []
    for seed, own in used.groupby("seed"):
        others = used[used["seed"] != seed]
        spread = own[best].var(ddof=0)
        if len(others) <= degree or not spread > 0:
            continue
        fit = np.polyfit(others["entropy_nats"], others[best], degree)
        residual = own[best] - np.polyval(fit, own["entropy_nats"])
        found.append(float(1.0 - (residual**2).mean() / spread))
    return found


def temperatures(
    points: pd.DataFrame,
    refits: dict[str, Any],
    published: list[float],
    candidates: dict[str, float],
) -> list[Row]:
    """E3: the points of the fits, their coefficients and quality, and every curve beta(H)."""
    rows: list[Row] = []
    for criterion, fit in refits.items():
        place: Row = {"normaliser": "softmax", "inference": f"refit_{criterion}"}
        betas = points[f"best_beta_{criterion}"].to_numpy()
        for point, beta in zip(points.to_dict("records"), betas, strict=True):
            at = place | {name: point[name] for name in ("seed", "items", "entropy_nats")}
            rows.append(scores.number("E3", "best_beta", beta, point["sets"], units="sets", **at))
        low, high = fit["entropy_range_nats"]
        at_end = np.isclose(betas, candidates["least"]) | np.isclose(betas, candidates["most"])
        quality = {
            "explained_variance": fit["explained_variance"],
            "points_at_grid_end": at_end.mean(),
            "fit_low_nats": low,
            "fit_high_nats": high,
        }
        over_points: Row = {"n": fit["points"], "units": "points", **place}
        rows += [scores.number("E3", name, value, **over_points) for name, value in quality.items()]
        rows += curve(scores.number, fit["coefficients"], (low, high), **over_points)
        degree = len(fit["coefficients"]) - 1
        if held_out := held_out_variance(points, f"best_beta_{criterion}", degree):
            name = "held_out_explained_variance"
            rows.append(scores.mean("E3", name, held_out, units="heads", **place))
    place = {"normaliser": "softmax", "inference": "published"}
    return rows + curve(scores.exact, published, None, n=1, units="fits", **place)


def curve(
    row: Callable[..., Row],
    coefficients: list[float],
    domain: tuple[float, float] | None,
    **over: Any,
) -> list[Row]:
    """A polynomial's coefficients, and its beta(H) at the entropies where it is drawn."""
    powers = reversed(range(len(coefficients)))
    betas = adaptive_temperature.inverse_temperature(coefficients, CURVE_NATS, domain)
    fit = over | {"n": 1, "units": "fits"}
    return [
        *(
            row("E3", "coefficient", value, power=power, **over)
            for power, value in zip(powers, coefficients, strict=True)
        ),
        *(
            row("E3", "beta", beta, entropy_nats=entropy, **fit)
            for entropy, beta in zip(CURVE_NATS, betas, strict=True)
        ),
    ]


def main(
    theory: str,
    retrieval: list[str],
    comparison: list[str],
    temperature: str,
    fit: str,
    published: str,
    models: list[str],
    adaptive: list[str],
    table: str,
    betas: dict[str, float],
    retrieval_steps: int,
    comparison_steps: int,
    provenance: dict[str, Any],
) -> None:
    """Gather the tables of all experiments into `table`; `betas` is the grid of the E3 fit."""
    coefficients = adaptive_temperature.published(published)
    heads = temperatures(tables.read(temperature), files.read_json(fit), coefficients, betas)
    for experiment, paths, along, base, steps in (
        ("E1", retrieval, "inference", "trained", retrieval_steps),
        ("E7", comparison, "normaliser", "softmax", comparison_steps),
    ):
        frame = pd.concat([tables.read(path) for path in paths], ignore_index=True)
        heads += [
            *accuracies(frame, experiment),
            *pooled(frame, experiment),
            *differences(frame, experiment, along, base),
            *slopes(frame, experiment),
            *over_bound(frame, experiment),
            *sharpness_lost(frame, experiment),
            scores.exact(experiment, "training_steps", steps, 1, units="trainings"),
        ]
    parts = [
        pd.DataFrame(heads).assign(model=HEAD),
        tables.read(theory).assign(model="theory"),
        *(tables.read(path) for path in (*models, *adaptive)),
    ]
    frame = scores.table(parts, CONDITIONS, whole=("items", "layer", "power"))
    tables.write(frame, table, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
