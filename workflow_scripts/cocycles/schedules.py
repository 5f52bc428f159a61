"""E2: asynchronous runs of message-passing layers against the synchronous run, by level.

Each run draws a graph, inputs, weights (several at once) and a schedule that uses one freedom to a
given degree. Its result is compared with that of the same layer run synchronously. Bellman-Ford is
run to its end under schedules that use several freedoms at once.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csgraph

from workflow_scripts.cocycles import layers, network, relaxation
from workflow_scripts.shared import job, progress, seeds, tables
from workflow_scripts.shared.scores import Row, mean, number


def relative(found: layers.Array, expected: layers.Array) -> layers.Array:
    """Relative error in the Euclidean norm of each draw of weights, (D,), of (N, D, W) arrays."""
    gap = np.linalg.norm(found - expected, axis=(0, 2))
    return gap / np.linalg.norm(expected, axis=(0, 2))


def runs(
    name: str, settings: dict[str, Any], seed: int
) -> Iterator[tuple[str, float, layers.Array, int]]:
    """Kind, degree, relative error of each draw, shape (D,), and how many draws differ at all."""
    nodes, width, draws, steps = (settings[key] for key in ("nodes", "width", "draws", "steps"))
    for graph in range(settings["graphs"]):
        rng = seeds.generator(seed, "cocycles", "schedules", name, graph)
        layer = layers.drawn(name, width, draws, rng)
        adjacency = rng.random((nodes, nodes)) < 3.0 / nodes
        np.fill_diagonal(adjacency, True)
        inputs = rng.normal(size=(nodes, draws, width))
        if name == "tropical_integers":
            inputs = rng.integers(-9, 10, inputs.shape).astype(float)
        expected = network.synchronous(layer, adjacency, inputs, steps)
        for kind, habits in network.KINDS.items():
            for degree in settings["degrees"]:
                schedule = habits(degree)
                run = network.Run(layer, adjacency, inputs, steps, schedule, rng)
                found = run.run()
                moved = int((found != expected).any((0, 2)).sum())
                yield kind, degree, relative(found, expected), moved


def residuals(settings: dict[str, Any], seed: int) -> list[Row]:
    """Errors by layer, kind and degree: means over graphs of the means over their draws."""
    rows = []
    for name in progress.track(layers.DRAWN, description="layers"):
        columns = ("kind", "degree", "mean", "largest", "moved")
        frame = pd.DataFrame(
            (
                (kind, degree, error.mean(), error.max(), moved)
                for kind, degree, error, moved in runs(name, settings, seed)
            ),
            columns=columns,
        )
        for (kind, degree), part in frame.groupby(["kind", "degree"], sort=False):
            place: Row = {"layer": name, "kind": kind, "degree": degree}
            rows.append(mean("schedules", "relative_error", part["mean"], units="graphs", **place))
            place |= {"units": "runs", "n": len(part) * settings["draws"]}
            rows += [
                number("schedules", "largest_error", part["largest"].max(), **place),
                number("schedules", "runs_that_differ", part["moved"].sum(), **place),
            ]
    return rows


def bellman_ford(cases: int, seed: int) -> list[Row]:
    """Distances under random schedules against rounds and SciPy's Dijkstra, bit for bit."""
    rng = seeds.generator(seed, "cocycles", "schedules", "bellman_ford")
    rows = []
    for kind in ("integers", "floats"):
        rounds = dijkstra = 0
        for _ in range(cases):
            family = rng.choice(list(relaxation.FAMILIES))
            graph = relaxation.FAMILIES[family](int(rng.integers(4, 60)), rng)
            if kind == "floats":
                graph = relaxation.Graph(graph.start, graph.ends, rng.exponential(size=graph.edges))
            lost, twice = rng.uniform(0, 0.5, 2)
            grouped, nearest = rng.random(2) < 0.3
            habits = relaxation.Habits(True, bool(grouped), bool(nearest), lost, twice)
            found = relaxation.events(graph, rng, habits).distances
            rounds += int((found != relaxation.sweeps(graph, rng).distances).any())
            truth = csgraph.dijkstra(graph.sparse(), indices=0)
            dijkstra += int((found != truth).any())
        place = {"layer": "bellman_ford", "kind": kind, "units": "runs"}
        rows += [
            number("schedules", "ends_unlike_rounds", rounds, cases, **place),
            number("schedules", "ends_unlike_dijkstra", dijkstra, cases, **place),
        ]
    return rows


def main(table: str, schedules: dict[str, Any], seed: int, provenance: dict[str, Any]) -> None:
    """Run every layer and Bellman-Ford under random schedules, and write `table`."""
    rows = [*residuals(schedules, seed), *bellman_ford(schedules["cases"], seed)]
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
