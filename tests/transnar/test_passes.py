"""A batch in parts, with recomputed activations, fused attention or bfloat16: the same step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from tests.transnar import made
from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import attention, batches, size, training
from workflow_scripts.transnar.arms import ARMS
from workflow_scripts.transnar.decoder import Graph, Text

ROWS = 10
ONE_BY_ONE = {"pass_tokens": 1}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return made.data(tmp_path_factory.mktemp("passes") / "bfs.npz")


@pytest.fixture(autouse=True)
def polynomial():
    csv = ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
    attention.use(adaptive_temperature.published(csv))


def start(path, name, **settings):
    """A training before its first step, with a batch of rows of two lengths and its graph."""
    own = made.Shape(16, 2, 2, 32, 128, 8, 0 if ARMS[name].reasoner == "none" else 16, gate=1.0)
    reasoner = made.reasoner(path)
    sets = made.sets(path)
    state = training.Training(
        sets, {"bfs": reasoner}, ARMS[name], own, made.settings(batch=ROWS, **settings), 5
    )
    random = np.random.default_rng(2)
    indices = random.integers(0, len(sets[1]), ROWS)
    batch = batches.training_batch(sets[1], indices, random, own)
    shorter = slice(ROWS // 2, None)  # as if these rows had three tokens less
    for tensor in (batch.text.ids, batch.text.attended):
        tensor[shorter, :3] = 0
    graph = None
    if own.reasoner_width:
        graph = batches.graph(reasoner, sets[1], indices, batch.labels)
    return state, batch, graph


def gradients(state, batch, graph, dtype=torch.float64):
    """Loss and gradients of one step's backward pass, with weights of the given type."""
    state.model.to(dtype)
    if graph is not None:
        graph = batches.Graph(graph.nodes.to(dtype), graph.edges.to(dtype), graph.labels)
    loss = state.backward(batch, graph)
    found = {name: p.grad for name, p in state.model.named_parameters() if p.grad is not None}
    return loss, found


def whole(state, batch, graph, dtype=torch.float64, last=0):
    """The same, written without the training's own code: one pass, the mean over the targets.

    All of them are in the `last` columns; 0 stands for all columns.
    """
    state.model.to(dtype)
    if graph is not None:
        graph = batches.Graph(graph.nodes.to(dtype), graph.edges.to(dtype), graph.labels)
    state.model.look(graph, state.arm.streams)
    logits = state.model(batch.text, last=last).flatten(0, 1)
    targets = batch.targets[:, -last:]
    loss = functional.cross_entropy(logits, targets.flatten(), ignore_index=-100)
    loss.backward()
    found = {name: p.grad for name, p in state.model.named_parameters() if p.grad is not None}
    return loss.item(), found


def assert_equal(found, expected, **tolerance):
    assert found[0] == pytest.approx(expected[0], rel=tolerance["rtol"])
    assert set(found[1]) == set(expected[1])
    for name, gradient in expected[1].items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(
            found[1][name], gradient, atol=tolerance["rtol"] * scale, rtol=tolerance["rtol"]
        )


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("name", ["text", "hybrid", "hybrid_adaptive"])
def test_parts_of_a_batch_add_up_to_its_gradients(path, monkeypatch, name, recompute):
    expected = whole(*start(path, name))
    monkeypatch.setattr(attention, "DIRECT", 0)
    monkeypatch.setattr(attention, "BLOCK", 4096)
    state, batch, graph = start(path, name, recompute=recompute, pass_tokens=3 * 60)
    parts = batches.passes(batch, 3 * 60)
    assert len(parts) > 2  # of more than one row, and the last one smaller
    assert parts[0].stop - parts[0].start > 1
    assert_equal(gradients(state, batch, graph), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["text", "hybrid"])
def test_the_same_in_float32_within_rounding(path, name):
    expected = whole(*start(path, name), torch.float32)
    state, batch, graph = start(path, name, recompute=True, **ONE_BY_ONE)
    assert_equal(gradients(state, batch, graph, torch.float32), expected, rtol=2e-4)


def test_a_batch_that_fits_is_one_pass_with_the_same_bits(path):
    state, batch, graph = start(path, "hybrid")
    answered = (batch.targets != -100).any(0)
    last = len(answered) - answered.tolist().index(True)
    expected = whole(*start(path, "hybrid"), torch.float32, last)
    assert len(batches.passes(batch, state.settings.pass_tokens)) == 1
    loss, found = gradients(state, batch, graph, torch.float32)
    assert loss == expected[0]
    assert all(torch.equal(found[name], gradient) for name, gradient in expected[1].items())


def test_rows_lose_the_columns_in_which_all_are_padding(path):
    _, batch, _ = start(path, "text")
    tail = batch.rows(slice(ROWS // 2, ROWS))
    width = batch.targets.shape[1] - 3
    assert tail.targets.shape == tail.text.ids.shape == (ROWS // 2, width)
    assert tail.text.labels.shape == (ROWS // 2, width, 2)
    assert torch.equal(tail.text.ids, batch.text.ids[ROWS // 2 :, 3:])


@pytest.mark.parametrize("padding", [0, 3])
def test_fused_adaptive_attention_equals_the_direct_one(monkeypatch, padding):
    monkeypatch.setattr(attention, "BLOCK", 4 * 2 * 9 * 2)  # two queries at a time
    torch.manual_seed(0)
    drawn = [torch.randn(4, 2, 9, 3, dtype=torch.float64) for _ in range(3)]
    seen = torch.ones(9, 9, dtype=torch.bool).tril().expand(4, 1, 9, 9).clone()
    seen[2:, ..., :padding] = False
    results = []
    for way in (attention.direct, attention.fused):
        given = [part.clone().requires_grad_() for part in drawn]
        out = way(*given, seen, 2.5)
        out = out[:, :, padding:]  # rows of padding alone have no defined result
        out.square().sum().backward()
        results.append([out.detach(), *(part.grad for part in given)])
    beta = adaptive_temperature.inverse_temperature(attention.COEFFICIENTS, torch.tensor(1.0))
    assert beta > 1.0  # the temperature does something at these entropies
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


def kept_bytes(network, text, graph):
    """Bytes of the activations that a forward pass keeps for the backward pass."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept = {}

    def keep(tensor):
        held = tensor.untyped_storage()
        if held.data_ptr() not in weights:
            kept[held.data_ptr()] = (held.nbytes(), tensor)  # alive, so that no address recurs
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network.look(graph)
        network(text)
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("name", ["text", "hybrid", "hybrid_adaptive"])
def test_recomputed_blocks_keep_their_input_only(path, name):
    shape = made.Shape(16, 6, 2, 32, 128, 8, 0 if name == "text" else 16, gate=1.0)
    _, batch, graph = start(path, name)
    kept = []
    for recompute in (False, True):
        network = training.initial(shape, ARMS[name], 5)
        if recompute:
            network.recompute()
        kept.append(kept_bytes(network, batch.text, graph))
    block = batch.text.ids.numel() * shape.width * 4  # of one input, in bytes
    assert kept[0] > 20 * block * shape.layers
    assert kept[1] < 4 * block * shape.layers + 0.1 * kept[0]


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
def test_jobs_ask_for_the_memory_of_a_pass(recompute):
    """In the paper's proportions: hidden layers of four times the width."""
    shape = made.Shape(64, 4, 2, 256, 128, 0, 16, gate=1.0)
    network = training.initial(shape, ARMS["hybrid"], 5)
    if recompute:
        network.recompute()
    rows, length = 8, 96
    zeros = torch.zeros(rows, length, dtype=torch.long)
    places = torch.zeros(rows, length, 2, dtype=torch.long)
    positions = torch.arange(length).expand(rows, length)
    text = Text(zeros, positions, places, places, torch.ones_like(zeros))
    graph = Graph(torch.randn(rows, 5, 16), torch.randn(rows, 5, 5, 16), zeros[:, :5])
    kept_mb = kept_bytes(network, text, graph) / 1e6
    train = {"pass_tokens": rows * length, "batch": rows, "recompute": recompute}
    if recompute:  # and one block at a time in the backward pass
        kept_mb += (
            kept_bytes(training.initial(replace(shape, layers=1), ARMS["hybrid"], 5), text, graph)
            / 1e6
        )
    assert size.pass_mb(vars(shape), train) == pytest.approx(kept_mb, rel=0.25)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation returns, in elements."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        parts = found if isinstance(found, tuple | list) else (found,)
        sizes = [part.numel() for part in parts if isinstance(part, torch.Tensor)]
        self.elements = max([self.elements, *sizes])
        return found


def test_fused_adaptive_attention_never_holds_all_weights(monkeypatch):
    rows, heads, size, width = 1, 2, 128, 4
    monkeypatch.setattr(attention, "BLOCK", heads * size * 8)
    given = [torch.randn(rows, heads, size, width, requires_grad=True) for _ in range(3)]
    held = {}
    for way in (attention.direct, attention.fused):
        with Largest() as largest:
            way(*given, None, 1.0).sum().backward()
        held[way] = largest.elements
    assert held[attention.direct] >= heads * size * size
    assert held[attention.fused] <= heads * size * 8


def test_bfloat16_steps_go_where_float32_steps_go(path):
    """The gradient's direction; small decoders tell a wrong one from a rounded one."""
    _, expected = whole(*start(path, "hybrid"), torch.float32)
    state, batch, graph = start(path, "hybrid", precision="bfloat16")
    _, found = gradients(state, batch, graph, torch.float32)
    flat = [
        torch.cat([each[name].flatten() for name in sorted(expected)]) for each in (expected, found)
    ]
    assert all(gradient.dtype == torch.float32 for gradient in found.values())
    assert not torch.equal(*flat)
    assert functional.cosine_similarity(*flat, dim=0) > 0.999


def test_the_precision_follows_the_device():
    assert training.precision_on("cpu", "auto") == "float32"
    assert training.precision_on("cuda", "auto") == "bfloat16"
    assert training.precision_on("cuda", "float32") == "float32"


def test_a_batch_that_the_gpu_does_not_hold_names_the_setting(path, monkeypatch):
    state, batch, graph = start(path, "text")

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training.Training, "_loss", full)
    with pytest.raises(MemoryError, match=r"transnar\.train\.pass_tokens: \d+ tokens"):
        state.backward(batch, graph)


@pytest.mark.parametrize("name", ["text", "hybrid_adaptive"])
def test_a_training_in_parts_resumes_with_the_same_weights(path, tmp_path, name):
    shape = made.Shape(16, 2, 2, 32, 128, 8, 0 if name == "text" else 16, gate=1.0)
    own = made.settings(pass_tokens=120, recompute=True)
    given = (made.sets(path), {"bfs": made.reasoner(path)}, ARMS[name], shape, own, 5)
    whole_run, _ = training.train(training.Training(*given))
    cut = training.Training(*given)
    for _ in range(4):
        cut.advance()
    cut.save(tmp_path / "state.pt")
    resumed, _ = training.train(training.Training(*given), tmp_path / "state.pt")
    for key, tensor in whole_run.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[key]), key
