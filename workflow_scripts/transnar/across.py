"""Values of answers by place, and rows on several algorithms or sizes at once.

Rows of order statistics state what most, several or all algorithms reach; their units are the
algorithms or families (`intervals.kth_largest`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.shared import intervals, scores
from workflow_scripts.shared.intervals import DIFFERENCE, SHARE, Mean, Part
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Bounds
from workflow_scripts.transnar.published import FAMILY

Values = NDArray[np.float64]  # (seeds, prompts)
Cell = dict[str, Values]  # algorithm -> its values
Place = tuple[str, str, str, int, str]  # arm, inference, form, nodes, metric
Table = dict[Place, Cell]

ALL = "all"
DECODERS = "decoders trained here"
NEAR_ZERO, CLEAR = 0.1, 0.3  # our reading of "near zero" and "clearly above zero"
SEVERAL = 3  # our reading of "several families"
OUTSIDE = ("interpolation", "extrapolation")


def scopes(algorithms: Sequence[str]) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Each algorithm, each family, and all algorithms, with the algorithms that belong to it."""
    for name in algorithms:
        yield {"algorithm": name, "family": FAMILY[name]}, [name]
    for family, own in families(algorithms).items():
        yield {"algorithm": ALL, "family": family}, own
    yield {"algorithm": ALL, "family": ALL}, list(algorithms)


def families(algorithms: Sequence[str]) -> dict[str, list[str]]:
    """The families of the algorithms, each with those that belong to it."""
    found: dict[str, list[str]] = {}
    for name in algorithms:
        found.setdefault(FAMILY[name], []).append(name)
    return found


def average(cell: Cell, names: Sequence[str], weight: float = 1.0) -> list[Part]:
    """The parts of `weight` times the mean over algorithms, each of which counts the same.

    Values have shape (seeds, prompts).
    """
    return [Part(weight / len(names), cell[name]) for name in names]


def less(first: Cell, second: Cell) -> Cell:
    """`first` minus `second`, shapes (seeds, prompts), on the algorithms that both have."""
    return {name: first[name] - second[name] for name in first if name in second}


def row_of(metric: str, found: Mean, **conditions: Any) -> Row:
    """The row of a mean over seeds and prompts."""
    base: Row = {"units": "seeds", "model": DECODERS}
    return scores.interval("E1", metric, found.interval(), **base | conditions)


def rows(table: Table, sizes: dict[str, int]) -> Iterator[Row]:
    """All rows of this module, on free answers of `hybrid` and `text`; `sizes` maps roles to nodes.

    The interval of `margin_where_text_fails` is for the smaller of its two halves: 0.1 minus the
    score of text alone, and the score of the hybrid minus 0.3.
    """
    clrs = {
        (arm, role): _free(table, sizes, arm, role, "clrs_score")
        for arm in ("text", "hybrid")
        for role in sizes
    }
    gains = {role: less(clrs["hybrid", role], clrs["text", role]) for role in sizes}

    def ranked(
        metric: str, tasks: list[Mean], k: int, role: str, units: str, **more: Any
    ) -> Iterator[Row]:
        if tasks and k <= len(tasks):
            found = intervals.kth_largest(tasks, k)
            place = _place(role, sizes) | {"model": DECODERS} | more
            yield scores.interval("E1", metric, found, units=units, **place)

    for role, gain in gains.items():
        tasks = _each(gain, DIFFERENCE)
        yield from ranked("gain_of_most", tasks, _most(tasks), role, "algorithms")
    near = gains["interpolation"]
    tasks = [
        intervals.mean(average(near, names), bounds=DIFFERENCE)
        for names in families(list(near)).values()
    ]
    yield from ranked("gain_of_several", tasks, SEVERAL, "interpolation", "families")
    for arm in ("text", "hybrid"):
        tasks = _each(clrs[arm, "trained"], SHARE)
        most, alone = _most(tasks), {"arm": arm, "other": None}
        yield from ranked("score_of_most", tasks, most, "trained", "algorithms", **alone)
    parse = less(
        *(_free(table, sizes, arm, "extrapolation", "parse_score") for arm in ("hybrid", "text"))
    )
    tasks = _each(parse, DIFFERENCE)
    yield from ranked("least_parse_gain", tasks, len(tasks), "extrapolation", "algorithms")
    for name in near:
        halves = [
            _shifted(clrs["text", "interpolation"], name, -1.0, NEAR_ZERO),
            _shifted(clrs["hybrid", "interpolation"], name, 1.0, -CLEAR),
        ]
        own = {"algorithm": name, "family": FAMILY[name]}
        yield from ranked("margin_where_text_fails", halves, 2, "interpolation", "halves", **own)
    yield from _gap_by_size(gains, sizes)


def _gap_by_size(gains: dict[str, Cell], sizes: dict[str, int]) -> Iterator[Row]:
    """The gain at each untrained size minus the gain at the trained one; (seeds, prompts) each."""
    for role in OUTSIDE:
        both = [name for name in gains[role] if name in gains["trained"]]
        if both:
            parts = [*average(gains[role], both), *average(gains["trained"], both, -1.0)]
            found = intervals.mean(parts, bounds=(-2.0, 2.0))
            yield row_of("gain_less_trained", found, **_place(role, sizes))


def _free(table: Table, sizes: dict[str, int], arm: str, role: str, metric: str) -> Cell:
    return table.get((arm, "plain", "free", sizes[role], metric), {})


def _place(role: str, sizes: dict[str, int]) -> Row:
    place: Row = {"arm": "hybrid", "other": "text", "inference": "plain", "form": "free"}
    return place | {"role": role, "nodes": sizes[role], "algorithm": ALL, "family": ALL}


def _each(cell: Cell, bounds: Bounds) -> list[Mean]:
    return [intervals.mean(average(cell, [name]), bounds=bounds) for name in cell]


def _most(tasks: Sequence[Any]) -> int:
    """The rank that more than half of the tasks reach."""
    return len(tasks) // 2 + 1


def _shifted(cell: Cell, name: str, sign: float, shift: float) -> Mean:
    """`shift` plus `sign` times the mean score on one algorithm."""
    ends = sorted((shift, shift + sign))
    return intervals.mean(average(cell, [name], sign), shift, (ends[0], ends[1]))
