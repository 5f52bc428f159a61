"""Pretrained decoders: they start as the model, learn from the reasoner, and leave it alone."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.transnar import made
from tests.transnar import pretrained_models as models
from workflow_scripts.clrs import weights as reasoners
from workflow_scripts.inference import engines
from workflow_scripts.shared import tables
from workflow_scripts.transnar import (
    batches,
    generate,
    pretrained_evaluate,
    pretrained_train,
    training,
    weights,
)
from workflow_scripts.transnar.arms import ARMS
from workflow_scripts.transnar.batches import IGNORED, Pairs
from workflow_scripts.transnar.decoder import Graph

torch.set_num_threads(1)
KINDS = {"qwen3": {}, "gpt_neox": {}, "gpt2": {"positions": "plain"}}
TRAINING = {"steps": 4, "batch": 4, "learning_rate": 1e-2, "warmup_steps": 1, "final_rate": 0.1}
TRAINING |= {"max_grad_norm": 1.0, "pass_tokens": 10**6, "recompute": False}
TRAINING |= {"precision": "float32", "checkpoint_every": 2}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return made.data(tmp_path_factory.mktemp("data") / "bfs.npz", samples=8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {kind: models.save(folder / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def reasoner(path):
    return made.reasoner(path)


def seen(network, path, reasoner, **more):
    """A batch, with the network looking at its graph."""
    pairs, indices, drawn = models.batch(network, path, **more)
    found = batches.graph(reasoner, pairs, indices, drawn.labels)
    dtype = network.source_norm.weight.dtype
    graph = Graph(found.nodes.to(dtype), found.edges.to(dtype), found.labels)
    network.look(graph)
    return drawn, graph


@pytest.mark.parametrize("kind", KINDS)
def test_before_training_the_hybrid_is_the_model_bit_for_bit(folders, path, reasoner, kind):
    network = models.load(folders[kind], **KINDS[kind])
    text = seen(network, path, reasoner)[0].text
    alone = engines.load("alone", models.SPEC | {"dtype": "float32"}, folders[kind]).model
    with torch.no_grad():
        expected = alone(
            input_ids=text.ids, attention_mask=text.attended, position_ids=text.positions
        ).logits
        assert torch.equal(network(text), expected)
        network.couplings[-1].gate.fill_(1.0)
        assert not torch.allclose(network(text), expected)


@pytest.mark.parametrize("trained", ["all", "couplings"])
def test_gradients_reach_the_new_layers_and_never_the_reasoner(folders, path, reasoner, trained):
    network = models.load(folders["qwen3"], trained=trained)
    state = training.Training(
        made.sets(path),
        {"bfs": reasoner},
        ARMS["hybrid"],
        network.shape,
        made.settings(),
        1,
        network,
    )
    state.advance()  # of the couplings only the gates move: what they add is multiplied by zero
    assert all(coupling.gate != 0 for coupling in network.couplings)
    drawn, graph = seen(network, path, reasoner)
    state.optimiser.zero_grad()
    state.backward(drawn, graph)
    for name, value in network.named_parameters():
        own = name.startswith("decoder.")
        got = value.grad is not None and bool(value.grad.abs().sum() > 0)
        assert got == (trained == "all" or not own), name
    assert all(value.grad is None for value in reasoner.parameters())
    assert (sum(name.startswith("decoder.") for name in network.trained()) > 0) == (
        trained == "all"
    )


@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
def test_parts_of_a_batch_give_the_gradients_of_the_whole(folders, path, reasoner, recompute):
    """Logits of all tokens in one pass, against those of answers only, a row at a time."""
    found = []
    for settings in ({}, {"recompute": recompute, "pass_tokens": 1}):
        network = models.load(folders["qwen3"])
        given = made.sets(path), {"bfs": reasoner}, ARMS["hybrid"], network.shape
        state = training.Training(*given, made.settings(**settings), 1, network)
        for coupling in network.couplings:
            torch.nn.init.constant_(coupling.gate, 0.5)
        network.double()
        drawn, graph = seen(network, path, reasoner)
        if settings:
            loss = state.backward(drawn, graph)
        else:
            logits = network(drawn.text).flatten(0, 1)
            whole = functional.cross_entropy(logits, drawn.targets.flatten(), ignore_index=IGNORED)
            whole.backward()
            loss = whole.item()
        found.append((loss, {n: p.grad for n, p in network.named_parameters()}))
    (loss, expected), (parts, gradients) = found
    assert parts == pytest.approx(loss, rel=1e-6)
    for name, gradient in expected.items():
        scale = 1e-6 * gradient.abs().max().item()
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-5, atol=scale)


@pytest.mark.parametrize("kind", ["qwen3", "gpt2"])
def test_greedy_answers_are_the_most_likely_tokens_of_the_whole_text(folders, path, reasoner, kind):
    """Token by token with a cache, compared with one pass over prompt and answer."""
    network = models.load(folders[kind], **KINDS[kind]).eval()
    for coupling in network.couplings:
        torch.nn.init.constant_(coupling.gate, 1.0)
    pairs, indices = made.sets(path, "text_test")[0], np.arange(3)

    def graph_of(labels):
        return batches.graph(reasoner, pairs, indices, labels)

    questions, truths = pairs.questions[:3], pairs.answers[:3]
    given = network, questions, truths, 5, graph_of
    found = generate.answers(*given, np.random.default_rng(3), given_shape=True)
    assert all(len(a) == len(t.strip()) for a, t in zip(found, truths, strict=True))
    words = network.words
    prompts, written = [words.prompt(q) for q in questions], [words.answer(a) for a in found]
    spare = max(map(len, map(words.answer, truths))) + generate.SPARE - len(written[0])
    random = np.random.default_rng(3)
    text, labels, _ = batches.text(prompts, written, 5, random, network.shape, spare, words)
    network.look(graph_of(labels[:, :-1]))
    with torch.no_grad():
        logits = network(text)
    alike = words.alike()
    for row, answer in enumerate(written):
        for place, token in enumerate(answer):
            scores = logits[row, place - len(answer) - 1]
            if alike[token] >= 0:
                assert scores[token] >= scores[alike == alike[token]].max() - 1e-4


def test_a_number_may_be_one_token(tmp_path):
    """The vocabulary decides what a token is, and the texts are spelled and read in it."""
    folder = models.save(tmp_path / "numbers")
    models.of_numbers().save_pretrained(folder)
    words = models.load(folder).words
    ids = words.answer("[12 7 35]\n\n")
    texts = [words.engine.token_texts[index] for index in ids]
    assert texts == ["[", "12", " ", "7", " ", "35", "]\n"]
    assert words.read(ids) == "[12 7 35]"
    assert ids[-1] in words.ends
    alike = words.alike()
    assert alike[ids[1]] == alike[ids[5]] >= 0 > alike[ids[0]]
    assert alike[ids[3]] not in (alike[ids[1]], -1)  # as many digits, so that the shape is given
    mute = replace_tokens(words, "7")
    with pytest.raises(ValueError, match=r"models\.tiny: expected a tokenizer that spells .*\[7\]"):
        mute.answer("[7]")


def replace_tokens(words, lost):
    """The words of a model that lacks a sign."""
    made_text = words.engine.text
    words.engine.text = lambda ids: made_text(ids).replace(lost, "?")
    return words


def test_learned_positions_are_refused_as_randomised_ones(folders):
    with pytest.raises(ValueError, match=r"models\.tiny: expected rotary positions up to 1024"):
        models.load(folders["gpt2"])
    with pytest.raises(ValueError, match=r"every: expected at most the model's 2 layers, found 3"):
        models.load(folders["qwen3"], every=3)
    assert len(models.load(folders["qwen3"], every=2).couplings) == 1


LETTERS, SAMPLES = 4, 64


class Oracle:
    """A reasoner whose nodes hold the answer to each sample."""

    width = LETTERS
    held: torch.Tensor

    def to(self, _):
        return self


def test_a_hybrid_learns_what_the_text_does_not_say(folders, monkeypatch):
    """The same prompt has four answers, which only the reasoner's embeddings tell apart."""
    random = np.random.default_rng(0)
    digits = random.integers(0, LETTERS, SAMPLES)

    class Nodes:
        nodes = 3

    pairs = Pairs("bfs", ["bfs:\npi:\n"] * SAMPLES, [f"[{d}]\n\n" for d in digits], Nodes())

    def graph(_reasoner, _pairs, indices, labels):
        told = torch.eye(LETTERS)[torch.tensor(digits[indices])]
        nodes = told[:, None].expand(-1, 3, -1)
        return Graph(nodes, torch.zeros(len(indices), 3, 3, LETTERS), labels)

    def of_all(labels):
        return graph(None, None, np.arange(SAMPLES), labels)

    monkeypatch.setattr(batches, "graph", graph)
    settings = made.settings(steps=60, batch=32, learning_rate=1e-2, warmup_steps=5)
    right = {}
    for arm in ("text", "hybrid"):
        network = models.load(folders["qwen3"], arm, width=LETTERS)
        given = [pairs], {"bfs": Oracle()}, ARMS[arm], network.shape, settings, 1, network
        done, _ = training.train(training.Training(*given))
        asked = done, pairs.questions, pairs.answers, 3
        found = generate.answers(*asked, of_all, np.random.default_rng(1))
        right[arm] = np.mean([a == t.strip() for a, t in zip(found, pairs.answers, strict=True)])
    most = np.bincount(digits).max() / SAMPLES
    assert right["hybrid"] == 1.0
    assert right["text"] <= most < 0.5


@pytest.fixture(scope="module")
def given(path, folders, reasoner, tmp_path_factory):
    """What both scripts are given by their rules."""
    file = tmp_path_factory.mktemp("reasoner") / "0.safetensors"
    reasoners.write(file, reasoner, "triplet_gmpnn")
    return {
        "data": [str(path)],
        "reasoners": [str(file)],
        "decoders": ["0.safetensors", "1.safetensors"],
        "model": models.MODEL,
        "spec": models.SPEC,
        "checkpoint": folders["qwen3"],
        "algorithms": ["bfs"],
        "seed": 1,
        "provenance": {"code": "a test"},
    }


def digest(folder):
    files = sorted(Path(folder).iterdir())
    return [(f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files]


@pytest.mark.parametrize("trained", ["all", "couplings"])
def test_the_rules_scripts_train_and_ask_an_arm(given, folders, tmp_path, monkeypatch, trained):
    monkeypatch.chdir(tmp_path)
    before, start = digest(folders["qwen3"]), models.START | {"trained": trained}
    arm = "hybrid" if trained == "couplings" else "text"
    own = given | {"arm": arm, "start": start}
    pretrained_train.main(**own, curve="curve.parquet", training=TRAINING)
    stored, about = weights.weights.read("0.safetensors", "decoders", "decoder")
    assert {name.split(".")[0] for name in stored} == {
        "all": {"decoder"},
        "couplings": {"couplings", "source_norm"},
    }[trained]
    assert about["decoder"]["arm"] == f"{arm}:tiny"
    curve = tables.read("curve.parquet")
    assert set(curve["seed"]) == {0, 1}
    assert curve["loss_nats"].notna().all()
    pretrained_evaluate.main(**own, table="answers.parquet", batch=5)
    answers = tables.read("answers.parquet")
    assert set(answers["arm"]) == {f"{arm}:tiny"}
    ways = {"text": {"plain"}, "hybrid": {"plain", "shuffled"}}[arm]
    assert set(answers["inference"]) == ways
    assert (answers["inference"] == "plain").sum() == 2 * 2 * 8  # seeds, forms, prompts
    assert digest(folders["qwen3"]) == before
    assert not list(Path("work").rglob("*.pt"))


def test_weights_of_another_decoder_are_refused(folders, tmp_path):
    network = models.load(folders["qwen3"], trained="couplings")
    weights.write(tmp_path / "0.safetensors", network, "hybrid:tiny", {})
    with pytest.raises(ValueError, match=r"expected the weights of text:tiny, found hybrid:tiny"):
        weights.into(tmp_path / "0.safetensors", network, "text:tiny")
    with pytest.raises(ValueError, match="found others"):
        models.load(folders["qwen3"]).restore(network.trained())
    torch.nn.init.constant_(network.couplings[0].gate, 0.5)
    weights.into(tmp_path / "0.safetensors", network, "hybrid:tiny")
    assert network.couplings[0].gate == 0.0
