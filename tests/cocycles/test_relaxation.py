"""Event-driven Bellman-Ford against brute force and counts known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.cocycles import messages, relaxation
from workflow_scripts.cocycles.relaxation import Habits


def floyd_warshall(graph):
    far = np.full((graph.nodes, graph.nodes), np.inf)
    np.fill_diagonal(far, 0)
    for node in range(graph.nodes):
        for edge in range(graph.start[node], graph.start[node + 1]):
            far[node, graph.ends[edge]] = min(far[node, graph.ends[edge]], graph.lengths[edge])
    for middle in range(graph.nodes):
        far = np.minimum(far, far[:, middle, None] + far[None, middle])
    return far[0]


def path(nodes):
    pairs = np.stack([np.arange(nodes - 1), np.arange(1, nodes)], 1)
    return relaxation.undirected(pairs, nodes, np.random.default_rng(0))


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(relaxation.FAMILIES)),
    st.integers(4, 25),
    st.integers(0, 2**31),
    st.booleans(),
    st.booleans(),
    st.floats(0, 0.7),
    st.floats(0, 0.7),
)
def test_every_schedule_ends_in_the_shortest_distances(
    family, nodes, seed, grouped, nearest, lost, twice
):
    rng = np.random.default_rng(seed)
    graph = relaxation.FAMILIES[family](nodes, rng)
    truth = floyd_warshall(graph)
    habits = Habits(True, grouped, nearest, lost, twice)
    assert np.array_equal(relaxation.events(graph, rng, habits).distances, truth)
    for changed_only in (False, True):
        assert np.array_equal(relaxation.sweeps(graph, rng, changed_only).distances, truth)


@pytest.mark.parametrize("nodes", [4, 30])
def test_messages_on_a_path_are_known(nodes):
    """No message overtakes another: each node changes once and messages both neighbours."""
    graph, rng = path(nodes), np.random.default_rng(1)
    edges = 2 * (nodes - 1)
    assert graph.edges == edges
    rounds = relaxation.sweeps(graph, rng)
    assert (rounds.rounds, rounds.messages) == (nodes, nodes * edges)
    assert rounds.useful == (nodes - 1) * edges
    for found in (
        relaxation.sweeps(graph, rng, changed_only=True),
        relaxation.events(graph, rng, Habits()),
        relaxation.events(graph, rng, Habits(grouped=True)),
        relaxation.events(graph, rng, Habits(nearest_first=True)),
    ):
        assert found.messages == edges


@pytest.mark.parametrize("family", sorted(relaxation.FAMILIES))
def test_nearest_first_settles_each_node_once(family):
    """Dijkstra's argument: one message per edge, whatever the graph."""
    rng = np.random.default_rng(2)
    graph = relaxation.FAMILIES[family](150, rng)
    assert relaxation.events(graph, rng, Habits(nearest_first=True)).messages == graph.edges


def test_lost_messages_are_sent_again_and_counted():
    graph, rng = path(400), np.random.default_rng(3)
    found = relaxation.events(graph, rng, Habits(lost=0.5))
    assert 1.8 < found.messages / graph.edges < 2.2  # 1 / (1 - 0.5) on average


def test_time_on_a_path_is_the_sum_of_latencies():
    graph, rng = path(400), np.random.default_rng(4)
    found = relaxation.events(graph, rng, Habits())
    assert abs(found.time / 399 - 1) < 4 / np.sqrt(399)  # exponential, mean 1, deviation 1


def test_graphs_are_connected_sparse_and_symmetric():
    for family, make in relaxation.FAMILIES.items():
        graph = make(400, np.random.default_rng(5))
        matrix = graph.sparse()
        assert (matrix != matrix.T).nnz == 0, family
        assert np.isfinite(floyd_warshall(graph)).all()
        assert 3.6 < graph.edges / graph.nodes < 4.1
        assert graph.lengths.min() >= 1
        assert graph.lengths.max() <= relaxation.LONGEST


def test_one_argument_function_falls_silent_and_the_other_never_does():
    rows = {
        (row["metric"], row["rule"]): row["value"]
        for row in messages.argument_functions(12, 3, 1)
        if row["metric"] != "under_way"
    }
    assert rows["runs_that_fell_silent", "silent"] == 3
    assert rows["runs_that_fell_silent", "never silent"] == 0
    assert rows["deliveries_that_lowered_it", "never silent"] == 0


def test_the_trace_is_consistent_with_the_run():
    rows = messages.trace(1)
    states = [r for r in rows if r["metric"] == "state"]
    assert len(states) == len(messages.FRAMES) * len(messages.NAMES)
    assert {r["delivery"] for r in rows} == set(messages.FRAMES)
    lengths = {frozenset(pair): length for pair, length in messages.PAIRS.items()}
    for row in rows:
        if row["metric"] == "message":
            sender = row["place"][0]
            heard = next(
                s for s in states if s["place"] == sender and s["delivery"] == row["delivery"]
            )
            # A message is never better than the sender's current state plus the edge.
            assert row["value"] >= heard["value"] + lengths[frozenset(row["place"])]
