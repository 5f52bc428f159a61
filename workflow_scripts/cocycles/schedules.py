"""E2: asynchronous runs of message-passing layers against the synchronous one, by level.

Each run draws a graph, inputs and weights (several side by side), and a schedule that uses one
freedom to a degree; the same layer run in steps is what it must equal. Bellman-Ford is run to its
end under schedules that use every freedom at once.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csgraph

from workflow_scripts.cocycles import layers, network, relaxation
from workflow_scripts.cocycles.rows import Row, exact, mean
from workflow_scripts.shared import job, progress, provenance, seeds, tables

LAYERS = (
    "ordinary",
    "linear_sum",
    "sum_relu",
    "max_max",
    "logarithmic",
    "log_throughout",
    "tropical",
    "tropical_path",
    "tropical_integers",
)


def relative(found: layers.Array, expected: layers.Array) -> layers.Array:
    """Relative error of each draw of weights, in the Euclidean norm: (N, D, W) twice -> (D,)."""
    gap = np.linalg.norm(found - expected, axis=(0, 2))
    return gap / np.linalg.norm(expected, axis=(0, 2))


def runs(
    name: str, shape: dict[str, int], degrees: list[float], seed: int
) -> Iterator[tuple[str, float, layers.Array, int]]:
    """Kind, degree, relative error of each draw (D,), and how many draws moved a bit."""
    nodes, width, draws, steps = (shape[key] for key in ("nodes", "width", "draws", "steps"))
    for graph in range(shape["graphs"]):
        rng = seeds.generator(seed, "cocycles", "schedules", name, graph)
        layer = layers.drawn(name, width, draws, rng)
        adjacency = rng.random((nodes, nodes)) < 3.0 / nodes
        np.fill_diagonal(adjacency, True)
        inputs = rng.normal(size=(nodes, draws, width))
        if name == "tropical_integers":
            inputs = rng.integers(-9, 10, inputs.shape).astype(float)
        expected = network.synchronous(layer, adjacency, inputs, steps)
        for kind, habits in network.KINDS.items():
            for degree in degrees:
                schedule = habits(degree)
                run = network.Run(layer, adjacency, inputs, steps, schedule, rng)
                found = run.run()
                moved = int((found != expected).any((0, 2)).sum())
                yield kind, degree, relative(found, expected), moved


def residuals(shape: dict[str, int], degrees: list[float], seed: int) -> list[Row]:
    """Errors by layer, kind and degree: mean over graphs, over each graph's draws before."""
    rows = []
    for name in progress.track(LAYERS, description="layers"):
        columns = ("kind", "degree", "mean", "largest", "moved")
        frame = pd.DataFrame(
            (
                (kind, degree, error.mean(), error.max(), moved)
                for kind, degree, error, moved in runs(name, shape, degrees, seed)
            ),
            columns=columns,
        )
        for (kind, degree), part in frame.groupby(["kind", "degree"], sort=False):
            place = {"layer": name, "kind": kind, "degree": degree}
            n = len(part) * shape["draws"]
            rows += [
                mean("schedules", "relative_error", part["mean"], **place),
                exact("schedules", "largest_error", part["largest"].max(), n, **place),
                exact("schedules", "runs_that_differ", part["moved"].sum(), n, **place),
            ]
    return rows


def bellman_ford(cases: int, seed: int) -> list[Row]:
    """Distances of random schedules against rounds and against SciPy's Dijkstra, bit for bit."""
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
        place = {"layer": "bellman_ford", "kind": kind}
        rows += [
            exact("schedules", "ends_unlike_rounds", rounds, cases, **place),
            exact("schedules", "ends_unlike_dijkstra", dijkstra, cases, **place),
        ]
    return rows


def main(
    table: str,
    shape: dict[str, int],
    degrees: list[float],
    cases: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    rows = [*residuals(shape, degrees, seed), *bellman_ford(cases, seed)]
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        shape = {key: params[key] for key in ("nodes", "width", "draws", "steps", "graphs")}
        main(
            snakemake.output.table,
            shape,
            params.degrees,
            params.cases,
            params.seed,
            provenance=provenance.of(snakemake),
        )
