"""Theory of the paper as exact checks on random cases, in float64.

Every check counts violations or takes the largest error over its cases, which are drawn from the
run's seed. The rows enter the scores unchanged, with `theory` as their model.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared import adaptive_temperature, job, seeds, tables
from workflow_scripts.shared.scores import Row, exact, mean, number
from workflow_scripts.softmax import dispersion, streaming

ROUNDING = 1.0e-9  # relative room for float64 rounding in an inequality
LARGEST_SPREAD = 12.0  # of the random cases; the published means for Gemma are under 6
SLOPE_SPREAD = 5.0
STREAMED_ITEMS = 200_000  # keys per size in the streaming check; larger sets get fewer cases
TABLE_NATS = (0.5, 1.0, 1.5, 2.0, np.log(16), 3.0, 4.0, 5.0, np.log(256), 6.0, np.log(1024))


def bounded_logits(rng: np.random.Generator, cases: int, items: int) -> tuple[np.ndarray, float]:
    """Logits in [0, spread], (cases, items), half of the rows at the ends only, and the spread."""
    spread = float(rng.uniform(0.1, LARGEST_SPREAD))
    logits = rng.uniform(0.0, spread, (cases, items))
    corners = cases // 2
    logits[:corners] = spread * (rng.random((corners, items)) < rng.random((corners, 1)))
    return logits, spread


def bounds(rng: np.random.Generator, cases: int, sizes: Sequence[int]) -> list[Row]:
    """S1: bounds of lemma 2.1, the largest possible weight, its threshold in n, entropy floor."""
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
        exact("S1", "bound_violations", outside, weights_seen, units="weights"),
        exact("S1", "tightest_maximum_violations", above, weights_seen, units="weights"),
        exact("S1", "tightest_maximum_relative_error", worst, len(sizes), units="sizes"),
        exact("S1", "entropy_floor_violations", under, cases * len(sizes), units="cases"),
    ]


def slopes(
    rng: np.random.Generator, cases: int, sizes: Sequence[int], coefficients: Sequence[float]
) -> list[Row]:
    """S1, S10: log-log slope of the largest weight against n, plain and as sharp as can be.

    For S10 the inverse temperature is the polynomial's maximum at every size. The adaptive one is
    lower, and beyond the window it is 1, where the slope would be that of S1. The largest weight
    rises with the inverse temperature, so the adaptive head disperses if this one does.
    """
    peak = peak_beta(coefficients)[1]
    largest: dict[str, list[np.ndarray]] = {"S1": [], "S10": []}
    for items in sizes:
        logits = rng.uniform(0.0, SLOPE_SPREAD, (cases, items))
        largest["S1"].append(dispersion.softmax(logits).max(-1))
        largest["S10"].append(dispersion.softmax(peak * logits).max(-1))
    rows = []
    for experiment, values in largest.items():
        rows += [
            number(experiment, "max_weight", sample.mean(), cases, units="cases", items=items)
            for items, sample in zip(sizes, values, strict=True)
        ]
        each = np.polyfit(np.log(sizes), np.log(np.stack(values)), 1)[0]
        rows.append(mean(experiment, "max_weight_slope", each, units="cases"))
    return rows


def spread_bounds(rng: np.random.Generator, cases: int) -> list[Row]:
    """S3: logit spread of random Q, K and inputs, relative to the singular-value bound."""
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
        exact("S3", "spread_bound_violations", broken, cases, units="cases"),
        exact("S3", "largest_spread_to_bound", closest, cases, units="cases"),
    ]


def entropy_slopes(rng: np.random.Generator, cases: int, sizes: Sequence[int]) -> list[Row]:
    """S4: entropy never rises with beta, and falls at the rate -beta Var_p(e)."""
    rises, worst, step = 0, 0.0, 1.0e-5
    for items in sizes:
        logits, _ = bounded_logits(rng, cases, items)
        beta = float(rng.uniform(0.2, 3.0))
        ends = [
            dispersion.entropy_nats(dispersion.softmax(logits * b))
            for b in (beta - step, beta + step)
        ]
        numeric = (ends[1] - ends[0]) / (2 * step)
        formula = dispersion.entropy_slope(logits, beta)
        rises += int((ends[1] > ends[0] + ROUNDING).sum())
        worst = max(worst, float(np.abs(numeric - formula).max()))
    n = cases * len(sizes)
    return [
        exact("S4", "entropy_rises", rises, n, units="cases"),
        exact("S4", "entropy_slope_error", worst, n, units="cases"),
    ]


def sharpened(
    rng: np.random.Generator, cases: int, sizes: Sequence[int], coefficients: Sequence[float]
) -> list[Row]:
    """S10: adaptive weights over the bound exp(peak x spread)/n, where the temperature is not 1."""
    beyond = rows = 0
    peak = peak_beta(coefficients)[1]
    for items in sizes:
        logits, spread = bounded_logits(rng, cases, items)
        entropy = dispersion.entropy_nats(dispersion.softmax(logits))
        beta = adaptive_temperature.inverse_temperature(coefficients, entropy)
        largest = dispersion.softmax(logits * beta[:, None]).max(-1)[beta > 1]
        high = dispersion.bounds(items, peak * spread)[1]
        beyond += int((largest > high * (1 + ROUNDING)).sum())
        rows += len(largest)
    return [exact("S10", "adaptive_bound_violations", beyond, rows, units="rows")]


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
    """S5: where the published polynomial sharpens, by how much, and whether it ever flattens."""
    low, high = adaptive_temperature.window(coefficients)
    at, beta = peak_beta(coefficients)
    flatter = moved = outside = 0
    for items in sizes:
        logits, _ = bounded_logits(rng, cases, items)
        before = dispersion.entropy_nats(dispersion.softmax(logits))
        betas = adaptive_temperature.inverse_temperature(coefficients, before)
        after = dispersion.entropy_nats(dispersion.softmax(logits * betas[:, None]))
        flatter += int((after > before + ROUNDING).sum())
        past = before > high
        outside += int(past.sum())
        moved += int((betas[past] != 1.0).sum())
    grid = np.asarray(TABLE_NATS)
    table = adaptive_temperature.inverse_temperature(coefficients, grid)
    return [
        exact("S5", "flattened_rows", flatter, cases * len(sizes), units="cases"),
        exact("S5", "changed_past_window", moved, outside, units="cases"),
        exact("S5", "window_low_nats", low, 1, units="cases"),
        exact("S5", "window_high_nats", high, 1, units="cases"),
        exact("S5", "peak_beta", beta, 1, units="cases", entropy_nats=at),
        *(
            exact("S5", "beta", value, 1, units="cases", entropy_nats=entropy)
            for entropy, value in zip(grid, table, strict=True)
        ),
    ]


def stream(
    rng: np.random.Generator, cases: int, sizes: Sequence[int], coefficients: Sequence[float]
) -> list[Row]:
    """S10: largest difference of blockwise from direct attention at the adaptive temperature.

    Also the difference that the guard of the paper's listing makes to the direct form, per size.
    """
    rows: list[Row] = []
    for items in sizes:
        streamed = guarded = 0.0
        count = max(1, min(cases, STREAMED_ITEMS // items))
        for _ in range(count):
            queries, width, block = (int(n) for n in rng.integers(1, [64, 32, 1024]))
            query, key = rng.normal(size=(queries, width)), rng.normal(size=(items, width))
            value = rng.normal(size=(items, 4))
            direct = streaming.direct(query, key, value, coefficients)
            blocks = streaming.streamed(query, key, value, coefficients, block)
            guard = adaptive_temperature.LOG_GUARD
            listing = streaming.direct(query, key, value, coefficients, guard)
            streamed = max(streamed, float(np.abs(direct - blocks).max()))
            guarded = max(guarded, float(np.abs(direct - listing).max()))
        place: Row = {"units": "cases", "items": items}
        rows.append(exact("S10", "streaming_error", streamed, count, **place))
        rows.append(exact("S10", "log_guard_error", guarded, count, **place))
    return rows


def floors(sizes: Sequence[int], spreads: Sequence[float]) -> list[Row]:
    """The entropy floor at each size and logit spread, for the figures."""
    return [
        exact(
            "S1",
            "entropy_floor_nats",
            dispersion.entropy_floor(n, d),
            1,
            units="cases",
            items=n,
            spread=d,
        )
        for d in spreads
        for n in sizes
    ]


def main(
    polynomial: str,
    spread: str,
    table: str,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the score rows of all checks.

    Reads the published `polynomial` and logit `spread`; `settings` is config's `softmax.theory`.
    """
    cases, sizes = settings["cases"], settings["sizes"]
    coefficients = adaptive_temperature.published(polynomial)
    rng = seeds.generator(seed, "softmax", "theory")
    rows = [
        *bounds(rng, cases, sizes),
        *slopes(rng, cases, settings["slope_sizes"], coefficients),
        *sharpened(rng, cases, sizes, coefficients),
        *spread_bounds(rng, cases),
        *entropy_slopes(rng, cases, sizes),
        *correction(rng, cases, sizes, coefficients),
        *stream(rng, cases, sizes, coefficients),
        *floors(sizes, sorted(pd.read_csv(spread)["delta_mean"])),
    ]
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
