"""Everything the study measured, as one table of scores: one row, one number."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import adaptive_temperature, files, job, provenance, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.statistics import holm, paired_t, proportion, seed_interval

READING = ["normaliser", "inference", "items"]  # how a head was trained, read and tested
CONDITIONS = [*READING, "layer", "entropy_nats", "spread", "power"]
HEAD = "max-retrieval head"
CURVE_NATS = np.linspace(0.0, 7.0, 141)  # where the two polynomials are drawn

Row = dict[str, Any]


def by_seed(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric as a table: rows (normaliser, inference, items), one column for each seed."""
    rows = frame[frame["metric"] == metric]
    return rows.pivot(index=READING, columns="seed", values="value").sort_index()


def accuracies(frame: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """Accuracy of each single head, with Wilson's interval over its sets."""
    rows = frame[frame["metric"] == "accuracy"].copy()
    shares = [
        proportion(round(value * n), int(n))
        for value, n in zip(rows["value"], rows["n"], strict=True)
    ]
    rows["value"] = [share.value for share in shares]
    rows["ci_low"] = [share.low for share in shares]
    rows["ci_high"] = [share.high for share in shares]
    return rows.assign(experiment=experiment)


def pooled(frame: pd.DataFrame, experiment: str) -> list[Row]:
    """Mean over heads of every metric, with Student's interval over heads."""
    rows: list[Row] = []
    for metric in frame["metric"].unique():
        wide = by_seed(frame, metric)
        for key, values in zip(wide.index, wide.to_numpy(), strict=True):
            mean = seed_interval(values)
            row: Row = {"experiment": experiment, "metric": metric, "n": mean.n}
            row |= dict(zip(READING, key, strict=True))
            rows.append(row | {"value": mean.value, "ci_low": mean.low, "ci_high": mean.high})
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
        tests = []
        for key, values in zip(here.index, here.to_numpy(), strict=True):
            place = dict(zip(READING, key, strict=True))
            against = wide.loc[tuple((place | {along: base}).values())].to_numpy()
            row: Row = {"experiment": experiment, "n": len(values), **place}
            mean = seed_interval(values - against)
            test = paired_t(values, against)
            ends = {"value": mean.value, "ci_low": mean.low, "ci_high": mean.high}
            rows.append(row | {"metric": f"accuracy_gain_over_{base}"} | ends)
            rows.append(row | {"metric": "paired_t_p", "value": test.p})
            tests.append((row, test.p))
        for (row, _), p in zip(tests, holm([p for _, p in tests]), strict=True):
            rows.append(row | {"metric": "paired_t_p_holm", "value": float(p)})
    return rows


def slopes(frame: pd.DataFrame, experiment: str) -> list[Row]:
    """Log-log slope of the mean largest weight against the number of items, over heads."""
    rows: list[Row] = []
    for (normaliser, way), values in by_seed(frame, "max_weight").groupby(
        level=["normaliser", "inference"]
    ):
        sizes = values.index.get_level_values("items").to_numpy(dtype=float)
        if len(sizes) < 2:
            continue
        each = np.polyfit(np.log(sizes), np.log(values.to_numpy()), 1)[0]
        mean = seed_interval(each)
        row: Row = {"experiment": experiment, "metric": "max_weight_slope", "n": mean.n}
        row |= {"normaliser": normaliser, "inference": way, "value": mean.value}
        rows.append(row | {"ci_low": mean.low, "ci_high": mean.high})
    return rows


def temperatures(
    points: pd.DataFrame,
    refits: dict[str, Any],
    published: list[float],
    candidates: dict[str, float],
) -> list[Row]:
    """E3: the points of the fits, their coefficients and quality, and every curve beta(H)."""
    rows: list[Row] = []
    base: Row = {"experiment": "E3", "normaliser": "softmax"}
    for criterion, fit in refits.items():
        way: Row = base | {"inference": f"refit_{criterion}"}
        betas = points[f"best_beta_{criterion}"]
        for (_, point), beta in zip(points.iterrows(), betas, strict=True):
            place = {"seed": int(point["seed"]), "items": int(point["items"])}
            row = {"metric": "best_beta", "value": beta, "n": int(point["sets"])}
            rows.append(way | place | row | {"entropy_nats": point["entropy_nats"]})
        low, high = fit["entropy_range_nats"]
        within = np.isclose(betas, candidates["least"]) | np.isclose(betas, candidates["most"])
        for metric, value in (
            ("explained_variance", fit["explained_variance"]),
            ("points_at_grid_end", float(within.mean())),
            ("fit_low_nats", low),
            ("fit_high_nats", high),
        ):
            rows.append(way | {"metric": metric, "value": value, "n": fit["points"]})
        rows += curve(way, fit["coefficients"], (low, high), fit["points"])
    return rows + curve(base | {"inference": "published"}, published, None, 1)


def curve(
    way: Row, coefficients: list[float], domain: tuple[float, float] | None, n: int
) -> list[Row]:
    """A polynomial's coefficients, and its beta(H) where the figures draw it."""
    powers = reversed(range(len(coefficients)))
    rows = [
        way | {"metric": "coefficient", "power": power, "value": value, "n": n}
        for power, value in zip(powers, coefficients, strict=True)
    ]
    betas = adaptive_temperature.inverse_temperature(coefficients, CURVE_NATS, domain)
    return rows + [
        way | {"metric": "beta", "entropy_nats": float(entropy), "value": float(beta), "n": 1}
        for entropy, beta in zip(CURVE_NATS, betas, strict=True)
    ]


def steps(experiment: str, count: int) -> Row:
    return {"experiment": experiment, "metric": "training_steps", "value": float(count), "n": 1}


def main(
    table: str,
    theory: str,
    retrieval: list[str],
    comparison: list[str],
    temperature: str,
    fit: str,
    models: list[str],
    published_csv: str,
    betas: dict[str, float],
    retrieval_steps: int,
    comparison_steps: int,
    provenance: dict[str, Any],
) -> None:
    e1 = pd.concat([tables.read(path) for path in retrieval], ignore_index=True)
    e7 = pd.concat([tables.read(path) for path in comparison], ignore_index=True)
    published = adaptive_temperature.published(published_csv)
    rows = [
        *pooled(e1, "E1"),
        *differences(e1, "E1", "inference", "trained"),
        *slopes(e1, "E1"),
        *pooled(e7, "E7"),
        *differences(e7, "E7", "normaliser", "softmax"),
        *slopes(e7, "E7"),
        *temperatures(tables.read(temperature), files.read_json(fit), published, betas),
        steps("E1", retrieval_steps),
        steps("E7", comparison_steps),
    ]
    heads_ = pd.concat([accuracies(e1, "E1"), accuracies(e7, "E7"), pd.DataFrame(rows)])
    exact = tables.read(theory).assign(model="theory")
    parts = [heads_.assign(model=HEAD), exact, *(tables.read(path) for path in models)]
    columns = ["experiment", *CONDITIONS, "model", "seed", "metric"]
    columns += ["value", "ci_low", "ci_high", "n"]
    frame = pd.concat(parts, ignore_index=True).reindex(columns=columns)
    for column in ("items", "layer", "power"):
        frame[column] = frame[column].astype("Int64")
    tables.write(frame, table, SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        given = snakemake.input
        main(
            snakemake.output.table,
            given.theory,
            list(given.retrieval),
            list(given.comparison),
            given.temperature,
            given.fit,
            list(given.models),
            given.published,
            snakemake.params.betas,
            snakemake.params.retrieval_steps,
            snakemake.params.comparison_steps,
            provenance=provenance.of(snakemake),
        )
