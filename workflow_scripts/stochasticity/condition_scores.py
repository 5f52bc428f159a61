"""From the draws of one condition to rows of scores.

A condition maps `experiment`, `target`, …, `batch` and `model` to their values. A row adds metric,
number and `cell` (a bin, lag, place or reason). Draws in chains and batches may depend on each
other, so their intervals are over chains or replies (`CHAINED`); their tests of fit are those of
the paper and are read together with the tests of dependence.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workflow_scripts.shared import scores
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import binomial, bootstrap_mean
from workflow_scripts.stochasticity import maps, metrics, targets

LAGS = 16
PLACES = 16  # groups of neighbouring places in a batched reply
CHAINED = {"S5": "chains", "S6": "chains", "S7": "replies"}  # and the units of their intervals


def condition_scores(condition: Row, frame: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Scores of one condition's rows of the draw table."""
    experiment = condition["experiment"]
    if experiment == "S8":
        yield from generators(condition, frame, seed)
        return
    parts = dict(list(frame.groupby("part")))
    if "seed" in parts:
        # The number that the model made up has its own target: uniform on [0, 1].
        yield from fit(condition | {"target": "seed"}, parts["seed"], seed)
    if "count" in parts:
        yield from counts(condition, parts["count"], seed)
    drawn = parts["draw"]
    yield from fit(condition, drawn, seed)
    if experiment in ("S9", "S10"):
        yield from mapped(condition, drawn, seed)
    if experiment in ("S1", "S4", "S11"):
        spent = drawn["tokens"].to_numpy(dtype=float)
        yield tokens(condition, spent, drawn["max_tokens"].max(), "draws")
    if experiment == "S11":
        yield from programs(condition, drawn)
    if experiment == "S7":
        yield from positions(condition, drawn)
    if experiment in CHAINED:
        yield from dependence(condition, drawn, seed)


def share_over(condition: Row, metric: str, hits: ArrayLike, units: NDArray, **more: Any) -> Row:
    """The share of draws that are `hits` (bool), with an interval over their `units`.

    Both have shape (n,). Draws of chains count by chain, others each by itself (Wilson).
    """
    hit = np.asarray(hits, dtype=float)
    row = condition | {"metric": metric} | more
    chained = CHAINED.get(condition["experiment"])
    if chained is None:
        return scores.share(hits=int(hit.sum()), n=hit.size, units="draws", **row)
    number = np.unique(units, return_inverse=True)[1]
    found = metrics.ratio(np.bincount(number, hit), np.bincount(number), (0.0, 1.0))
    return scores.interval(found=found, units=chained, **row)


def tokens(condition: Row, spent: NDArray, most: float, units: str) -> Row:
    """Mean tokens per draw; `spent` has shape (units,), and no reply can spend more than `most`.

    Controls spend none, and have no limit.
    """
    bounds = (0.0, float(most)) if most else None
    row = condition | {"metric": "tokens_per_draw", "units": units}
    return scores.mean(values=spent, bounds=bounds, **row)


def fit(condition: Row, drawn: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Unreadable replies, shares of the cells, tests of fit, effect sizes and duplicates.

    The total variation is accompanied by that of the same number of true draws. How often the test
    would reject is stated for independent draws only.
    """
    units = drawn["unit"].to_numpy()
    kinds = drawn["failure"]
    yield share_over(condition, "failure_rate", kinds.notna(), units)
    for kind in sorted(kinds.dropna().unique()):
        yield share_over(condition, "failure_kind", kinds == kind, units, cell=str(kind))

    target = targets.of(condition["target"])
    known = drawn["value"].notna().to_numpy()
    values, units = drawn["value"].to_numpy()[known], units[known]
    n = values.size
    if n == 0:
        note = "no reply could be read"
        yield scores.absent(metric="draws", note=note, units="draws", **condition)
        return
    number = partial(scores.number, n=n, units="draws", **condition)
    chained = CHAINED.get(condition["experiment"])
    interval = partial(scores.interval, units=chained or "draws", **condition)
    in_cell = target.cells(values)
    for cell, label in enumerate(target.labels):
        yield share_over(condition, "share", in_cell == cell, units, cell=label)
    for name, test in metrics.goodness_of_fit(values, target, seed).items():
        yield number(metric=f"{name}_p", value=test.p)
        yield number(metric=f"{name}_statistic", value=test.statistic)
        if name == "chi_square" and chained is None:
            rate = metrics.rejection_rate(test, target.size - 1)
            yield interval(metric="rejection_rate", found=rate)
    chain = np.unique(units, return_inverse=True)[1]
    by_chain = np.zeros((chain.max() + 1, target.size), dtype=int)
    np.add.at(by_chain, (chain, in_cell), 1)
    p = target.probabilities
    bits = float(np.log2(target.size))
    even = np.full(target.size, 1 / target.size)
    for name, measure, bounds, centre in (
        ("tv", metrics.total_variation, (0.0, 1.0), p),
        ("kl_bits", metrics.kl_bits, (0.0, float(-np.log2(p.min()))), p),
        ("entropy_bits", metrics.entropy_bits, (0.0, bits), even),
    ):
        if chained is None:
            found = metrics.over_counts(by_chain.sum(axis=0), measure, p, seed, bounds, centre)
        else:
            found = metrics.over_chains(by_chain, measure, p, seed, bounds, centre)
        yield interval(metric=name, found=found)
    yield number(metric="tv_of_true_draws", value=metrics.expected_distance(target, n))
    if target.ppf is not None:
        distinct = np.unique(values).size
        found = metrics.wasserstein_1(values, target, seed, units if chained else None)
        yield interval(metric="wasserstein_1", found=found)
        yield number(metric="distinct_values", value=distinct)
        yield number(metric="duplicate_rate", value=1 - distinct / n)


def counts(condition: Row, found: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Batched replies with a wrong count of numbers, and the error, of the replies that ended.

    A reply that was cut off, or that lists no number, is a failure and no count.
    """
    row = condition | {"units": "replies"}
    lost = int(found["failure"].notna().sum())
    yield scores.share(metric="lost_reply_rate", hits=lost, n=len(found), **row)
    errors = found["value"].dropna().to_numpy() - condition["batch"]
    if errors.size == 0:
        note = "no reply ended with a list of numbers"
        yield scores.absent(metric="wrong_count_rate", note=note, **row)
        return
    wrong = int((errors != 0).sum())
    yield scores.share(metric="wrong_count_rate", hits=wrong, n=errors.size, **row)
    yield scores.interval(metric="count_error", found=bootstrap_mean(errors, seed), **row)


def generators(condition: Row, frame: pd.DataFrame, seed: int) -> Iterator[Row]:
    """S8: right outputs by step and overall, whole sequences right, tokens per output.

    Sequences that were cut off are failures, and count in none of these.
    """
    steps = int(condition["batch"])
    first = frame[frame["position"] == 0]
    share = partial(scores.share, units="sequences", **condition)
    kinds = first["failure"].value_counts()
    yield share(metric="failure_rate", hits=int(kinds.sum()), n=len(first))
    for kind, count in sorted(kinds.items()):
        yield share(metric="failure_kind", hits=int(count), n=len(first), cell=str(kind))
    spent = first["tokens"].to_numpy(dtype=float) / steps
    yield tokens(condition, spent, first["max_tokens"].max() / steps, "sequences")
    read = frame[frame["failure"].isna()]
    if read.empty:
        note = "no reply could be read"
        yield scores.absent(metric="draws", note=note, units="sequences", **condition)
        return
    hits = read.pivot(index="unit", columns="position", values="value").to_numpy()
    share = partial(share, n=len(hits))
    for step in range(steps):
        yield share(metric="step_right", hits=int(hits[:, step].sum()), cell=str(step + 1))
    # Outputs of one sequence depend on each other, so the interval is over sequences.
    right = bootstrap_mean(hits.mean(axis=1), seed, bounds=(0.0, 1.0))
    yield scores.interval(metric="outputs_right", found=right, units="sequences", **condition)
    yield share(metric="sequences_right", hits=int(hits.all(axis=1).sum()))


def mapped(condition: Row, drawn: pd.DataFrame, seed: int) -> Iterator[Row]:
    """S9 and S10: right images of the number, errors, and for S9 the distance from the images.

    All are over the replies that were read; the others are failures, not wrong images.
    `map_chance` is the share that would be right if each result belonged to another of the given
    numbers: what a model that does not use the number gets.
    """
    name = condition["style"]
    known = drawn[(drawn["given"] != "") & drawn["value"].notna()]
    known = known[known["given"].map(maps.inside).astype(bool)]
    results = known["value"].to_numpy(dtype=float)
    images = np.array([maps.truth(name, given) for given in known["given"]], dtype=float)
    right = maps.right_image(name, results, images)
    row = condition | {"units": "draws"}
    if not results.size:
        note = "no reply could be read"
        yield scores.absent(metric="map_right", note=note, **row)
        return
    yield scores.share(metric="map_right", hits=int(right.sum()), n=results.size, **row)
    errors = np.abs(results - images)
    yield scores.interval(metric="map_error", found=bootstrap_mean(errors, seed), **row)
    if condition["experiment"] != "S9" or results.size < 2:
        return
    every = maps.right_image(name, results[:, None], images[None, :])
    n = results.size
    chance = (every.sum() - right.sum()) / (n * (n - 1))
    yield scores.number(metric="map_chance", value=float(chance), n=n, **row)
    found = metrics.image_distance(
        results, np.round(images, maps.decimals(name)), targets.of(condition["target"]), seed
    )
    yield scores.interval(metric="image_distance", found=found, **row)


def programs(condition: Row, drawn: pd.DataFrame) -> Iterator[Row]:
    """S11: share of programs that set a seed and share that ran in a network namespace."""
    written = drawn.dropna(subset="seeded")
    share = partial(scores.share, n=len(written), units="programs", **condition)
    yield share(metric="seeded_rate", hits=int(written["seeded"].astype(bool).sum()))
    cut = int(written["network_cut"].astype(bool).sum())
    note = "" if cut == len(written) else "no network namespace here: sockets refused by audit hook"
    yield share(metric="network_cut_rate", hits=cut, note=note)


def positions(condition: Row, drawn: pd.DataFrame) -> Iterator[Row]:
    """S7: test of whether draws depend on their place in the reply; mean draw by place.

    Places form up to `PLACES` groups of neighbours, named by their first place (from 1). Means have
    intervals over replies.
    """
    target, size = targets.of(condition["target"]), int(condition["batch"])
    groups = min(PLACES, size)
    known = drawn[drawn["value"].notna()]
    group = (known["position"].to_numpy() * groups) // size
    values = known["value"].to_numpy()
    table = np.zeros((groups, target.size))
    np.add.at(table, (group, target.cells(values)), 1)
    row = condition | {"units": "draws"}
    yield from _independence("position", metrics.independence(table), row)
    means = known.groupby([group, "unit"])["value"].mean()
    for number in np.unique(group):
        first = -(-number * size // groups) + 1
        here = means.loc[number].to_numpy()
        place = condition | {"units": "replies", "cell": str(first)}
        yield scores.mean(metric="position_mean", values=here, **place)


def _independence(name: str, found: metrics.Independence, row: Row) -> Iterator[Row]:
    """A test of independence: p, statistic, degrees of freedom, and how often it would reject."""
    test, freedom = found
    row = row | {"n": test.n}
    yield scores.number(metric=f"{name}_p", value=test.p, **row)
    if freedom:
        yield scores.number(metric=f"{name}_statistic", value=test.statistic, **row)
        yield scores.number(metric=f"{name}_freedom", value=freedom, **row)
        rate = metrics.rejection_rate(test, freedom)
        del row["n"]
        yield scores.interval(metric=f"{name}_rejection_rate", found=rate, **row)


def dependence(condition: Row, drawn: pd.DataFrame, seed: int) -> Iterator[Row]:
    """S5, S6, S7: ACF, periodicity, transitions and repeats of successive draws."""
    target = targets.of(condition["target"])
    ordered = drawn.sort_values(["unit", "position"], kind="stable")
    chains = [group.to_numpy() for _, group in ordered.groupby("unit")["value"]]
    units = CHAINED[condition["experiment"]]
    lags = min(LAGS, max(len(chain) for chain in chains) - 1)
    interval = partial(scores.interval, units=units, **condition)
    for lag, found in enumerate(metrics.autocorrelation(chains, lags), start=1):
        yield interval(metric="acf", found=found, cell=str(lag))
    period = metrics.periodicity(chains, target, LAGS, seed)
    if period.lag:
        row = condition | {"units": units, "cell": str(period.lag)}
        yield scores.interval(metric="periodicity", found=period.excess, **row)
        yield scores.number(metric="periodicity_p", value=period.p, n=period.excess.n, **row)
    else:
        note = f"fewer than {metrics.FEWEST_CHAINS} {units} of at least 6 draws that vary"
        yield scores.absent(metric="periodicity", note=note, units=units, **condition)

    table = metrics.transitions(chains, target)
    pairs = int(table.sum())
    of_pairs = condition | {"units": "pairs of draws"}
    yield from _independence("transition", metrics.independence(table), of_pairs)
    if pairs:
        own = [metrics.transitions([chain], target) for chain in chains]
        same, every = ([f(each) for each in own] for f in (np.trace, np.sum))
        yield interval(metric="repeat_rate", found=metrics.ratio(same, every, (0.0, 1.0)))
        expected = float((target.probabilities**2).sum())
        p = binomial(int(np.trace(table)), pairs, expected).p
        yield scores.number(metric="repeat_p", value=p, n=pairs, **of_pairs)
    for before, row in zip(target.labels, table, strict=True):
        share = partial(scores.share, n=int(row.sum()), **of_pairs)
        for after, count in zip(target.labels, row, strict=True):
            yield share(metric="transition", hits=int(count), cell=f"{before}>{after}")
