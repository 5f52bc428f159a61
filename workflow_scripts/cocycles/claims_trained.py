"""Claims about trained processors: what figure 2 shows, and what our training runs say about it.

Only a run of the paper's length decides a difference; a shorter run, or fewer tasks, does not.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from workflow_scripts.cocycles import measurements, published
from workflow_scripts.cocycles.measurements import RESOLUTION
from workflow_scripts.shared.claims import (
    POSITIVE,
    PROTOCOL,
    Claim,
    Published,
    Region,
    rounding,
)

PARALLEL = ("bfs", "bellman_ford", "floyd_warshall")
SEQUENTIAL = ("dfs", "articulation_points", "bridges", "topological_sort")
EVERY = ("L1", "L2", "L3")
ROUNDING = rounding(1.0e-4)  # of float32 values of some tens


def compared(
    means: pd.DataFrame, id_: str, statement: str, algorithm: str, *pairs: tuple[str, str]
) -> Claim:
    """A claim that the first level of each pair scores higher than the second.

    `means` are those of figure 2; `algorithm` is one of CLRS-30, or `all`.
    """
    row = means.mean() if algorithm == "all" else means.loc[algorithm]
    levels = ("L2", "L3") if algorithm in SEQUENTIAL else EVERY
    differences = ", ".join(f"{model} - {other}" for model, other in pairs)
    return Claim(
        id=id_,
        statement=statement,
        source="figure 2",
        quantity=f"difference in score outside the training sizes: {differences}",
        region=POSITIVE,
        decided_by=PROTOCOL,
        test=partial(measurements.difference, algorithm, pairs),
        published=Published(
            ", ".join(f"{level} {row[level]:.2f}" for level in levels), "digitised", "figure 2"
        ),
    )


def trained(figure_2: str | Path) -> Iterator[Claim]:
    """Claims C11 to C14 and C16, with the published numbers in the file `figure_2`."""
    means = published.means(published.read(figure_2))
    claim = partial(compared, means)
    ahead = int((means["L2"] > means["L3"] + RESOLUTION).sum())
    average = "On average over CLRS-30, level {} does better outside the training sizes than {}."
    yield claim("C11a", average.format(3, 2), "all", ("L3", "L2"))
    yield claim("C11b", average.format(2, 1), "all", ("L2", "L1"))
    for letter, task in zip("abc", PARALLEL, strict=True):
        statement = f"Levels 2 and 3 do well above level 1 on {task}, a parallel task."
        yield claim(f"C12{letter}", statement, task, ("L2", "L1"), ("L3", "L1"))
    for letter, task in zip("abcd", SEQUENTIAL, strict=True):
        statement = f"Level 3 does better than level 2 on {task}, a sequential task."
        yield claim(f"C13{letter}", statement, task, ("L3", "L2"))
    yield Claim(
        id="C14a",
        statement="The order is not uniform: on some tasks level 2 does better than level 3.",
        source="derived from figure 2",
        quantity="tasks on which level 2 is above level 3 by more than 0.005",
        region=Region(low=1.0),
        decided_by=PROTOCOL,
        test=partial(measurements.tasks_won, "L2", "L3"),
        published=Published(ahead, "derived", "figure 2, digitised"),
    )
    yield claim(
        "C14b", "On quickselect level 1 does best.", "quickselect", ("L1", "L2"), ("L1", "L3")
    )
    yield Claim(
        id="C16a",
        statement="A trained level-3 layer does not preserve max, the sum under which it is "
        "trained, and so is asynchronous only in part.",
        source="derived from section 5",
        quantity="largest gap between the map of a maximum and the maximum of the maps",
        region=POSITIVE,
        decided_by=PROTOCOL,
        test=partial(measurements.gap, "max"),
    )
    yield Claim(
        id="C16b",
        statement="A trained level-3 layer preserves logsumexp, up to rounding.",
        source="derived from section 5",
        quantity="largest gap between the map of a sum and the sum of the maps",
        region=ROUNDING,
        decided_by=PROTOCOL,
        test=partial(measurements.gap, "logsumexp"),
    )
