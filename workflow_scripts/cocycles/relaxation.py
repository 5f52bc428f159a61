"""Bellman-Ford as an asynchronous network (section 4), on sparse graphs of thousands of nodes.

M = S = A = (distances, min, ∞). A node's state is the shortest length it has received, its edge
function adds the edge's length, and + distributes over min: a tropical cocycle layer of width 1. It
runs until no message is in transit. Messages and their time are counted.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

LONGEST = 100  # edges have integer lengths from 1 to this
TIMEOUT = 3.0  # mean latencies until a lost message is sent again
Distances = NDArray[np.float64]


@dataclass(frozen=True)
class Graph:
    """The edges out of node v are `ends[start[v]:start[v + 1]]`, with their lengths.

    `start` has shape (nodes + 1,), `ends` and `lengths` (edges,).
    """

    start: NDArray[np.int64]
    ends: NDArray[np.int64]
    lengths: Distances

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.start) - 1

    @property
    def edges(self) -> int:
        """Number of directed edges."""
        return len(self.ends)

    def sparse(self) -> sparse.csr_matrix:
        """The lengths as a SciPy matrix."""
        return sparse.csr_matrix((self.lengths, self.ends, self.start), (self.nodes, self.nodes))


def undirected(pairs: NDArray[np.int64], nodes: int, rng: np.random.Generator) -> Graph:
    """Both directions of each of the `pairs` (P, 2), with one random length; duplicates merged."""
    low, high = np.sort(pairs, 1).T
    once = np.unique(low * nodes + high)
    low, high = np.divmod(once, nodes)
    lengths = rng.integers(1, LONGEST + 1, len(once)).astype(float)
    matrix = sparse.coo_matrix(
        (np.tile(lengths, 2), (np.concatenate([low, high]), np.concatenate([high, low]))),
        (nodes, nodes),
    ).tocsr()
    return Graph(
        matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data.astype(float)
    )


def random_graph(nodes: int, rng: np.random.Generator, degree: float = 4.0) -> Graph:
    """A random tree plus random edges up to a mean degree: connected, short paths."""
    parents = (rng.random(nodes - 1) * np.arange(1, nodes)).astype(np.int64)
    tree = np.stack([parents, np.arange(1, nodes)], 1)
    more = rng.integers(0, nodes, (max(0, int(nodes * degree / 2) - nodes + 1), 2))
    more = more[more[:, 0] != more[:, 1]]
    return undirected(np.concatenate([tree, more]), nodes, rng)


def lattice(nodes: int, rng: np.random.Generator) -> Graph:
    """A square lattice of about `nodes` nodes: equally sparse, with paths of order √n."""
    side = max(2, round(nodes**0.5))
    place = np.arange(side * side).reshape(side, side)
    across = np.stack([place[:, :-1].ravel(), place[:, 1:].ravel()], 1)
    down = np.stack([place[:-1].ravel(), place[1:].ravel()], 1)
    return undirected(np.concatenate([across, down]), side * side, rng)


FAMILIES = {"random": random_graph, "lattice": lattice}


@dataclass
class Outcome:
    """Distances from node 0, and what they cost.

    `messages` were sent until none was in transit (or until the limit), `useful` until the last
    state changed, at `time`, in mean latencies of a message (meaningless where the nearest message
    arrives first). `falls` counts deliveries that lowered the number of messages in transit, and
    `in_transit` holds that number after each delivery of a run with a limit.
    """

    distances: Distances
    messages: int = 0
    useful: int = 0
    rounds: int = 0
    time: float = 0.0
    quiet: bool = True
    falls: int = 0
    in_transit: list[int] = field(default_factory=list)


def sweeps(graph: Graph, rng: np.random.Generator, changed_only: bool = False) -> Outcome:
    """Rounds, as a layer is applied: every edge sends, or only edges out of nodes that changed.

    A round lasts until its last message arrives. The first round without a change is the last.
    """
    state = np.full(graph.nodes, np.inf)
    state[0] = 0.0
    senders = np.repeat(np.arange(graph.nodes), np.diff(graph.start))
    moved = np.isfinite(state)
    out, now = Outcome(state), 0.0
    while moved.any():
        send = moved[senders] if changed_only else np.ones(graph.edges, dtype=bool)
        new = state.copy()
        np.minimum.at(new, graph.ends[send], state[senders[send]] + graph.lengths[send])
        out.messages += int(send.sum())
        now += float(rng.exponential(size=int(send.sum())).max(initial=0.0))
        moved = new < state
        out.rounds += 1
        state = new
        if moved.any():
            out.useful, out.time = out.messages, now
    out.distances = state
    return out


@dataclass(frozen=True)
class Habits:
    """How messages travel and how nodes treat them; probabilities lie in [0, 1)."""

    silent: bool = True  # proposition 4.2; otherwise δ_m(s) = m ∨ s
    grouped: bool = False  # a node takes its inbox as one message, once per latency
    nearest_first: bool = False  # the smallest message in transit arrives next
    lost: float = 0.0  # probability that a transmission is lost; it is repeated until it succeeds
    twice: float = 0.0  # probability that a message arrives twice


HABITS = {
    "at once": Habits(),
    "grouped": Habits(grouped=True),
    "nearest first": Habits(nearest_first=True),
    "lost and doubled": Habits(lost=0.2, twice=0.2),
}


def delays(rng: np.random.Generator) -> Iterator[float]:
    """Exponential latencies of mean 1, drawn in blocks."""
    while True:
        yield from rng.exponential(size=4096).tolist()


# (arrival or value, number, receiver, value, arrival, sender)
Queue = list[tuple[float, int, int, float, float, int]]
Watch = Callable[[float, int, list[float], Queue], None]


def events(
    graph: Graph,
    rng: np.random.Generator,
    habits: Habits,
    most_messages: int | None = None,
    watch: Watch | None = None,
) -> Outcome:
    """Message by message, in order of arrival, until none is in transit.

    With `most_messages`, deliveries stop once that many were sent. After each delivery, `watch`
    gets the time, the node, all states and the messages in transit.
    """
    start, ends = graph.start.tolist(), graph.ends.tolist()
    lengths = graph.lengths.tolist()
    state = [np.inf] * graph.nodes
    inbox = [np.inf] * graph.nodes
    delay, number = delays(rng), 0
    queue: Queue = [(0.0, 0, 0, 0.0, 0.0, 0)]
    out = Outcome(np.empty(0))
    now = 0.0
    while queue:
        if most_messages is not None and out.messages >= most_messages:
            out.quiet = False
            break
        before = len(queue)
        _, number_of, node, message, now, _ = heapq.heappop(queue)
        if habits.grouped and number_of > 0:
            if inbox[node] == np.inf:
                number += 1
                wake = now + next(delay)
                heapq.heappush(queue, (wake, -number, node, 0.0, wake, node))
            inbox[node] = min(inbox[node], message)
            continue
        if number_of < 0:
            message, inbox[node] = inbox[node], np.inf
        old = state[node]
        new = min(old, message)
        if new < old:
            state[node] = new
            out.useful, out.time = out.messages, now
        if new < old or not habits.silent:
            for edge in range(start[node], start[node + 1]):
                arrives = now + next(delay)
                out.messages += 1
                while habits.lost and rng.random() < habits.lost:
                    arrives += TIMEOUT + next(delay)
                    out.messages += 1
                number += 1
                sent = new + lengths[edge]
                copies = 2 if habits.twice and rng.random() < habits.twice else 1
                for _ in range(copies):
                    key = sent if habits.nearest_first else arrives
                    heapq.heappush(queue, (key, number, ends[edge], sent, arrives, node))
                    arrives += next(delay)
        if most_messages is not None:
            out.in_transit.append(len(queue))
        out.falls += len(queue) < before
        if watch is not None:
            watch(now, node, state, queue)
    out.distances = np.asarray(state)
    return out
