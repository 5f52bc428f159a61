"""The study's table of scores: one row, one number."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import adaptive_temperature, files, job, scores, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import holm, paired_t

PLACE = ["normaliser", "inference", "items"]  # what a head's metric is measured under
CONDITIONS = [*PLACE, "layer", "entropy_nats", "spread", "power"]
HEAD = "max-retrieval head"
CURVE_NATS = np.linspace(0.0, 7.0, 141)  # entropies at which the polynomials are drawn


def by_seed(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric as a table: a row per normaliser, inference and size, a column per seed."""
    rows = frame[frame["metric"] == metric]
    return rows.pivot(index=PLACE, columns="seed", values="value").sort_index()


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
        for key, values in zip(wide.index, wide.to_numpy(), strict=True):
            place = dict(zip(PLACE, key, strict=True))
            rows.append(scores.mean(experiment, metric, values, units="heads", **place))
    return rows


def differences(frame: pd.DataFrame, experiment: str, along: str, base: str) -> list[Row]:
    """Accuracy minus that of `base`, head by head on equal sets: mean, interval, paired t-test.

    `along` is the column (`inference` or `normaliser`) whose values are compared with `base`.
    p-values are also given after Holm's correction over the sizes.
    """
    wide = by_seed(frame, "accuracy")
    rows: list[Row] = []
    for name in sorted(set(wide.index.get_level_values(along)) - {base}):
        here = wide.xs(name, level=along, drop_level=False)
        places = [dict(zip(PLACE, key, strict=True)) for key in here.index]
        p_values = []
        for place, values in zip(places, here.to_numpy(), strict=True):
            against = wide.loc[tuple((place | {along: base}).values())].to_numpy()
            gain = f"accuracy_gain_over_{base}"
            rows.append(scores.mean(experiment, gain, values - against, units="heads", **place))
            p_values.append(paired_t(values, against).p)
        for metric, found in (("paired_t_p", p_values), ("paired_t_p_holm", holm(p_values))):
            rows += [
                scores.number(experiment, metric, p, here.shape[1], units="heads", **place)
                for place, p in zip(places, found, strict=True)
            ]
    return rows


def slopes(frame: pd.DataFrame, experiment: str) -> list[Row]:
    """Log-log slope of the mean largest weight against the number of items, over heads."""
    rows = []
    for (normaliser, inference), values in by_seed(frame, "max_weight").groupby(level=PLACE[:2]):
        sizes = values.index.get_level_values("items").to_numpy(dtype=float)
        if len(sizes) < 2:
            continue
        each = np.polyfit(np.log(sizes), np.log(values.to_numpy()), 1)[0]
        place = {"normaliser": normaliser, "inference": inference}
        rows.append(scores.mean(experiment, "max_weight_slope", each, units="heads", **place))
    return rows


def temperatures(
    points: pd.DataFrame,
    refits: dict[str, Any],
    published: list[float],
    candidates: dict[str, float],
) -> list[Row]:
    """E3: the points of the fits, their coefficients and quality, and every curve beta(H)."""
    rows: list[Row] = []
    for criterion, fit in refits.items():
        place = {"normaliser": "softmax", "inference": f"refit_{criterion}"}
        betas = points[f"best_beta_{criterion}"].to_numpy()
        for point, beta in zip(points.to_dict("records"), betas, strict=True):
            at = place | {name: point[name] for name in ("seed", "items", "entropy_nats")}
            rows.append(scores.number("E3", "best_beta", beta, point["sets"], units="sets", **at))
        low, high = fit["entropy_range_nats"]
        within = np.isclose(betas, candidates["least"]) | np.isclose(betas, candidates["most"])
        quality = {
            "explained_variance": fit["explained_variance"],
            "points_at_grid_end": within.mean(),
            "fit_low_nats": low,
            "fit_high_nats": high,
        }
        over_points: Row = {"n": fit["points"], "units": "points", **place}
        rows += [scores.number("E3", name, value, **over_points) for name, value in quality.items()]
        rows += curve(scores.number, fit["coefficients"], (low, high), **over_points)
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
    table: str,
    betas: dict[str, float],
    retrieval_steps: int,
    comparison_steps: int,
    provenance: dict[str, Any],
) -> None:
    """Gather the study's tables into its scores; `betas` is the grid of the temperature fit."""
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
            scores.exact(experiment, "training_steps", steps, 1, units="trainings"),
        ]
    parts = [
        pd.DataFrame(heads).assign(model=HEAD),
        tables.read(theory).assign(model="theory"),
        *(tables.read(path) for path in models),
    ]
    frame = scores.table(parts, CONDITIONS, whole=("items", "layer", "power"))
    tables.write(frame, table, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
