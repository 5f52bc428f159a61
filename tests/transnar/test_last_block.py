"""A last block at few places against the same decoder at all of them."""

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from tests.transnar import made
from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import attention, batches
from workflow_scripts.transnar.decoder import Model, Text


@pytest.fixture(scope="module", autouse=True)
def polynomial():
    csv = ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
    attention.use(adaptive_temperature.published(csv))


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Rows of different lengths, padded on the left, with the reasoner's graph."""
    path = made.data(tmp_path_factory.mktemp("transnar") / "bfs.npz")
    pairs, indices = made.sets(path)[1], np.arange(6)
    batch = batches.training_batch(pairs, indices, np.random.default_rng(0), made.SHAPE)
    return batch.text, batches.graph(made.reasoner(path), pairs, indices, batch.labels)


def unpadded(text):
    """The same rows, with a mask that transformers leaves out: everything is attended to."""
    return Text(text.ids, text.positions, text.labels, text.indices, torch.ones_like(text.ids))


@pytest.mark.parametrize("kind", [attention.PLAIN, attention.NAME])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("places", [1, 5])
def test_logits_and_gradients_are_those_of_all_places(read, kind, padded, places):
    text, graph = read
    text = text if padded else unpadded(text)
    torch.manual_seed(1)
    model = Model(made.SHAPE, kind)
    found = []
    for last in (0, places):
        model.zero_grad()
        model.look(graph)
        logits = model(text, last=last)[:, -places:]
        (logits * torch.arange(logits.shape[-1])).square().mean().backward()
        gradients = {name: one.grad for name, one in model.named_parameters()}
        found.append((logits.detach(), gradients))
    assert found[1][0].shape[1] == places
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-4, atol=1e-5)
    assert found[1][1].keys() == found[0][1].keys()
    for name, expected in found[0][1].items():
        scale = float(expected.abs().max())
        torch.testing.assert_close(
            found[1][1][name], expected, rtol=1e-3, atol=1e-4 * scale, msg=name
        )


def test_later_tokens_see_the_keys_of_all_places(read):
    text, graph = read
    torch.manual_seed(1)
    model = Model(made.SHAPE).eval()
    found = []
    with torch.no_grad():
        for last in (0, 1):
            model.look(graph)
            cache = DynamicCache(config=model.decoder.config)
            before = Text(*(part[:, :-1] for part in vars(text).values()))
            model(before, cache, last=last)
            *parts, attended = (vars(text)[name] for name in vars(text))
            after = Text(*(part[:, -1:] for part in parts), attended)
            found.append(model(after, cache))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


def test_the_last_block_has_the_weights_that_the_decoder_drew():
    from transformers import LlamaForCausalLM

    torch.manual_seed(1)
    model = Model(made.SHAPE)
    torch.manual_seed(1)
    other = LlamaForCausalLM(model.decoder.config).state_dict()
    assert all(
        torch.equal(value, other[name]) for name, value in model.decoder.state_dict().items()
    )
    assert all(each.requires_grad for each in model.parameters())
