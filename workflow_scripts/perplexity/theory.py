"""What can be computed or simulated without a model: sections 3 and 4 (NumPy, float64).

Simulated predictors stand for any model that keeps the premises: probabilities above 1/2 on
alpha, and on beta within the tolerance of continuity of those on alpha.
"""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import bounds, isoperplexity
from workflow_scripts.shared import job, provenance, seeds, tables
from workflow_scripts.shared.statistics import proportion

Row = dict[str, Any]

ROUNDING = 1.0e-12  # of float64, on numbers near 1
LEFT_PANEL, RIGHT_PANEL = 0.5, 0.4  # base accuracy of figure 3 left, base gamma of its right
FLOORS = (1.0e-3, 1.0e-6, 1.0e-12)  # epsilon_num
TOLERANCE = 0.05  # xi of lemma 3.1, nats
GRID = 400  # shifts on a curve


def row(experiment: str, metric: str, value: float, n: int, **conditions: Any) -> Row:
    return {"experiment": experiment, "metric": metric, "value": float(value), "n": n} | conditions


def pair(
    rng: np.random.Generator, size: int, gap: float, gamma: float
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, (n,) each, that a predictor gives alpha's and beta's right bits.

    At every step those of "copying alpha" differ by at most `gap` between the two inputs and are
    above 1/2 on both (so the predictor writes alpha on both); on alpha they are at least
    1 - gamma. Needs gamma + gap < 1/2. At the flipped bit beta's right bit is the other one.
    """
    alpha = rng.uniform(1.0 - gamma, 1.0, size)
    on_beta = np.minimum(alpha + rng.uniform(-gap, gap, size), 1.0)
    at = rng.integers(size)
    on_beta[at] = 1.0 - on_beta[at]
    return alpha, on_beta


def lemma(rng: np.random.Generator, cases: int, sizes: list[int]) -> list[Row]:
    """C1, C2: how often each form of the inequality is broken, and whether xi is kept."""
    rows = []
    broken = {"corrected": 0, "printed": 0}
    uncertain = negative = n = 0
    for floor in FLOORS:
        for size in sizes:
            for _ in range(cases):
                gap = rng.uniform(0.0, 0.2)
                gamma = rng.uniform(0.0, 0.5 - gap)
                alpha, beta = pair(rng, size, gap, gamma)
                nats = [float(bounds.log_perplexity(p, floor)) for p in (alpha, beta)]
                apart = abs(nats[0] - nats[1])
                limit = float(bounds.corrected(size, gap, floor))
                wrong = float(bounds.printed(size, gap, floor))
                broken["corrected"] += apart > limit + ROUNDING
                broken["printed"] += apart > wrong + ROUNDING
                negative += wrong < 0
                uncertain += nats[1] > -np.log1p(-gamma) + limit + ROUNDING
                n += 1
    rows += [row("C1", "bound_broken", count, n, form=form) for form, count in broken.items()]
    rows.append(row("C1", "bound_negative", negative, n, form="printed"))
    rows.append(row("C2", "certainty_bound_broken", uncertain, n))
    far = surer = 0
    for _ in range(cases):
        floor = 10.0 ** rng.uniform(-12, -3)
        size, gap = bounds.enough(TOLERANCE, floor)
        gamma = rng.uniform(0.0, 0.5 - gap)
        alpha, beta = pair(rng, size + int(rng.integers(size)), gap, gamma)
        nats = [float(bounds.log_perplexity(p, floor)) for p in (alpha, beta)]
        far += abs(nats[0] - nats[1]) >= TOLERANCE
        surer += nats[1] >= -np.log1p(-gamma) + TOLERANCE
    return [
        *rows,
        row("C1", "apart_beyond_xi", far, cases, xi=TOLERANCE),
        row("C2", "over_certainty_beyond_xi", surer, cases, xi=TOLERANCE),
    ]


def certain(sizes: list[int]) -> list[Row]:
    """C3: a predictor that is certain of alpha on both inputs: -log(floor)/n exactly."""
    rows, powers = [], []
    for floor in FLOORS:
        beta = [np.append(np.ones(size - 1), 0.0) for size in sizes]
        nats = [float(bounds.log_perplexity(p, floor)) for p in beta]
        powers.append(float(np.polyfit(np.log(sizes), np.log(nats), 1)[0]))
        rows += [
            row("C3", "nats_beta", value, 1, size=size, floor=floor)
            for size, value in zip(sizes, nats, strict=True)
        ]
    return [*rows, row("C3", "log_log_slope", max(powers), len(FLOORS))]


def temperatures(rng: np.random.Generator, cases: int, thetas: list[float]) -> list[Row]:
    """C4: the map of doubts against a softmax over two logits at that temperature."""
    worst = 0.0
    for _ in range(cases):
        logits = rng.normal(0.0, 3.0, 2)
        theta = rng.uniform(0.1, 5.0)
        gamma = 1.0 / (1.0 + np.exp(logits[0] - logits[1]))
        exact = 1.0 / (1.0 + np.exp((logits[0] - logits[1]) / theta))
        worst = max(worst, abs(float(bounds.tempered(gamma, theta)) - exact))
    grid = np.linspace(0.01, 0.49, 49)
    return [row("C4", "temperature_map_error", worst, cases)] + [
        row("C4", "tempered_gamma", float(value), 1, theta=theta, gamma=float(gamma))
        for theta in thetas
        for gamma, value in zip(grid, bounds.tempered(grid, theta), strict=True)
    ]


def unions(
    rng: np.random.Generator, draws: int, sizes: list[int], gammas: list[float], gap: float
) -> list[Row]:
    """C5: error rates of `draws` sampled strings against the union bounds, and which regime holds.

    Doubts are uniform up to gamma on alpha (so the bound has room), up to gamma + gap on beta.
    """
    rows = []
    for gamma in gammas:
        for size in sizes:
            doubts = rng.uniform(0.0, gamma, size)
            shifted = np.clip(doubts + rng.uniform(-gap, gap, size), 0.0, 1.0)
            for string, doubt, most in (("alpha", doubts, gamma), ("beta", shifted, gamma + gap)):
                wrong = sum(int((rng.random(size) < doubt).any()) for _ in range(draws))
                share = proportion(wrong, draws)
                key: Row = {"string": string, "size": size, "gamma": gamma}
                limit = float(bounds.union(size, most))
                exact = float(bounds.some_error(doubt))
                rows += [
                    row("C5", "error_rate", share.value, draws, **key)
                    | {"ci_low": share.low, "ci_high": share.high},
                    row("C5", "error_exact", exact, 1, **key),
                    row("C5", "union_bound", limit, 1, **key),
                ]
    frame = pd.DataFrame(rows).pivot_table(
        index=["string", "size", "gamma"], columns="metric", values="value"
    )
    low = pd.DataFrame([r for r in rows if r["metric"] == "error_rate"])["ci_low"]
    limits = pd.DataFrame([r for r in rows if r["metric"] == "union_bound"])["value"]
    over = int((frame["error_exact"] > frame["union_bound"] + ROUNDING).sum())
    over_sampled = int((low.to_numpy() > limits.to_numpy()).sum())
    rows.append(row("C5", "union_bound_broken", over, len(frame)))
    rows.append(row("C5", "union_bound_broken_sampled", over_sampled, len(frame)))
    return rows


def iso_curves(gammas: list[float], accuracies: list[float]) -> list[Row]:
    """Figure 3: a' against delta / gamma, base accuracy 0.5 on the left, gamma 0.4 on the right."""
    rows = []
    shares = np.linspace(0.0, 1.0, GRID, endpoint=False)
    panels = [("left", LEFT_PANEL, gamma) for gamma in gammas]
    panels += [("right", accuracy, RIGHT_PANEL) for accuracy in accuracies]
    for panel, accuracy, gamma in panels:
        critical = isoperplexity.critical_accuracy(accuracy, gamma, shares * gamma)
        least, at = isoperplexity.minimum(accuracy, gamma)
        key: Row = {"panel": panel, "base_accuracy": accuracy, "gamma": gamma}
        rows += [
            row("E3", "critical_accuracy", float(value), 1, delta_share=float(share), **key)
            for share, value in zip(shares, critical, strict=True)
        ]
        rows.append(row("E3", "least_critical_accuracy", least, 1, delta_share=at, **key))
    return rows


def iso_checks(rng: np.random.Generator, cases: int) -> list[Row]:
    """C8 to C10 over random bases and shifts."""
    accuracy, gamma = rng.uniform(0.0, 1.0, cases), rng.uniform(0.01, 0.49, cases)
    delta = rng.uniform(0.0, 0.99, cases) * gamma
    critical = isoperplexity.critical_accuracy(accuracy, gamma, delta)
    # A predictor's perplexity, from 1,000 predictions one by one: 1,000 a right ones.
    worst = 0.0
    for base, doubt in zip(accuracy, gamma, strict=True):
        right = round(1000 * base)
        each = np.where(np.arange(1000) < right, 1.0 - doubt, doubt)
        formula = float(isoperplexity.log_perplexity(right / 1000, doubt))
        worst = max(worst, abs(float(-np.log(each).mean()) - formula))
    equal = isoperplexity.log_perplexity(accuracy, gamma)
    equal = np.abs(isoperplexity.log_perplexity(critical, gamma - delta) - equal)
    # At a = 0.5: over all starting confidences and all shifts above 0.
    shares = np.linspace(0.0, 1.0, GRID, endpoint=False)[1:]
    wide = np.linspace(0.01, 0.49, 49)[:, None]
    half = isoperplexity.critical_accuracy(LEFT_PANEL, wide, shares * wide) - LEFT_PANEL
    tiny = 1.0e-300  # what is left of gamma
    # Written out: gamma - delta would round to 0.
    nats = isoperplexity.log_perplexity(LEFT_PANEL, wide)
    end = (nats + np.log(tiny)) / (np.log(tiny) - np.log1p(-tiny))
    # At gamma = 0.4: the dip below the base's accuracy, against the rule a > 1 - gamma.
    bases = np.linspace(0.5, 1.0, 501)
    curves = isoperplexity.critical_accuracy(bases[:, None], RIGHT_PANEL, shares * RIGHT_PANEL)
    dips = bases - curves.min(1)
    free = isoperplexity.free_lunch(bases, RIGHT_PANEL)
    # Next to a = 1 - gamma a dip falls between two shifts of the grid.
    clear = np.abs(bases - (1.0 - RIGHT_PANEL)) > 0.005
    mistaken = int(((dips > 0.0) != free)[clear].sum())
    return [
        row("C8", "log_perplexity_error_nats", worst, cases),
        row("C8", "equal_perplexity_error_nats", float(equal.max()), cases),
        row("C9", "least_extra_accuracy", float(half.min()), half.size),
        row("C9", "share_over_5_points", float((half > 0.05).mean()), half.size),
        row("C9", "share_over_10_points", float((half > 0.10).mean()), half.size),
        row("C9", "critical_accuracy_at_end", float(end.min()), wide.size),
        row("C10", "least_dip", float(dips[clear & free].min()), int((clear & free).sum())),
        row("C10", "free_lunch_mistaken", mistaken, int(clear.sum())),
    ]


def main(
    table: str,
    cases: int,
    draws: int,
    sizes: list[int],
    gammas: list[float],
    accuracies: list[float],
    union_gammas: list[float],
    union_gap: float,
    thetas: list[float],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    rng = seeds.generator(seed, "perplexity", "theory")
    rows = [
        *lemma(rng, cases, sizes),
        *certain(sizes),
        *temperatures(rng, cases, thetas),
        *unions(rng, draws, sizes, union_gammas, union_gap),
        *iso_curves(gammas, accuracies),
        *iso_checks(rng, cases),
    ]
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            params.cases,
            params.draws,
            params.sizes,
            params.gammas,
            params.accuracies,
            params.union_gammas,
            params.union_gap,
            params.thetas,
            params.seed,
            provenance=provenance.of(snakemake),
        )
