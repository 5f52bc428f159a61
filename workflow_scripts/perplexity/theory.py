"""Sections 3 and 4, computed or simulated without a model (NumPy, float64).

Simulated predictors represent any model that satisfies the premises: probabilities above 1/2 on
alpha, and on beta within the tolerance of continuity of those on alpha.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import bounds, isoperplexity
from workflow_scripts.shared import job, scores, seeds, tables
from workflow_scripts.shared.scores import Row, share
from workflow_scripts.shared.statistics import holm

ROUNDING = 1.0e-12  # of float64, on numbers near 1
LEFT_PANEL, RIGHT_PANEL = 0.5, 0.4  # base accuracy of figure 3 left, base gamma of its right
FLOORS = (1.0e-3, 1.0e-6, 1.0e-12)  # epsilon_num
TOLERANCE = 0.05  # epsilon of proposition 3.2, nats
LEVEL = 0.05  # of the tests of sampled error rates
GRID = 400  # shifts on a curve

exact = partial(scores.exact, units="cases")


def pair_nats(
    rng: np.random.Generator, size: int, gap: float, gamma: float, floor: float
) -> tuple[float, float]:
    """Log-perplexities in nats of a simulated predictor on alpha and beta of `size` bits.

    At every step the probabilities of "copying alpha" differ by at most `gap` between the two
    inputs and are above 1/2 on both, so the predictor writes alpha on both; on alpha they are at
    least 1 - gamma. Requires gamma + gap < 1/2. At the flipped bit beta's right bit is the other.
    """
    alpha = rng.uniform(1.0 - gamma, 1.0, size)
    on_beta = np.minimum(alpha + rng.uniform(-gap, gap, size), 1.0)
    at = rng.integers(size)
    on_beta[at] = 1.0 - on_beta[at]
    return float(bounds.log_perplexity(alpha, floor)), float(bounds.log_perplexity(on_beta, floor))


def lemma(rng: np.random.Generator, cases: int, sizes: list[int]) -> list[Row]:
    """C1, C2: predictors that violate each form of the inequality, or the bound of C2."""
    broken = {"corrected": 0, "printed": 0}
    uncertain = negative = n = 0
    for floor in FLOORS:
        for size in sizes:
            for _ in range(cases):
                gap = rng.uniform(0.0, 0.2)
                gamma = rng.uniform(0.0, 0.5 - gap)
                alpha, beta = pair_nats(rng, size, gap, gamma, floor)
                apart = abs(alpha - beta)
                limit = float(bounds.corrected(size, gap, floor))
                wrong = float(bounds.printed(size, gap, floor))
                broken["corrected"] += apart > limit + ROUNDING
                broken["printed"] += apart > wrong + ROUNDING
                negative += wrong < 0
                uncertain += beta > -np.log1p(-gamma) + limit + ROUNDING
                n += 1
    surer = 0
    for _ in range(cases):
        floor = 10.0 ** rng.uniform(-12, -3)
        size, gap = bounds.enough(TOLERANCE, floor)
        gamma = rng.uniform(0.0, 0.5 - gap)
        size += int(rng.integers(size))
        _, beta = pair_nats(rng, size, gap, gamma, floor)
        surer += beta >= -np.log1p(-gamma) + TOLERANCE
    return [
        *(exact("C1", "bound_broken", count, n, form=form) for form, count in broken.items()),
        exact("C1", "bound_negative", negative, n, form="printed"),
        exact("C2", "certainty_bound_broken", uncertain, n),
        exact("C2", "over_certainty_beyond_xi", surer, cases, xi=TOLERANCE),
    ]


def certain(sizes: list[int]) -> list[Row]:
    """C3: a predictor certain of alpha on both inputs has log-perplexity -log(floor)/n on beta."""
    rows, powers = [], []
    for floor in FLOORS:
        beta = [np.append(np.ones(size - 1), 0.0) for size in sizes]
        nats = [float(bounds.log_perplexity(p, floor)) for p in beta]
        powers.append(float(np.polyfit(np.log(sizes), np.log(nats), 1)[0]))
        rows += [
            exact("C3", "nats_beta", value, 1, size=size, floor=floor)
            for size, value in zip(sizes, nats, strict=True)
        ]
    return [*rows, exact("C3", "log_log_slope", max(powers), len(FLOORS))]


def temperatures(rng: np.random.Generator, cases: int, thetas: list[float]) -> list[Row]:
    """C4: the map of temperatures against a softmax over two logits at that temperature."""
    worst = 0.0
    for _ in range(cases):
        logits = rng.normal(0.0, 3.0, 2)
        theta = rng.uniform(0.1, 5.0)
        gamma = 1.0 / (1.0 + np.exp(logits[0] - logits[1]))
        expected = 1.0 / (1.0 + np.exp((logits[0] - logits[1]) / theta))
        worst = max(worst, abs(float(bounds.tempered(gamma, theta)) - expected))
    grid = np.linspace(0.01, 0.49, 49)
    return [exact("C4", "temperature_map_error", worst, cases)] + [
        exact("C4", "tempered_gamma", value, 1, theta=theta, gamma=gamma)
        for theta in thetas
        for gamma, value in zip(grid, bounds.tempered(grid, theta), strict=True)
    ]


def unions(
    rng: np.random.Generator, draws: int, sizes: list[int], gammas: list[float], gap: float
) -> list[Row]:
    """C5: error rates of `draws` sampled strings against the union bounds.

    Doubts are uniform up to gamma on alpha (so the bound has room), up to gamma + gap on beta. A
    sampled rate is over its bound if an exact one-sided binomial test says so, after Holm's
    correction over all rates: rates at their bounds give a violation in at most 5 % of runs.
    """
    from scipy import stats

    rows: list[Row] = []
    over = 0
    p_values = []
    for gamma in gammas:
        for size in sizes:
            doubts = rng.uniform(0.0, gamma, size)
            shifted = np.clip(doubts + rng.uniform(-gap, gap, size), 0.0, 1.0)
            for string, doubt, most in (("alpha", doubts, gamma), ("beta", shifted, gamma + gap)):
                wrong = sum(int((rng.random(size) < doubt).any()) for _ in range(draws))
                key: Row = {"string": string, "size": size, "gamma": gamma}
                limit = float(bounds.union(size, most))
                probability = float(bounds.some_error(doubt))
                rate = share("C5", "error_rate", wrong, draws, units="draws", **key)
                over += probability > limit + ROUNDING
                p_values.append(stats.binomtest(wrong, draws, limit, "greater").pvalue)
                rows += [
                    rate,
                    exact("C5", "error_exact", probability, 1, **key),
                    exact("C5", "union_bound", limit, 1, **key),
                ]
    count = 2 * len(gammas) * len(sizes)
    over_sampled = int((holm(p_values) < LEVEL).sum())
    return [
        *rows,
        exact("C5", "union_bound_broken", over, count),
        exact("C5", "union_bound_broken_sampled", over_sampled, count),
    ]


def iso_curves(gammas: list[float], accuracies: list[float]) -> list[Row]:
    """Figure 3: a' against delta / gamma; base accuracy 0.5 on the left, gamma 0.4 on the right."""
    rows = []
    shares = np.linspace(0.0, 1.0, GRID, endpoint=False)
    panels = [("left", LEFT_PANEL, gamma) for gamma in gammas]
    panels += [("right", accuracy, RIGHT_PANEL) for accuracy in accuracies]
    for panel, accuracy, gamma in panels:
        critical = isoperplexity.critical_accuracy(accuracy, gamma, shares * gamma)
        least, at = isoperplexity.minimum(accuracy, gamma)
        key: Row = {"panel": panel, "base_accuracy": accuracy, "gamma": gamma}
        rows += [
            exact("E3", "critical_accuracy", value, 1, delta_share=shift, **key)
            for shift, value in zip(shares, critical, strict=True)
        ]
        rows.append(exact("E3", "least_critical_accuracy", least, 1, delta_share=at, **key))
    return rows


def iso_checks(rng: np.random.Generator, cases: int) -> list[Row]:
    """C8 to C10 on random bases and shifts."""
    accuracy, gamma = rng.uniform(0.0, 1.0, cases), rng.uniform(0.01, 0.49, cases)
    delta = rng.uniform(0.0, 0.99, cases) * gamma
    critical = isoperplexity.critical_accuracy(accuracy, gamma, delta)
    # A predictor's perplexity from 1,000 single predictions, of which 1,000 a are right.
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
    tiny = 1.0e-300  # what is left of gamma; as gamma - delta it would round to 0
    nats = isoperplexity.log_perplexity(LEFT_PANEL, wide)
    end = (nats + np.log(tiny)) / (np.log(tiny) - np.log1p(-tiny))
    # At gamma = 0.4: the dip below the base's accuracy, against the criterion a > 1 - gamma.
    bases = np.linspace(0.5, 1.0, 501)
    curves = isoperplexity.critical_accuracy(bases[:, None], RIGHT_PANEL, shares * RIGHT_PANEL)
    dips = bases - curves.min(1)
    free = isoperplexity.free_lunch(bases, RIGHT_PANEL)
    # Close to a = 1 - gamma the dip falls between two shifts of the grid.
    clear = np.abs(bases - (1.0 - RIGHT_PANEL)) > 0.005
    mistaken = int(((dips > 0.0) != free)[clear].sum())
    return [
        exact("C8", "log_perplexity_error_nats", worst, cases),
        exact("C8", "equal_perplexity_error_nats", equal.max(), cases),
        exact("C9", "least_extra_accuracy", half.min(), half.size),
        exact("C9", "share_over_5_points", (half > 0.05).mean(), half.size),
        exact("C9", "share_over_10_points", (half > 0.10).mean(), half.size),
        exact("C9", "critical_accuracy_at_end", end.min(), wide.size),
        exact("C10", "least_dip", dips[clear & free].min(), int((clear & free).sum())),
        exact("C10", "free_lunch_mistaken", mistaken, int(clear.sum())),
    ]


def main(table: str, settings: dict[str, Any], seed: int, provenance: dict[str, Any]) -> None:
    """Write the score rows of all simulations; `settings` is config's `perplexity.theory`."""
    cases, sizes = settings["cases"], settings["sizes"]
    union = (settings[name] for name in ("union_gammas", "union_gap"))
    rng = seeds.generator(seed, "perplexity", "theory")
    rows = [
        *lemma(rng, cases, sizes),
        *certain(sizes),
        *temperatures(rng, cases, settings["thetas"]),
        *unions(rng, settings["draws"], sizes, *union),
        *iso_curves(settings["gammas"], settings["accuracies"]),
        *iso_checks(rng, cases),
    ]
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
