"""Theory of the paper as exact checks on random cases, in float64.

Every check counts violations or takes the largest error over its cases, which come from the run's
seed. The rows go into the scores as they are, under the model name `theory`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import adaptive_temperature, job, provenance, seeds, tables
from workflow_scripts.shared.statistics import seed_interval
from workflow_scripts.softmax import dispersion, streaming

ROUNDING = 1.0e-9  # relative room for float64 rounding in an inequality
LARGEST_SPREAD = 12.0  # of the random cases; the published means for Gemma are under 6
SLOPE_SPREAD = 5.0
TABLE_NATS = (0.5, 1.0, 1.5, 2.0, np.log(16), 3.0, 4.0, 5.0, np.log(256), 6.0, np.log(1024))

Row = dict[str, Any]


def row(experiment: str, metric: str, value: float, n: int, **conditions: float) -> Row:
    """One score, exact: both ends of its interval are the value."""
    number = float(value)
    ends = {"value": number, "ci_low": number, "ci_high": number}
    return {"experiment": experiment, "metric": metric, "n": n, **ends, **conditions}


def bounded_logits(rng: np.random.Generator, cases: int, items: int) -> tuple[np.ndarray, float]:
    """Logits in [0, spread], shape (cases, items): half uniform, half at the two ends only."""
    spread = float(rng.uniform(0.1, LARGEST_SPREAD))
    logits = rng.uniform(0.0, spread, (cases, items))
    corners = cases // 2
    logits[:corners] = spread * (rng.random((corners, items)) < rng.random((corners, 1)))
    return logits, spread


def bounds(rng: np.random.Generator, cases: int, sizes: Sequence[int]) -> list[Row]:
    """S1: both bounds, the tightest maximum, its threshold in n, and the entropy floor."""
    outside = above = under = weights_seen = 0
    worst = 0.0
    for items in sizes:
        logits, spread = bounded_logits(rng, cases, items)
        theta = float(rng.uniform(0.25, 2.0))
        weights = dispersion.softmax(logits, theta)
        low, high = dispersion.bounds(items, spread, theta)
        outside += int((weights < low * (1 - ROUNDING)).sum())
        outside += int((weights > high * (1 + ROUNDING)).sum())
        tightest = float(dispersion.largest_weight(items, spread, theta))
        above += int((weights > tightest * (1 + ROUNDING)).sum())
        floor = dispersion.entropy_floor(items, spread / theta)
        under += int((dispersion.entropy_nats(weights) < floor - ROUNDING).sum())
        alone = dispersion.softmax(np.where(np.arange(items) == 0, spread, 0.0), theta)[0]
        threshold = dispersion.items_below(alone, spread, theta)
        worst = max(worst, abs(alone / tightest - 1), abs(threshold / items - 1))
        weights_seen += weights.size
    return [
        row("S1", "bound_violations", outside, weights_seen),
        row("S1", "tightest_maximum_violations", above, weights_seen),
        row("S1", "tightest_maximum_relative_error", worst, len(sizes)),
        row("S1", "entropy_floor_violations", under, cases * len(sizes)),
    ]


def slopes(
    rng: np.random.Generator, cases: int, sizes: Sequence[int], coefficients: Sequence[float]
) -> list[Row]:
    """S1, S10: log-log slope of the largest weight against n, at theta = 1 and adaptive."""
    largest: dict[str, list[np.ndarray]] = {"S1": [], "S10": []}
    beyond = 0
    peak = peak_beta(coefficients)[1]
    for items in sizes:
        logits = rng.uniform(0.0, SLOPE_SPREAD, (cases, items))
        weights = dispersion.softmax(logits)
        entropy = dispersion.entropy_nats(weights)
        beta = adaptive_temperature.inverse_temperature(coefficients, entropy)
        sharper = dispersion.softmax(logits * beta[:, None])
        largest["S1"].append(weights.max(-1))
        largest["S10"].append(sharper.max(-1))
        high = dispersion.bounds(items, peak * SLOPE_SPREAD)[1]
        beyond += int((sharper > high * (1 + ROUNDING)).sum())
    rows = [row("S10", "adaptive_bound_violations", beyond, cases * sum(sizes))]
    for experiment, values in largest.items():
        for items, sample in zip(sizes, values, strict=True):
            rows.append(row(experiment, "max_weight", sample.mean(), cases, items=items))
        each = np.polyfit(np.log(sizes), np.log(np.stack(values)), 1)[0]
        mean = seed_interval(each)
        exact = row(experiment, "max_weight_slope", mean.value, mean.n)
        rows.append(exact | {"ci_low": mean.low, "ci_high": mean.high})
    return rows


def spread_bounds(rng: np.random.Generator, cases: int) -> list[Row]:
    """S3: logit spread of random Q, K and inputs against the singular-value bound."""
    broken, closest = 0, 0.0
    for _ in range(cases):
        inputs, width, items = (int(n) for n in rng.integers(2, 48, 3))
        query_map, key_map = rng.normal(size=(2, inputs, width))
        query, keys = rng.normal(size=inputs), rng.normal(size=(items, inputs))
        logits = (keys @ key_map) @ (query @ query_map) / np.sqrt(width)
        bound = dispersion.spread_bound(query_map, key_map, query, keys, np.sqrt(width))
        ratio = float(np.ptp(logits)) / bound
        broken += ratio > 1 + ROUNDING
        closest = max(closest, ratio)
    return [
        row("S3", "spread_bound_violations", broken, cases),
        row("S3", "largest_spread_to_bound", closest, cases),
    ]


def entropy_slopes(rng: np.random.Generator, cases: int, sizes: Sequence[int]) -> list[Row]:
    """S4: entropy never rises with beta, and falls at the rate -beta Var_p(e)."""
    rises, worst, n, step = 0, 0.0, 0, 1.0e-5
    for items in sizes:
        logits, _ = bounded_logits(rng, cases, items)
        beta = float(rng.uniform(0.2, 3.0))
        ends = [
            dispersion.entropy_nats(dispersion.softmax(logits * b))
            for b in (beta - step, beta + step)
        ]
        numeric = (ends[1] - ends[0]) / (2 * step)
        exact = dispersion.entropy_slope(logits, beta)
        rises += int((ends[1] > ends[0] + ROUNDING).sum())
        worst = max(worst, float(np.abs(numeric - exact).max()))
        n += cases
    return [
        row("S4", "entropy_rises", rises, n),
        row("S4", "entropy_slope_error", worst, n),
    ]


def peak_beta(coefficients: Sequence[float]) -> tuple[float, float]:
    """Entropy in nats at which the polynomial is largest within its window, and beta there."""
    low, high = adaptive_temperature.window(coefficients)
    turns = np.roots(np.polyder(np.asarray(coefficients)))
    real = turns[np.abs(turns.imag) < 1e-9].real
    inside = real[(real > low) & (real < high)]
    betas = np.polyval(coefficients, inside)
    return float(inside[betas.argmax()]), float(betas.max())


def correction(
    rng: np.random.Generator, cases: int, sizes: Sequence[int], coefficients: Sequence[float]
) -> list[Row]:
    """S5: where the published polynomial sharpens, by how much, and that it never flattens."""
    low, high = adaptive_temperature.window(coefficients)
    at, beta = peak_beta(coefficients)
    flatter = n = 0
    for items in sizes:
        logits, _ = bounded_logits(rng, cases, items)
        before = dispersion.entropy_nats(dispersion.softmax(logits))
        betas = adaptive_temperature.inverse_temperature(coefficients, before)
        after = dispersion.entropy_nats(dispersion.softmax(logits * betas[:, None]))
        flatter += int((after > before + ROUNDING).sum())
        n += cases
    rows = [
        row("S5", "flattened_rows", flatter, n),
        row("S5", "window_low_nats", low, 1),
        row("S5", "window_high_nats", high, 1),
        row("S5", "peak_beta", beta, 1, entropy_nats=at),
    ]
    grid = np.asarray(TABLE_NATS)
    table = adaptive_temperature.inverse_temperature(coefficients, grid)
    return rows + [
        row("S5", "beta", value, 1, entropy_nats=entropy)
        for entropy, value in zip(grid, table, strict=True)
    ]


def stream(rng: np.random.Generator, cases: int, coefficients: Sequence[float]) -> list[Row]:
    """S10: blockwise against direct attention at the adaptive temperature."""
    worst = 0.0
    for _ in range(cases):
        queries, items, width, block = (int(n) for n in rng.integers(1, [8, 600, 32, 128]))
        query, key = rng.normal(size=(queries, width)), rng.normal(size=(items, width))
        value = rng.normal(size=(items, 4))
        direct = streaming.direct(query, key, value, coefficients)
        blocks = streaming.streamed(query, key, value, coefficients, block)
        worst = max(worst, float(np.abs(direct - blocks).max()))
    return [row("S10", "streaming_error", worst, cases)]


def floors(sizes: Sequence[int], spreads: Sequence[float]) -> list[Row]:
    """The entropy floor against n for the given logit spreads, for the figures."""
    return [
        row("S1", "entropy_floor_nats", dispersion.entropy_floor(n, d), 1, items=n, spread=d)
        for d in spreads
        for n in sizes
    ]


def main(
    table: str,
    published_csv: str | Path,
    spread_csv: str | Path,
    cases: int,
    sizes: list[int],
    slope_sizes: list[int],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    coefficients = adaptive_temperature.published(published_csv)
    spreads = sorted(pd.read_csv(spread_csv)["delta_mean"])
    rng = seeds.generator(seed, "softmax", "theory")
    rows = [
        *bounds(rng, cases, sizes),
        *slopes(rng, cases, slope_sizes, coefficients),
        *spread_bounds(rng, cases),
        *entropy_slopes(rng, cases, sizes),
        *correction(rng, cases, sizes, coefficients),
        *stream(rng, cases, coefficients),
        *floors(sizes, spreads),
    ]
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.output.table,
            snakemake.input.polynomial,
            snakemake.input.spread,
            snakemake.params.cases,
            snakemake.params.sizes,
            snakemake.params.slope_sizes,
            snakemake.params.seed,
            provenance=provenance.of(snakemake),
        )
