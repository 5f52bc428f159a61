"""Decoders: causality, closed gates, equal sizes, resumed training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.transnar import made
from workflow_scripts.shared import adaptive_temperature, seeds
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import (
    attention,
    batches,
    decoder,
    generate,
    tokens,
    training,
    weights,
)
from workflow_scripts.transnar.arms import ARMS
from workflow_scripts.transnar.decoder import Model
from workflow_scripts.transnar.train import shape_of

SETTINGS = made.settings()
COMMON = ("width", "layers", "heads", "mlp", "position_range", "labels", "gate")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return made.data(tmp_path_factory.mktemp("transnar") / "bfs.npz")


@pytest.fixture(scope="module")
def reasoner(path):
    return made.reasoner(path)


@pytest.fixture(autouse=True)
def polynomial():
    csv = ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
    attention.use(adaptive_temperature.published(csv))


def batch(path, count=4):
    pairs = made.sets(path)[1]
    random = np.random.default_rng(0)
    return (
        pairs,
        np.arange(count),
        batches.training_batch(pairs, np.arange(count), random, made.SHAPE),
    )


def model(shape=made.SHAPE, **more):
    torch.manual_seed(1)
    return Model(shape, **more).eval()


def test_no_prompt_is_in_two_sets(path):
    texts = [
        q
        for split in ("text_train", "text_test")
        for s in made.sets(path, split)
        for q in s.questions
    ]
    assert len(texts) == len(set(texts)) > 50


def test_a_token_does_not_see_later_ones(path):
    _, _, drawn = batch(path)
    network = model(replace(made.SHAPE, reasoner_width=0))
    before = network(drawn.text)
    ids = drawn.text.ids.clone()
    ids[:, -3:] = 7
    after = network(replace(drawn.text, ids=ids))
    torch.testing.assert_close(before[:, :-3], after[:, :-3])
    assert not torch.allclose(before[:, -1], after[:, -1])


def test_a_closed_gate_leaves_the_text_model_unchanged_and_an_open_one_does_not(path, reasoner):
    pairs, indices, drawn = batch(path)
    graph = batches.graph(reasoner, pairs, indices, drawn.labels)
    for gate, same in ((0.0, True), (1.0, False)):
        network = model(replace(made.SHAPE, gate=gate))
        network.look(None)
        alone = network(drawn.text)
        network.look(graph)
        assert torch.allclose(network(drawn.text), alone) is same


def test_the_graph_is_read_at_each_samples_own_last_step(path, reasoner):
    """A sample alone has the embeddings that it has in a batch."""
    pairs, indices, drawn = batch(path, 8)
    together = batches.graph(reasoner, pairs, indices, drawn.labels)
    for row in range(8):
        alone = batches.graph(reasoner, pairs, indices[row : row + 1], drawn.labels[row : row + 1])
        torch.testing.assert_close(alone.nodes[0], together.nodes[row], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone.edges[0], together.edges[row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_gets_as_many_weights(name):
    common = {k: getattr(made.SHAPE, k) for k in COMMON}
    own = shape_of(ARMS[name], common, made.WIDTH)
    ours, theirs = decoder.parameters(Model(own)), decoder.parameters(Model(made.SHAPE))
    assert 0 <= ours - theirs < 3 * made.SHAPE.width * made.SHAPE.layers


def test_adaptive_attention_is_the_polynomials(path):
    """Compared with weights computed row by row with NumPy."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 1, 6, 4, dtype=torch.float64) for _ in range(3))
    found, _ = attention.adaptive_attention(torch.nn.Identity(), query, key, value, None, 2.0)
    for row in range(6):
        logits = 2.0 * (key[0, 0] @ query[0, 0, row]).numpy()
        share = np.exp(logits - logits.max())
        share /= share.sum()
        entropy = -(share * np.log(share)).sum()
        beta = max(1.0, np.polyval(attention.COEFFICIENTS, entropy)) if entropy > 0.5 else 1.0
        sharp = np.exp(beta * (logits - logits.max()))
        expected = (sharp / sharp.sum()) @ value[0, 0].numpy()
        np.testing.assert_allclose(found[0, row, 0].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("plain", [False, True], ids=["randomised", "plain"])
def test_greedy_answers_are_the_most_likely_tokens_of_the_whole_text(path, plain):
    """Token by token with a cache, compared with one pass over prompt and answer."""
    pairs = made.sets(path, "text_test")[0]
    shape = replace(made.SHAPE, reasoner_width=0, plain_positions=plain)
    network = model(shape)
    found = generate.answers(
        network,
        pairs.questions,
        pairs.answers,
        5,
        lambda labels: None,
        np.random.default_rng(3),
        given_shape=True,
    )
    assert all(len(a) == len(t.strip()) for a, t in zip(found, pairs.answers, strict=True))
    prompts = [tokens.encode(question) for question in pairs.questions]
    written = [tokens.encode(answer) for answer in found]
    longest = max(len(tokens.encode(t.rstrip("\n") + tokens.END)) for t in pairs.answers)
    spare = longest + generate.SPARE - len(written[0])
    text, _, _ = batches.text(prompts, written, 5, np.random.default_rng(3), shape, spare)
    logits = network(text)
    digits = tokens.OWN.alike() >= 0
    for row, answer in enumerate(written):
        for place, token in enumerate(answer):
            if not digits[token]:
                continue
            spaced = tokens.VOCABULARY[token].startswith(" ")
            alike = [
                index
                for index, name in enumerate(tokens.VOCABULARY)
                if digits[index] and name.startswith(" ") == spaced
            ]
            scores = logits[row, place - len(answer) - 1]
            assert scores[token] >= scores[alike].max() - 1e-4


@pytest.mark.parametrize("name", ["text", "hybrid", "hybrid_adaptive"])
def test_a_training_resumed_ends_as_an_uninterrupted_one(path, reasoner, tmp_path, name):
    arm = ARMS[name]
    shape = made.SHAPE if arm.reasoner != "none" else replace(made.SHAPE, reasoner_width=0)
    given = (made.sets(path), {"bfs": reasoner}, arm, shape)
    whole, _ = training.train(training.Training(*given, SETTINGS, 5))
    cut = training.Training(*given, SETTINGS, 5)
    for _ in range(3):
        cut.advance()
    cut.save(tmp_path / "state.pt")
    again = training.Training(*given, SETTINGS, 5)
    resumed, _ = training.train(again, tmp_path / "state.pt")
    for key, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[key]), key


def test_training_leaves_the_reasoner_alone_and_moves_the_decoder(path, reasoner):
    before = {key: value.clone() for key, value in reasoner.state_dict().items()}
    start = training.initial(made.SHAPE, ARMS["hybrid"], 5)
    given = (made.sets(path), {"bfs": reasoner}, ARMS["hybrid"], made.SHAPE)
    end, curve = training.train(training.Training(*given, SETTINGS, 5))
    assert all(torch.equal(before[key], value) for key, value in reasoner.state_dict().items())
    moved = [
        not torch.equal(a, b) for a, b in zip(start.parameters(), end.parameters(), strict=True)
    ]
    assert sum(moved) > 0.9 * len(moved)
    assert curve["loss_nats"].notna().all()


def test_what_is_written_is_read_back(path, tmp_path):
    network = model()
    weights.write(tmp_path / "0.safetensors", network, "hybrid", {})
    again = weights.read(tmp_path / "0.safetensors")
    assert again.shape == network.shape
    state = again.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    (tmp_path / "bad.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"bad\.safetensors: expected decoders"):
        weights.read(tmp_path / "bad.safetensors")


def test_positions_are_distinct_and_in_order():
    drawn = batches.draw_sorted(seeds.generator(1, "test"), 50, 9, 12)
    assert (np.diff(drawn, axis=1) > 0).all()
    assert drawn.min() >= 0
    assert drawn.max() < 12
    with pytest.raises(ValueError, match="expected at most 12 positions, found 13"):
        batches.draw_sorted(seeds.generator(1, "test"), 1, 13, 12)
