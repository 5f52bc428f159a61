"""Plain and randomised positions, and padding in both kinds of attention."""

import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.transnar import made
from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import attention, batches, evaluate, generate, tokens
from workflow_scripts.transnar.decoder import Model

QUESTIONS = ("bfs:\ns: 0, A: [[0 1], [1 0]]\npi:\n", "bfs:\ns: 2, A: [[0 1 1], [1 0 0]]\npi:\n")
PROMPTS = [tokens.encode(question) for question in QUESTIONS]
ANSWERS = [tokens.encode("[0 0]"), tokens.encode("[2 0")]
PLAIN = replace(made.SHAPE, plain_positions=True)
BARE = replace(PLAIN, labels=0, reasoner_width=0)


def text(shape, seed=0, rows=(0, 1), spare=3):
    random = np.random.default_rng(seed)
    chosen = [PROMPTS[row] for row in rows], [ANSWERS[row] for row in rows]
    return batches.text(*chosen, 3, random, shape, spare)


def adaptive_attention():
    csv = ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
    attention.use(adaptive_temperature.published(csv))


def network(kind=attention.PLAIN):
    adaptive_attention()
    torch.manual_seed(4)
    model = Model(BARE, kind).eval()
    with torch.no_grad():
        for weight in model.decoder.model.layers.parameters():
            weight.mul_(10)  # untrained attention is too even for positions to matter
    return model


def test_plain_positions_count_from_each_rows_first_token():
    drawn, _, later = text(PLAIN)
    for row, (prompt, answer) in enumerate(zip(PROMPTS, ANSWERS, strict=True)):
        count = len(prompt) + len(answer)
        assert drawn.positions[row, -count:].tolist() == list(range(count))
        assert drawn.positions[row, :-count].eq(0).all()
        assert later[row].tolist() == [count, count + 1, count + 2]


def test_labels_are_those_of_the_arms_with_randomised_positions():
    (plain, label, _), (drawn, other, _) = text(PLAIN), text(made.SHAPE)
    assert torch.equal(label, other)
    assert torch.equal(plain.labels, drawn.labels)
    assert not torch.equal(plain.positions, drawn.positions)


@torch.no_grad()
def test_randomised_positions_depend_on_the_draw_and_plain_ones_do_not():
    model = network()
    for shape, same in ((BARE, True), (replace(BARE, plain_positions=False), False)):
        one, two = (model(text(shape, seed)[0])[:, -1] for seed in (0, 1))
        assert torch.equal(one, two) is same


@torch.no_grad()
def test_only_distances_between_positions_count():
    """A shift of rotary positions changes nothing; stretching or permuting them does."""
    model, (drawn, _, _) = network(), text(BARE, rows=(1,))
    places = drawn.positions
    expected = model(drawn)
    shifted = model(replace(drawn, positions=places + 7))
    torch.testing.assert_close(shifted, expected, rtol=1e-3, atol=1e-4)
    shuffled = torch.from_numpy(np.random.default_rng(0).permuted(places.numpy(), axis=1))
    for other in (2 * places, shuffled):
        assert (model(replace(drawn, positions=other)) - expected)[:, -1].abs().max() > 1e-3


@pytest.mark.parametrize("kind", [attention.PLAIN, attention.NAME])
def test_a_short_row_among_longer_ones_gives_what_it_gives_alone(kind):
    model = network(kind)
    together, alone = model(text(BARE)[0]), model(text(BARE, rows=(0,))[0])
    own = alone.shape[1]
    torch.testing.assert_close(together[0, -own:], alone[0], rtol=1e-4, atol=1e-5)
    together[:, -own:].square().mean().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_every_test_batch_has_positions_and_labels_of_its_own(tmp_path, monkeypatch):
    """Batches of four prompts: equal draws would make prompts i and i + 4 share theirs."""
    pairs = made.sets(made.data(tmp_path / "bfs.npz"), "text_test")
    seen = []

    def recorded(*arguments, **options):
        found = batches.text(*arguments, **options)
        seen.append((found[1].numpy(), found[2].numpy()))
        return found

    monkeypatch.setattr(generate, "text", recorded)
    model = Model(replace(made.SHAPE, reasoner_width=0), attention.PLAIN).eval()
    adaptive_attention()
    list(evaluate.rows_of(model, None, "text", pairs, 4, seed=1))
    plain = seen[:2]  # the batches of the first form
    assert not np.array_equal(plain[0][0], plain[1][0])
    assert not np.array_equal(plain[0][1][:, :9], plain[1][1][:, :9])
    again = seen[2:4]  # the other form: the same draws
    assert np.array_equal(plain[0][0], again[0][0])
    assert np.array_equal(plain[1][0], again[1][0])


def test_another_graph_is_never_the_prompts_own(tmp_path, monkeypatch):
    """Also where the last batch has a single prompt."""
    pairs = made.sets(made.data(tmp_path / "bfs.npz"), "text_test")
    seen = []

    def recorded(reasoner, pairs, indices, labels):
        seen.append(indices.tolist())
        return batches.graph(reasoner, pairs, indices, labels)

    stub = types.SimpleNamespace(graph=recorded)
    monkeypatch.setattr(evaluate, "batches", stub)
    model, reasoner = Model(made.SHAPE, attention.PLAIN).eval(), made.reasoner(tmp_path / "bfs.npz")
    way = evaluate.INFERENCES["shuffled"]
    for indices in (np.arange(7), np.array([7])):
        random = np.random.default_rng(0)
        evaluate.ask(model, reasoner, way, pairs[0], indices, True, random)
    used = [number for batch in seen for number in batch]
    assert sorted(used) == list(range(8))
    assert all(own != other for own, other in enumerate(used))
