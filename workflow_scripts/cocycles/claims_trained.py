"""Claims about trained processors: what figure 2 shows, and what our training runs say about it.

Figure 2 can be decided only by the paper's protocol. Which sums a trained map preserves follows
from the form of the map, so any training decides C16a and C16b.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.cocycles import measurements, protocols, published
from workflow_scripts.cocycles.measurements import RESOLUTION
from workflow_scripts.shared.claims import (
    ANY_PROTOCOL,
    POSITIVE,
    PROTOCOL,
    Claim,
    Kind,
    Published,
    Region,
)
from workflow_scripts.shared.protocol import Protocol

PARALLEL = ("bfs", "bellman_ford", "floyd_warshall")
SEQUENTIAL = ("dfs", "articulation_points", "bridges", "topological_sort")
EVERY = ("L1", "L2", "L3")
ROUNDING = 1.0e-4  # of float32 values of some tens
WELL_ABOVE = Region(low=0.05)  # our reading


def figure(means: pd.DataFrame, algorithm: str, levels: tuple[str, ...] = EVERY) -> Published:
    """The means of figure 2 on one algorithm of CLRS-30, or on `all`."""
    row = means.mean() if algorithm == "all" else means.loc[algorithm]
    values = ", ".join(f"{level} {row[level]:.2f}" for level in levels)
    return Published(values, "digitised", "figure 2")


def compared(
    run: Protocol,
    means: pd.DataFrame,
    id_: str,
    statement: str,
    algorithm: str,
    *pairs: tuple[str, str],
    region: Region = POSITIVE,
) -> Claim:
    """A claim that the first level of each pair scores higher than the second.

    `means` are those of figure 2; `algorithm` is one of CLRS-30, or `all`.
    """
    differences = ", ".join(f"{model} - {other}" for model, other in pairs)
    return Claim(
        id=id_,
        statement=statement,
        source="figure 2",
        quantity=f"difference in score outside the training sizes: {differences}",
        region=region,
        decided_by=PROTOCOL,
        test=partial(measurements.difference, run, algorithm, pairs),
        published=figure(means, algorithm),
    )


def trained(figure_2: str | Path, settings: dict[str, Any]) -> Iterator[Claim]:
    """Claims C11 to C14 and C16, with the published numbers in the file `figure_2`.

    `settings` are those that `protocols.training` compares.
    """
    means = published.means(published.read(figure_2))
    everything = protocols.training(settings, tasks=True)
    single = protocols.training(settings, tasks=False)
    ahead = int((means["L2"] > means["L3"] + RESOLUTION).sum())
    average = "On average over CLRS-30, level {} does better outside the training sizes than {}."
    for id_, level, other in (("C11a", 3, 2), ("C11b", 2, 1)):
        statement = average.format(level, other)
        yield compared(everything, means, id_, statement, "all", (f"L{level}", f"L{other}"))
    for letter, task in zip("abc", PARALLEL, strict=True):
        statement = (
            f"Levels 2 and 3 do well above level 1 on {task}, a parallel task (our reading: by "
            "more than 5 points)."
        )
        pairs = (("L2", "L1"), ("L3", "L1"))
        id_ = f"C12{letter}"
        yield compared(single, means, id_, statement, task, *pairs, region=WELL_ABOVE)
    for letter, task in zip("abcd", SEQUENTIAL, strict=True):
        yield Claim(
            id=f"C13{letter}",
            statement=f"On {task}, a sequential task, level 3 has a higher mean or a smaller "
            "spread over seeds than level 2.",
            source="section 5, figure 2",
            quantity="the larger of the gain in mean score and the loss in spread, L3 against L2",
            region=POSITIVE,
            decided_by=PROTOCOL,
            test=partial(measurements.advantage, single, task, "L3", "L2"),
            published=figure(means, task, ("L2", "L3")),
        )
    yield Claim(
        id="C14a",
        statement="The order is not uniform: on some tasks level 2 does better than level 3.",
        source="derived from figure 2",
        quantity="difference in score outside the training sizes, L2 - L3, largest of the tasks",
        region=Region(low=RESOLUTION),
        decided_by=PROTOCOL,
        test=partial(measurements.tasks_won, everything, "L2", "L3"),
        published=Published(
            f"above {RESOLUTION} on {ahead} tasks", "derived", "figure 2, digitised"
        ),
    )
    yield compared(
        single,
        means,
        "C14b",
        "On quickselect level 1 does best.",
        "quickselect",
        ("L1", "L2"),
        ("L1", "L3"),
    )
    map_claim = partial(
        Claim,
        source="derived from section 5",
        decided_by=ANY_PROTOCOL,
        kind=Kind.EXTENSION,
    )
    yield map_claim(
        id="C16a",
        statement="A trained level-3 layer does not preserve max, the sum under which it is "
        "trained, and so is asynchronous only in part.",
        quantity="largest gap between the map of a maximum and the maximum of the maps",
        region=Region(low=ROUNDING),
        test=partial(measurements.gap, everything, "max"),
    )
    yield map_claim(
        id="C16b",
        statement="A trained level-3 layer preserves logsumexp, up to rounding.",
        quantity="largest gap between the map of a sum and the sum of the maps",
        region=Region(high=ROUNDING),
        test=partial(measurements.gap, everything, "logsumexp"),
    )
