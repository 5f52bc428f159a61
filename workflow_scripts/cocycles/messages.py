"""What asynchrony buys: messages and time of Bellman-Ford on growing sparse graphs.

In rounds, as a layer is applied to a whole graph, against message by message; and the two argument
rules of section 4 against each other: one falls silent, the other never does.
"""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.cocycles import relaxation
from workflow_scripts.cocycles.rows import Row, exact, mean
from workflow_scripts.shared import job, progress, provenance, seeds, tables

NEVER = 30  # messages an edge after which the rule that never stops is stopped
CURVE = 60  # points of the curve of messages under way


def outcomes(
    graph: relaxation.Graph, rng: np.random.Generator
) -> list[tuple[str, relaxation.Outcome]]:
    """Every way of running one graph."""
    return [
        ("rounds", relaxation.sweeps(graph, rng)),
        ("rounds, changed only", relaxation.sweeps(graph, rng, changed_only=True)),
        *(
            (name, relaxation.events(graph, rng, habits))
            for name, habits in relaxation.HABITS.items()
        ),
    ]


def costs(sizes: list[int], graphs: int, seed: int) -> list[Row]:
    """Messages an edge and time to the last move, by family, size and way; mean over graphs."""
    rows = []
    places = [(family, size) for family in relaxation.FAMILIES for size in sizes]
    for family, size in progress.track(places, description="graphs"):
        found: dict[str, list[dict[str, float]]] = {}
        for number in range(graphs):
            rng = seeds.generator(seed, "cocycles", "messages", family, size, number)
            graph = relaxation.FAMILIES[family](size, rng)
            ways = outcomes(graph, rng)
            rounds = ways[0][1]
            for way, out in ways:
                one = {
                    "messages_per_edge": out.messages / graph.edges,
                    "messages_against_rounds": out.messages / rounds.messages,
                    "time": out.time,
                    "time_against_rounds": out.time / rounds.time,
                    "ends_unlike_rounds": float((out.distances != rounds.distances).any()),
                }
                found.setdefault(way, []).append(one)
        for way, parts in found.items():
            frame = pd.DataFrame(parts)
            place = {"family": family, "nodes": size, "way": way}
            wrong = frame.pop("ends_unlike_rounds")
            if way == "nearest first":
                frame = frame.drop(columns=["time", "time_against_rounds"])
            rows += [mean("messages", str(name), frame[name], **place) for name in frame]
            rows.append(exact("messages", "ends_unlike_rounds", wrong.sum(), graphs, **place))
    return rows


def argument_rules(nodes: int, runs: int, seed: int) -> list[Row]:
    """Claim 7: which rule falls silent, and how many messages are under way meanwhile."""
    counts = {True: 0, False: 0}
    falls, most = 0, 0
    curves: list[Row] = []
    for number in range(runs):
        for silent in (True, False):
            rng = seeds.generator(seed, "cocycles", "rules", number)
            graph = relaxation.random_graph(nodes, rng)
            habits = relaxation.Habits(silent=silent)
            out = relaxation.events(graph, rng, habits, NEVER * graph.edges)
            counts[silent] += out.quiet
            if silent:
                most = max(most, out.messages)
            else:
                falls += out.falls
            if number == 0:
                curves += curve("silent" if silent else "never silent", out.under_way)
    rules = {True: "silent", False: "never silent"}
    rows = [
        exact("rules", "runs_that_fell_silent", counts[silent], runs, rule=rule)
        for silent, rule in rules.items()
    ]
    rows.append(exact("rules", "deliveries_that_lowered_it", falls, runs, rule="never silent"))
    rows.append(exact("rules", "most_messages", most, runs, rule="silent"))
    return rows + curves


def curve(rule: str, under_way: list[int]) -> list[Row]:
    """Messages under way after some of the deliveries of one run."""
    chosen = np.unique(np.linspace(0, len(under_way) - 1, CURVE).astype(int)).tolist()
    return [
        exact("rules", "under_way", under_way[place], 1, rule=rule, delivery=place + 1)
        for place in chosen
    ]


NAMES = "abcdeu"
PAIRS = {"ab": 2.0, "ac": 7.0, "bc": 3.0, "bu": 9.0, "cu": 1.0, "cd": 4.0, "de": 2.0, "eu": 5.0}
FRAMES = (2, 6, 12)  # deliveries after which the trace is looked at


def trace(seed: int) -> list[Row]:
    """Three moments of one run on a graph of six nodes, from node a: states, messages under way."""
    pairs = {tuple(sorted(map(NAMES.index, pair))): length for pair, length in PAIRS.items()}
    both = sorted(
        [(v, u, x) for (v, u), x in pairs.items()] + [(u, v, x) for (v, u), x in pairs.items()]
    )
    senders, ends, lengths = zip(*both, strict=True)
    start = np.searchsorted(senders, np.arange(len(NAMES) + 1))
    graph = relaxation.Graph(start, np.asarray(ends), np.asarray(lengths))
    rows: list[Row] = []
    deliveries = iter(range(1, 1 << 30))

    def watch(now: float, node: int, states: list[float], queue: relaxation.Queue) -> None:
        if next(deliveries) not in FRAMES:
            return
        base = {"rule": "silent", "time": now, "delivery": FRAMES[len({r["time"] for r in rows})]}
        for name, state in zip(NAMES, states, strict=True):
            heard = state if np.isfinite(state) else None
            rows.append(
                {"experiment": "trace", "metric": "state", "n": 1, "value": heard}
                | base
                | {"place": name}
            )
        for _, _, end, message, _, sender in queue:
            place = NAMES[sender] + NAMES[end]
            rows.append(exact("trace", "message", message, 1, place=place, **base))
        rows.append(exact("trace", "moved", 1, 1, place=NAMES[node], **base))

    rng = seeds.generator(seed, "cocycles", "trace")
    relaxation.events(graph, rng, relaxation.Habits(), watch=watch)
    return rows


def main(
    table: str,
    sizes: list[int],
    graphs: int,
    rule_nodes: int,
    rule_runs: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    rows = costs(sizes, graphs, seed)
    rows += argument_rules(rule_nodes, rule_runs, seed) + trace(seed)
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            params.sizes,
            params.graphs,
            params.rule_nodes,
            params.rule_runs,
            params.seed,
            provenance=provenance.of(snakemake),
        )
