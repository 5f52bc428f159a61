"""Asynchronous runs of layers against matrix forms of the synchronous ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.cocycles import layers, network, schedules

NODES, WIDTH, DRAWS, STEPS = 6, 4, 2, 3
TROPICAL = ("tropical", "tropical_path", "tropical_integers")


def case(name, seed):
    rng = np.random.default_rng(seed)
    layer = layers.drawn(name, WIDTH, DRAWS, rng)
    adjacency = rng.random((NODES, NODES)) < 0.4
    np.fill_diagonal(adjacency, rng.random() < 0.5)
    inputs = rng.integers(-9, 10, (NODES, DRAWS, WIDTH)).astype(float)
    return layer, adjacency, inputs, rng


def run(name, seed, schedule):
    layer, adjacency, inputs, rng = case(name, seed)
    expected = network.synchronous(layer, adjacency, inputs, STEPS)
    return network.Run(layer, adjacency, inputs, STEPS, schedule, rng).run(), expected


def test_the_synchronous_form_is_a_matrix_product():
    """Linear messages, sums: x' = x + A x Bᵀ."""
    rng = np.random.default_rng(3)
    weights = rng.normal(size=(1, WIDTH, WIDTH))
    adjacency = rng.random((NODES, NODES)) < 0.5
    inputs = rng.normal(size=(NODES, 1, WIDTH))
    found = network.synchronous(layers.linear_sum(weights), adjacency, inputs, 2)
    expected = inputs[:, 0]
    for _ in range(2):
        expected = expected + adjacency @ expected @ weights[0].T
    assert np.allclose(found[:, 0], expected)


def test_the_tropical_form_is_shortest_paths():
    """One coordinate, edges of length 0 at the sender: distances by hops over a path of 4 nodes."""
    adjacency = np.eye(4, k=-1, dtype=bool)
    layer = layers.tropical_path(np.full((1, 1, 1), -1.0))
    inputs = np.full((4, 1, 1), -np.inf)
    inputs[0] = 0.0
    found = network.synchronous(layer, adjacency, inputs, 3)
    assert found.ravel().tolist() == [0, -1, -2, -3]


@pytest.mark.parametrize("name", layers.DRAWN)
def test_a_run_with_no_freedom_is_the_synchronous_one(name):
    for seed in range(4):
        found, expected = run(name, seed, network.Schedule())
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=40)
@given(
    st.sampled_from(TROPICAL),
    st.integers(0, 2**31),
    st.lists(st.floats(0, 0.9), min_size=5, max_size=5),
    st.booleans(),
)
def test_tropical_layers_are_exact_under_every_schedule(name, seed, degrees, whole):
    found, expected = run(name, seed, network.Schedule(*degrees, whole=whole))
    assert np.array_equal(found, expected)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.floats(0.1, 1))
def test_each_level_is_invariant_as_claimed(seed, degree):
    kinds = network.KINDS
    for name in ("sum_relu", "ordinary"):
        found, expected = run(name, seed, kinds["delivery"](degree))
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)
    for name in ("max_max", "logarithmic"):
        for kind in ("delivery", "updates", "duplicates"):
            found, expected = run(name, seed, kinds[kind](degree))
            assert np.array_equal(found, expected)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.floats(0.1, 1))
def test_increments_suit_what_is_a_multimorphism_for_its_own_sum(seed, degree):
    for name in ("linear_sum", "log_throughout"):
        found, expected = run(name, seed, network.KINDS["increments"](degree))
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sum_relu", "duplicates"),
        ("sum_relu", "updates"),
        ("max_max", "increments"),
        ("max_max", "resent"),
        ("logarithmic", "increments"),
        ("log_throughout", "duplicates"),
    ],
)
def test_a_freedom_beyond_the_level_changes_the_result(name, kind):
    gaps = []
    for seed in range(4):
        found, expected = run(name, seed, network.KINDS[kind](1.0))
        gaps.append(schedules.relative(found, expected).max())
    assert max(gaps) > 1e-4


def test_without_freedom_every_edge_is_called_once_per_step():
    layer, adjacency, inputs, rng = case("max_max", 5)
    one = network.Run(layer, adjacency, inputs, STEPS, network.Schedule(), rng)
    one.run()
    assert one.sent == STEPS * adjacency.sum()


def test_early_sends_are_used():
    """With early sends, more messages are sent than edges and steps."""
    layer, adjacency, inputs, rng = case("tropical", 1)
    early = network.Run(layer, adjacency, inputs, STEPS, network.KINDS["resent"](1.0), rng)
    early.run()
    assert early.sent > STEPS * adjacency.sum()
