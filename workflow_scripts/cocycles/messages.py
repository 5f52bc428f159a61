"""Cost and benefit of asynchrony: messages and time of Bellman-Ford on sparse graphs by size.

Rounds, in which a layer is applied to the whole graph, are compared with runs by events, message by
message. The two argument functions of section 4 are also compared: one falls silent, the other
never does.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.cocycles import relaxation
from workflow_scripts.shared import job, progress, seeds, tables
from workflow_scripts.shared.scores import Row, mean, number

NEVER = 30  # messages per edge after which the function that never falls silent is stopped
CURVE = 60  # points of the curve of messages in transit


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
    """Messages per edge, and time to the last change, by family, size and way; mean over graphs."""
    rows = []
    places = [(family, size) for family in relaxation.FAMILIES for size in sizes]
    for family, size in progress.track(places, description="graphs"):
        found: dict[str, list[dict[str, float]]] = {}
        for index in range(graphs):
            rng = seeds.generator(seed, "cocycles", "messages", family, size, index)
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
            place: Row = {"family": family, "nodes": size, "way": way, "units": "graphs"}
            wrong = frame.pop("ends_unlike_rounds")
            if way == "nearest first":
                frame = frame.drop(columns=["time", "time_against_rounds"])
            rows += [mean("messages", str(name), frame[name], **place) for name in frame]
            rows.append(number("messages", "ends_unlike_rounds", wrong.sum(), graphs, **place))
    return rows


def argument_functions(nodes: int, runs: int, seed: int) -> list[Row]:
    """Claim 7: which argument function falls silent, and how many messages are in transit."""
    counts = {True: 0, False: 0}
    falls, most = 0, 0
    curves: list[Row] = []
    for index in range(runs):
        for falls_silent in (True, False):
            rng = seeds.generator(seed, "cocycles", "rules", index)
            graph = relaxation.random_graph(nodes, rng)
            habits = relaxation.Habits(silent=falls_silent)
            out = relaxation.events(graph, rng, habits, NEVER * graph.edges)
            counts[falls_silent] += out.quiet
            if falls_silent:
                most = max(most, out.messages)
            else:
                falls += out.falls
            if index == 0:
                curves += curve("silent" if falls_silent else "never silent", out.in_transit)
    silent = partial(number, "rules", n=runs, units="graphs", rule="silent")
    never = partial(silent, rule="never silent")
    return [
        silent("runs_that_fell_silent", value=counts[True]),
        never("runs_that_fell_silent", value=counts[False]),
        never("deliveries_that_lowered_it", value=falls),
        silent("most_messages", value=most),
        *curves,
    ]


def curve(name: str, in_transit: list[int]) -> list[Row]:
    """Messages in transit after some of the deliveries of one run."""
    chosen = np.unique(np.linspace(0, len(in_transit) - 1, CURVE).astype(int)).tolist()
    row = partial(number, "rules", "under_way", n=1, units="graphs", rule=name)
    return [row(value=in_transit[place], delivery=place + 1) for place in chosen]


NAMES = "abcdeu"
PAIRS = {"ab": 2.0, "ac": 7.0, "bc": 3.0, "bu": 9.0, "cu": 1.0, "cd": 4.0, "de": 2.0, "eu": 5.0}
FRAMES = (2, 6, 12)  # deliveries after which the trace is recorded


def trace(seed: int) -> list[Row]:
    """Three moments of a run on six nodes, from node a: states and messages in transit."""
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
        frame = FRAMES[len({r["time"] for r in rows})]
        row = partial(number, "trace", n=1, units="runs", rule="silent", time=now, delivery=frame)
        for name, state in zip(NAMES, states, strict=True):
            known = state if np.isfinite(state) else np.nan
            rows.append(row("state", value=known, place=name))
        for _, _, end, message, _, sender in queue:
            rows.append(row("message", value=message, place=NAMES[sender] + NAMES[end]))
        rows.append(row("moved", value=1, place=NAMES[node]))

    rng = seeds.generator(seed, "cocycles", "trace")
    relaxation.events(graph, rng, relaxation.Habits(), watch=watch)
    return rows


def main(table: str, messages: dict[str, Any], seed: int, provenance: dict[str, Any]) -> None:
    """Count messages on all graphs, run both argument functions and the trace; write `table`."""
    rows = costs(messages["sizes"], messages["graphs"], seed)
    rows += argument_functions(messages["rule_nodes"], messages["rule_runs"], seed) + trace(seed)
    tables.write(pd.DataFrame(rows), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
