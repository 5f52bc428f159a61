"""The small decoder: independent seeds, causality, positions, and segments within a row."""

import pytest
import torch

from workflow_scripts.perplexity import decoder
from workflow_scripts.perplexity.decoder import ENCODINGS, Shape

torch.set_num_threads(1)


def shape(encoding: str) -> Shape:
    return Shape(3, 2, 32, 2, 4, encoding)


def model(encoding: str, seed: int = 0) -> decoder.Parameters:
    return decoder.initial(seed, shape(encoding))


def tokens(*size: int) -> torch.Tensor:
    return torch.randint(3, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_seeds_do_not_mix(encoding):
    models = [model(encoding, seed) for seed in range(3)]
    given = tokens(3, 2, 9)
    together = decoder.forward(decoder.stack(models), given, shape(encoding))
    for seed, own in enumerate(models):
        alone = decoder.forward(own, given[seed : seed + 1], shape(encoding))
        torch.testing.assert_close(together[seed : seed + 1], alone)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_token_sees_nothing_after_it(encoding):
    given = tokens(1, 1, 12)
    changed = given.clone()
    changed[..., 8:] = 2 - changed[..., 8:]
    one, other = (decoder.forward(model(encoding), t, shape(encoding)) for t in (given, changed))
    torch.testing.assert_close(one[..., :8, :], other[..., :8, :])
    assert not torch.allclose(one[..., 9, :], other[..., 9, :])


def test_rotary_depends_on_distances_and_sinusoidal_on_places():
    given = tokens(1, 1, 10)
    places = torch.arange(10).expand(1, 1, 10)
    for encoding, same in (("rope", True), ("nope", True), ("sinusoidal", False)):
        near, far = (
            decoder.forward(model(encoding), given, shape(encoding), places + shift)
            for shift in (0, 7)
        )
        assert torch.allclose(near, far, atol=1e-4) == same


def test_rotary_is_that_of_transformers():
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    config = LlamaConfig(hidden_size=64, num_attention_heads=4, head_dim=16)
    query, key = (
        torch.randn(1, 4, 11, 16, generator=torch.Generator().manual_seed(s)) for s in (0, 1)
    )
    cos, sin = LlamaRotaryEmbedding(config)(query, torch.arange(11)[None])
    expected = apply_rotary_pos_emb(query, key, cos, sin)
    turns = decoder._turns(torch.arange(11).expand(1, 1, 11), 16)
    for given, wanted in zip((query, key), expected, strict=True):
        found = decoder._rotated(given.transpose(1, 2)[None], turns)[0].transpose(1, 2)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_segments_of_a_row_are_strings_apart(encoding):
    first, second = tokens(1, 1, 5), tokens(1, 1, 7)
    row = torch.cat([first, second], -1)
    places = torch.cat([torch.arange(5), torch.arange(7)]).expand(1, 1, 12)
    visible = decoder.causal((torch.arange(12) >= 5).long().expand(1, 1, 12))
    found = decoder.forward(model(encoding), row, shape(encoding), places, visible)
    for own, part in ((first, slice(0, 5)), (second, slice(5, 12))):
        alone = decoder.forward(model(encoding), own, shape(encoding))
        torch.testing.assert_close(found[..., part, :], alone, atol=1e-5, rtol=1e-4)
