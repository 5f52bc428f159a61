"""From the draws of one condition to rows of scores.

A condition maps `experiment`, `target`, …, `batch` and `model` to their values. A row adds metric,
number and `cell` (a bin, lag, place or reason). Draws in chains and batches may depend on each
other; their tests of fit are those of the paper and are read together with the tests of dependence.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import scores
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import binomial, bootstrap_mean
from workflow_scripts.stochasticity import maps, metrics, targets

LAGS = 16
PLACES = 16  # groups of neighbouring places in a batched reply
EFFECTS = {
    "tv": metrics.total_variation,
    "kl_bits": metrics.kl_bits,
    "entropy_bits": metrics.entropy_bits,
}


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
        yield from counts(condition, parts["count"]["value"].to_numpy(), seed)
    drawn = parts["draw"]
    yield from fit(condition, drawn, seed)
    if experiment in ("S9", "S10"):
        yield from mapped(condition, drawn, seed)
    if experiment in ("S1", "S4", "S11"):
        spent = drawn["tokens"].to_numpy(dtype=float)
        yield scores.mean(metric="tokens_per_draw", values=spent, units="draws", **condition)
    if experiment == "S11":
        yield from programs(condition, drawn)
    if experiment == "S7":
        yield from positions(condition, drawn)
    if experiment in ("S5", "S6", "S7"):
        yield from dependence(condition, drawn, seed)


def fit(condition: Row, drawn: pd.DataFrame, seed: int) -> Iterator[Row]:
    """Unreadable replies, shares of the cells, tests of fit, effect sizes and duplicates.

    The total variation is accompanied by that of the same number of true draws.
    """
    kinds = drawn["failure"].value_counts()
    share = partial(scores.share, n=len(drawn), units="draws", **condition)
    yield share(metric="failure_rate", hits=int(kinds.sum()))
    for kind, count in sorted(kinds.items()):
        yield share(metric="failure_kind", hits=int(count), cell=str(kind))

    target = targets.of(condition["target"])
    values = drawn["value"].dropna().to_numpy()
    n = values.size
    if n == 0:
        note = "no reply could be read"
        yield scores.absent(metric="draws", note=note, units="draws", **condition)
        return
    share = partial(scores.share, n=n, units="draws", **condition)
    number = partial(scores.number, n=n, units="draws", **condition)
    interval = partial(scores.interval, units="draws", **condition)
    cells = target.counts(values)
    for label, count in zip(target.labels, cells, strict=True):
        yield share(metric="share", hits=int(count), cell=label)
    for name, test in metrics.goodness_of_fit(values, target, seed).items():
        yield number(metric=f"{name}_p", value=test.p)
        yield number(metric=f"{name}_statistic", value=test.statistic)
        if name == "chi_square":
            rate = metrics.rejection_rate(test, target.size - 1)
            yield interval(metric="rejection_rate", found=rate)
    for name, effect in EFFECTS.items():
        found = metrics.over_counts(cells, effect, target.probabilities, seed)
        yield interval(metric=name, found=found)
    yield number(metric="tv_of_true_draws", value=metrics.expected_distance(target, n))
    if target.ppf is not None:
        distinct = np.unique(values).size
        found = metrics.wasserstein_1(values, target, seed)
        yield interval(metric="wasserstein_1", found=found)
        yield number(metric="distinct_values", value=distinct)
        yield share(metric="duplicate_rate", hits=n - distinct)


def counts(condition: Row, found: NDArray, seed: int) -> Iterator[Row]:
    """Batched replies with a wrong count of numbers, and the error; `found`: shape (replies,)."""
    errors = found - condition["batch"]
    row = condition | {"units": "replies"}
    wrong = int((errors != 0).sum())
    yield scores.share(metric="wrong_count_rate", hits=wrong, n=errors.size, **row)
    yield scores.interval(metric="count_error", found=bootstrap_mean(errors, seed), **row)


def generators(condition: Row, frame: pd.DataFrame, seed: int) -> Iterator[Row]:
    """S8: right outputs by step and overall, whole sequences right, tokens per output."""
    hits = frame.pivot(index="unit", columns="position", values="value").to_numpy()
    sequences, steps = hits.shape
    share = partial(scores.share, n=sequences, units="sequences", **condition)
    interval = partial(scores.interval, units="sequences", **condition)
    for step in range(steps):
        yield share(metric="step_right", hits=int(hits[:, step].sum()), cell=str(step + 1))
    # Outputs of one sequence depend on each other, so the interval is over sequences.
    yield interval(metric="outputs_right", found=bootstrap_mean(hits.mean(axis=1), seed))
    yield share(metric="sequences_right", hits=int(hits.all(axis=1).sum()))
    spent = frame.loc[frame["position"] == 0, "tokens"].to_numpy() / steps
    yield interval(metric="tokens_per_draw", found=bootstrap_mean(spent, seed))


def mapped(condition: Row, drawn: pd.DataFrame, seed: int) -> Iterator[Row]:
    """S9 and S10: share of results that are the true image of the number, and the mean error.

    Unreadable replies count as wrong; errors are over the others.
    """
    name = condition["style"]
    known = drawn[(drawn["given"] != "") & drawn["value"].notna()]
    pairs = [(g, v) for g, v in zip(known["given"], known["value"], strict=True) if maps.inside(g)]
    right = sum(maps.right(name, given, value) for given, value in pairs)
    row = condition | {"units": "draws"}
    yield scores.share(metric="map_right", hits=right, n=len(drawn), **row)
    if pairs:
        errors = [abs(value - maps.truth(name, given)) for given, value in pairs]
        yield scores.interval(metric="map_error", found=bootstrap_mean(errors, seed), **row)


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

    Places form up to `PLACES` groups of neighbours, named by their first place (from 1).
    """
    target, size = targets.of(condition["target"]), int(condition["batch"])
    groups = min(PLACES, size)
    known = drawn[drawn["value"].notna()]
    group = (known["position"].to_numpy() * groups) // size
    values = known["value"].to_numpy()
    table = np.zeros((groups, target.size))
    np.add.at(table, (group, target.cells(values)), 1)
    test = metrics.independence(table)
    row = condition | {"units": "draws"}
    yield scores.number(metric="position_p", value=test.p, n=test.n, **row)
    rows, columns = (int((table.sum(axis=axis) > 0).sum()) for axis in (1, 0))
    if test.n and rows > 1 and columns > 1:
        rate = metrics.rejection_rate(test, (rows - 1) * (columns - 1))
        yield scores.interval(metric="position_rejection_rate", found=rate, **row)
    for number in range(groups):
        first = -(-number * size // groups) + 1
        here = values[group == number]
        if here.size:
            yield scores.mean(metric="position_mean", values=here, cell=str(first), **row)


def dependence(condition: Row, drawn: pd.DataFrame, seed: int) -> Iterator[Row]:
    """S5, S6, S7: ACF, periodicity, transitions and repeats of successive draws."""
    target = targets.of(condition["target"])
    ordered = drawn.sort_values(["unit", "position"], kind="stable")
    chains = [group.to_numpy() for _, group in ordered.groupby("unit")["value"]]
    units = "replies" if condition["experiment"] == "S7" else "chains"
    lags = min(LAGS, max(len(chain) for chain in chains) - 1)
    interval = partial(scores.interval, **condition)
    acf, resampled = metrics.autocorrelation(chains, lags, seed)
    for lag, value in enumerate(acf, start=1):
        found = metrics.around(value, resampled[:, lag - 1], len(chains))
        yield interval(metric="acf", found=found, units=units, cell=str(lag))
    found, period = metrics.periodicity(chains, lags, seed)
    yield interval(metric="periodicity", found=found, units=units, cell=period)

    table = metrics.transitions(chains, target)
    pairs = int(table.sum())
    test = metrics.independence(table)
    of_pairs = condition | {"units": "pairs of draws", "n": pairs}
    yield scores.number(metric="transition_p", value=test.p, **of_pairs)
    if pairs:
        rate = metrics.rejection_rate(test, (target.size - 1) ** 2)
        yield interval(metric="transition_rejection_rate", found=rate, units="pairs of draws")
        repeats = int(np.trace(table))
        yield scores.share(metric="repeat_rate", hits=repeats, **of_pairs)
        expected = float((target.probabilities**2).sum())
        p = binomial(repeats, pairs, expected).p
        yield scores.number(metric="repeat_p", value=p, **of_pairs)
    for before, row in zip(target.labels, table, strict=True):
        share = partial(scores.share, n=int(row.sum()), units="pairs of draws", **condition)
        for after, count in zip(target.labels, row, strict=True):
            yield share(metric="transition", hits=int(count), cell=f"{before}>{after}")
