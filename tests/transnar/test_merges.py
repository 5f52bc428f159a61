"""Merges of the attention to nodes and edges: compared with NumPy, and with a closed gate."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import erf, softmax

from tests.transnar import made
from workflow_scripts.transnar import merges
from workflow_scripts.transnar.decoder import STREAMS, Coupling, Graph, Model, Text

ROWS, TOKENS, NODES = 2, 5, 3


def arrays(module):
    return {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0.0)


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def attended(weights, stream, x, source, heads):
    """One cross-attention, head by head: x (T, D), source (K, W)."""
    query, key, value = (
        linear(weights, f"{part}.{stream}", given)
        for part, given in (("query", x), ("key", source), ("value", source))
    )
    size = query.shape[1] // heads
    found = []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        logits = query[:, own] @ key[:, own].T / np.sqrt(size)
        found.append(softmax(logits, axis=-1) @ value[:, own])
    return np.concatenate(found, -1)


def by_hand(how, weights, nodes, edges):
    """Two updates (T, D) merged, token by token."""
    if how == "sum":
        return nodes + edges
    if how == "gram_schmidt":
        pairs = zip(nodes, edges, strict=True)
        second = [np.linalg.qr(np.stack(pair, 1))[0][:, 1] for pair in pairs]
        edges = np.stack([(axis @ edge) * axis for axis, edge in zip(second, edges, strict=True)])
    together = np.concatenate([nodes, edges], -1)
    if how == "mlp":
        return linear(weights, "merge.2", gelu(linear(weights, "merge.0", together)))
    width = nodes.shape[1]
    weight = weights["merge.weight"]
    return nodes @ weight[:, :width].T + edges @ weight[:, width:].T + weights["merge.bias"]


@pytest.mark.parametrize("how", merges.MERGES)
def test_a_coupling_is_the_textbooks(how):
    torch.manual_seed(2)
    shape = replace(made.SHAPE, merge=how, gate=0.7)
    coupling = Coupling(shape)
    hidden = torch.randn(ROWS, TOKENS, shape.width)
    sources = {
        "nodes": torch.randn(ROWS, NODES, made.WIDTH),
        "edges": torch.randn(ROWS, NODES * NODES, made.WIDTH),
    }
    with torch.no_grad():
        found = coupling(hidden, sources).numpy()
    weights = arrays(coupling)
    for row in range(ROWS):
        x = hidden[row].double().numpy()
        normed = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        seen = [
            attended(weights, name, normed, sources[name][row].double().numpy(), shape.heads)
            for name in STREAMS
        ]
        merged = by_hand(how, weights, *seen)
        after = linear(weights, "mlp.2", gelu(linear(weights, "mlp.0", merged)))
        expected = x + np.tanh(0.7) * (merged + after)
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


def test_orthogonal_edges_keep_what_the_nodes_do_not_have():
    torch.manual_seed(0)
    nodes, edges = torch.randn(2, 7, 6, dtype=torch.float64)
    left = merges.orthogonal(edges, nodes)
    torch.testing.assert_close((left * nodes).sum(-1), torch.zeros(7, dtype=torch.float64))
    torch.testing.assert_close(merges.orthogonal(left + 3 * nodes, nodes), left)
    assert torch.equal(merges.orthogonal(edges, torch.zeros_like(nodes)), edges)


def looked_at(shape):
    """A model, a text and a graph for its cross-attention, drawn at random."""
    torch.manual_seed(3)
    network = Model(shape).eval()
    ids = torch.randint(1, 20, (ROWS, TOKENS))
    places = torch.zeros(ROWS, TOKENS, 2, dtype=torch.int64)
    text = Text(ids, torch.arange(TOKENS).expand(ROWS, -1), places, places, torch.ones_like(ids))
    labels = torch.arange(NODES).expand(ROWS, -1)
    nodes = torch.randn(ROWS, NODES, made.WIDTH)
    return network, text, Graph(nodes, torch.randn(ROWS, NODES, NODES, made.WIDTH), labels)


@pytest.mark.parametrize("how", merges.MERGES)
@pytest.mark.parametrize("gate", [0.0, 1.0], ids=["closed", "open"])
def test_with_a_closed_gate_no_merge_matters(how, gate):
    """Compared with transformers' own model, which has no coupling."""
    network, text, graph = looked_at(replace(made.SHAPE, merge=how, gate=gate, labels=0))
    network.look(graph)
    with torch.no_grad():
        found = network(text)
        network.look(None)
        alone = network.decoder(text.ids, position_ids=text.positions).logits
    assert torch.allclose(found, alone, atol=1e-6) is (gate == 0.0)


@pytest.mark.parametrize("how", merges.MERGES)
@pytest.mark.parametrize("stream", STREAMS)
def test_gradients_are_finite_where_one_stream_is_missing(how, stream):
    network, text, graph = looked_at(replace(made.SHAPE, merge=how))
    network.look(graph, (stream,))
    network(text).square().mean().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert network.couplings[0].query[stream].weight.grad.abs().max() > 0
