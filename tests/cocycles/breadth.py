"""Breadth-first search with the benchmark's features, implemented here, as an exported file."""

import numpy as np

from workflow_scripts.clrs import store
from workflow_scripts.clrs.specs import Feature, Location, Stage, Type

SPEC = (
    Feature("pos", Stage.INPUT, Location.NODE, Type.SCALAR),
    Feature("s", Stage.INPUT, Location.NODE, Type.MASK_ONE),
    Feature("A", Stage.INPUT, Location.EDGE, Type.SCALAR),
    Feature("adj", Stage.INPUT, Location.EDGE, Type.MASK),
    Feature("pi", Stage.OUTPUT, Location.NODE, Type.POINTER),
    Feature("reach_h", Stage.HINT, Location.NODE, Type.MASK),
    Feature("pi_h", Stage.HINT, Location.NODE, Type.POINTER),
)


def search(adjacency, source):
    """Reached nodes and parents, round by round, until a round reaches no new node."""
    nodes = len(adjacency)
    reached, parents = np.zeros(nodes, dtype=np.int8), np.arange(nodes)
    reached[source] = 1
    rounds = [(reached.copy(), parents.copy())]
    while True:
        before = reached.copy()
        for v in range(nodes):
            for u in range(nodes):
                if not before[v] and not reached[v] and before[u] and adjacency[u, v]:
                    reached[v], parents[v] = 1, u
        rounds.append((reached.copy(), parents.copy()))
        if (reached == before).all():
            return rounds


def columns(nodes, samples, rng):
    inputs = {name: [] for name in ("pos", "s", "A", "adj")}
    hints, outputs, lengths = [], [], []
    for _ in range(samples):
        upper = np.triu(rng.random((nodes, nodes)) < 0.4, 1)
        adjacency = (upper | upper.T | np.eye(nodes, dtype=bool)).astype(np.int8)
        source = int(rng.integers(nodes))
        rounds = search(adjacency, source)
        inputs["pos"].append(np.arange(nodes, dtype=np.float32) / nodes)
        inputs["s"].append(np.eye(nodes, dtype=np.int8)[source])
        inputs["A"].append(adjacency.astype(np.float32))
        inputs["adj"].append(adjacency)
        hints += rounds
        outputs.append(rounds[-1][1])
        lengths.append(len(rounds))
    return {
        **{f"input/{name}": np.stack(part) for name, part in inputs.items()},
        "output/pi": np.stack(outputs).astype(np.int16),
        "hint/reach_h": np.stack([reached for reached, _ in hints]),
        "hint/pi_h": np.stack([parents for _, parents in hints]).astype(np.int16),
        "lengths": np.asarray(lengths, dtype=np.int32),
    }


def write(path, train=(4, 5), valid=(5,), test=(5, 8), samples=12):
    rng = np.random.default_rng(0)
    sets = {("train", n): columns(n, samples, rng) for n in train}
    sets |= {("test", n): columns(n, 4, rng) for n in test}
    sets |= {("valid", n): columns(n, 4, rng) for n in valid}
    store.write(path, SPEC, sets)
    return str(path)
