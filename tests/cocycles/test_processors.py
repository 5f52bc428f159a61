"""The three processors against their formulas in loops, and the invariance of each level."""

import math

import numpy as np
import pytest
import torch

from tests.cocycles import breadth
from workflow_scripts.clrs import reasoner_scores
from workflow_scripts.clrs.features import EdgeMap, Edges
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.trajectories import Trajectories
from workflow_scripts.cocycles import asynchrony, processors
from workflow_scripts.cocycles.processors import Freedom, LogLinear

WIDTH, NODES = 5, 4
EXACT = [("l2", "updates"), ("l2", "duplicates"), ("l3", "updates"), ("l3", "duplicates")]
EXACT += [("l3_linear", "updates"), ("l3_linear", "duplicates")]
BROKEN = [("l1", "updates"), ("l1", "duplicates")]
BROKEN += [(name, "increments") for name in ("l1", "l2", "l3", "l3_linear")]


@pytest.fixture
def arguments():
    torch.manual_seed(3)
    edges = Edges(
        torch.randn(2, NODES, NODES, 3), EdgeMap(torch.randn(3, WIDTH), torch.randn(WIDTH))
    )
    nodes, hidden = torch.randn(2, 2, NODES, WIDTH).unbind()
    return nodes, edges, torch.randn(2, WIDTH), hidden


@pytest.fixture
def data():
    columns = breadth.columns(8, 6, np.random.default_rng(1))
    return Trajectories("bfs", breadth.SPEC, columns)


def network(name, data):
    torch.manual_seed(0)
    return Reasoner({"bfs": data.spec}, 16, processors.PROCESSORS[name], True).eval()


@pytest.mark.parametrize("calm_from", [None, 3])
def test_the_log_semiring_map_is_logsumexp(calm_from):
    torch.manual_seed(0)
    layer = LogLinear(7, 6, calm_from)
    x = 20 * torch.randn(50, 7)
    x[0, 2], x[1] = -torch.inf, -torch.inf
    expected = torch.logsumexp(layer.weight + x[:, None], -1)
    torch.testing.assert_close(layer(x), expected)


def test_the_gradient_of_the_log_semiring_map_is_that_of_logsumexp():
    torch.manual_seed(0)
    layer = LogLinear(7, 6).double()
    x = (20 * torch.randn(2, 5, 7, dtype=torch.float64)).requires_grad_()
    drawn = torch.randn(2, 5, 6, dtype=torch.float64)
    found = torch.autograd.grad((layer(x) * drawn).sum(), [x, layer.weight])
    plain = torch.logsumexp(layer.weight + x[..., None, :], -1)
    expected = torch.autograd.grad((plain * drawn).sum(), [x, layer.weight])
    torch.testing.assert_close(found, expected)


def test_the_log_semiring_map_has_no_gradient_where_its_sum_underflows():
    layer = LogLinear(2, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, -200.0], [0.0, -200.0], [0.0, 0.0]]))
    x = torch.tensor([[-200.0, 0.0]], requires_grad=True)
    found = torch.autograd.grad(1000 * layer(x).sum(), [x, layer.weight])
    assert found[0].tolist() == [[0.0, 1000.0]]
    assert found[1].tolist() == [[0.0, 0.0], [0.0, 0.0], [0.0, 1000.0]]


def test_calm_weights_keep_states_from_doubling_at_every_step():
    """The shifts of receiver and sender add up in each message: at equal weights states explode."""
    torch.manual_seed(0)
    nodes, graph = torch.zeros(1, 16, 32), torch.zeros(1, 32)
    edges = Edges(torch.zeros(1, 16, 16, 1), EdgeMap(torch.zeros(1, 32), torch.zeros(32)))
    layer = processors.PROCESSORS["l3"](32)
    sizes = []
    for lift in (0.0, processors.CALM):
        hidden = torch.zeros(1, 16, 32)
        with torch.no_grad():
            for part in (layer.receiver, layer.sender):
                part.weight[:, 32:] += lift
            for _ in range(40):
                hidden, _ = layer(nodes, edges, graph, hidden)
        sizes.append(float(hidden.abs().max()))
    assert sizes[0] < 20
    assert sizes[1] > 1.0e6


@pytest.mark.parametrize("name", ["l1", "l2", "l3", "l3_linear"])
def test_a_processor_is_its_formula(name, arguments):
    nodes, edges, graph, hidden = arguments
    layer = processors.PROCESSORS[name](WIDTH)
    with torch.no_grad():
        found, messages = layer(nodes, edges, graph, hidden)
        assert messages is None
        for b in range(2):
            z = torch.cat([nodes, hidden], -1)[b]
            if name == "l3_linear":
                z = layer.before(z)

            def through(part, x):
                if isinstance(part, LogLinear):
                    return torch.logsumexp(part.weight + x, -1)
                return part.weight @ x + part.bias

            for u in range(NODES):
                sent = torch.stack(
                    [
                        through(layer.receiver, z[u])
                        + through(layer.sender, z[v])
                        + through(layer.edge, edges.dense()[b, v, u])
                        + through(layer.graph, graph[b])
                        for v in range(NODES)
                    ]
                )
                if name == "l1":
                    new = through(layer.own, z[u]) + through(layer.inbox, sent.sum(0))
                    expected = torch.nn.functional.layer_norm(new.clamp_min(0), (WIDTH,))
                else:
                    expected = torch.maximum(nodes[b, u], sent.amax(0))
                torch.testing.assert_close(found[b, u], expected, rtol=1e-4, atol=1e-5)


def test_only_the_logarithmic_message_is_a_multimorphism_for_logsumexp(arguments):
    nodes, edges, graph, hidden = arguments
    x, a = torch.cat([nodes, hidden], -1), torch.cat([hidden, nodes], -1)
    b = torch.randn_like(a)
    gaps = {}
    with torch.no_grad():
        for name in ("l2", "l3"):
            layer = processors.PROCESSORS[name](WIDTH)
            for total, add in (("logsumexp", torch.logaddexp), ("max", torch.maximum)):
                whole = layer.message(x, add(a, b), edges, graph)
                parts = [layer.message(x, piece, edges, graph) for piece in (a, b)]
                gaps[name, total] = float((whole - add(*parts)).abs().max())
    assert gaps["l3", "logsumexp"] < 1e-5
    assert 1e-2 < gaps["l3", "max"] <= math.log(2)
    assert gaps["l2", "logsumexp"] > 0.1
    assert gaps["l2", "max"] > 0.1


def moved(name, kind, data):
    rows = asynchrony.runs(network(name, data), data, [0.5], 1)
    return {row["kind"]: row["value"] for row in rows if row["metric"] == "relative_error"}[kind]


@pytest.mark.parametrize(("name", "kind"), EXACT)
def test_invariance_of_a_level_holds_to_the_last_bit(name, kind, data):
    assert moved(name, kind, data) == 0.0


@pytest.mark.parametrize(("name", "kind"), BROKEN)
def test_freedoms_beyond_a_level_change_the_result(name, kind, data):
    assert moved(name, kind, data) > 1e-3


def test_a_run_of_degree_zero_is_the_synchronous_one(data):
    reasoner = network("l1", data)
    expected = asynchrony.run(reasoner, data)[1]
    for kind in asynchrony.KINDS:
        reasoner.processor.freedom = Freedom(kind, 0.0, torch.Generator())
        for a, b in zip(asynchrony.run(reasoner, data)[1], expected, strict=True):
            torch.testing.assert_close(a, b)


def test_a_run_keeps_the_states_after_every_step(data):
    reasoner = network("l2", data)
    score, states = asynchrony.run(reasoner, data)
    latents = list(asynchrony.latents(reasoner, data))
    for state, latent in zip(states, latents, strict=True):
        torch.testing.assert_close(state, latent.nodes[..., -16:], rtol=0, atol=0)
    assert score == reasoner_scores.score(reasoner, data)["score"]
    assert not reasoner.processor._forward_hooks


def test_batches_of_large_graphs_are_small_on_a_cpu(data, monkeypatch):
    reasoner = network("l2", data)
    expected, _ = reasoner_scores.predictions(reasoner, data, 8)
    sizes, real = [], reasoner.predict

    def counted(batch):
        sizes.append(len(batch.lengths))
        return real(batch)

    monkeypatch.setattr(reasoner, "predict", counted)
    monkeypatch.setattr(reasoner_scores, "MOST_NUMBERS", 4 * 8 * 8 * 16)
    found, truth = reasoner_scores.predictions(reasoner, data, 8)
    assert sizes == [4, 2]
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
        assert len(truth[name]) == 6


def test_the_first_trajectories_are_whole(data):
    few = asynchrony.first(data, 3)
    assert len(few) == 3
    for index in range(3):
        own, whole = (part.batch(np.array([index])) for part in (few, data))
        for name in own.hints:
            torch.testing.assert_close(own.hints[name], whole.hints[name])
    assert len(asynchrony.first(data, 99)) == len(data)


def test_gaps_of_the_maps_are_those_of_the_definition(data):
    """The largest possible gap of max is log 2, that of logsumexp rounding."""
    found = {
        (row["metric"], row["aggregator"]): row["value"]
        for row in asynchrony.maps(network("l3", data), data, 1)
    }
    assert 0.01 < found["map_largest_gap", "max"] <= found["map_gap_bound", "max"] == math.log(2)
    assert found["map_largest_gap", "logsumexp"] < 1e-12
    assert not list(asynchrony.maps(network("l2", data), data, 1))


@pytest.mark.parametrize("name", processors.PROCESSORS)
def test_freedoms_follow_the_network_to_its_device(name, arguments):
    """On the device `meta` nothing is computed, but tensors of two devices do not mix."""
    torch.manual_seed(0)
    layer = processors.PROCESSORS[name](WIDTH).to("meta")
    nodes, edges, graph, hidden = arguments
    moved_edges = Edges(
        edges.values.to("meta"), EdgeMap(edges.map.weight.to("meta"), edges.map.bias.to("meta"))
    )
    given = (nodes.to("meta"), moved_edges, graph.to("meta"), hidden.to("meta"))
    for kind in asynchrony.KINDS:
        layer.freedom = Freedom(kind, 0.5, torch.Generator())
        state, _ = layer(*given)
        assert (state.device.type, state.shape) == ("meta", nodes.shape)
