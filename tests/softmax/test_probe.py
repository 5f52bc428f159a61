"""Attention of transformers models: logits and entropies against the library's own weights."""

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GptOssConfig,
    GptOssForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from workflow_scripts.softmax import models, probe

SIZES = {
    "vocab_size": 90,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
IDS = list(range(1, 41))


def qwen() -> torch.nn.Module:
    return Qwen3ForCausalLM(Qwen3Config(**SIZES, initializer_range=0.3))


def gemma() -> torch.nn.Module:
    """Soft-capped logits, and a window of 8 keys in every other layer."""
    return Gemma2ForCausalLM(Gemma2Config(**SIZES, sliding_window=8, initializer_range=0.3))


def gpt_oss() -> torch.nn.Module:
    """Learned sinks, and a window of 8 keys in every other layer."""
    experts = {"num_local_experts": 2, "num_experts_per_tok": 1}
    net = GptOssForCausalLM(
        GptOssConfig(**SIZES, **experts, sliding_window=8, initializer_range=0.3)
    )
    for layer in net.model.layers:
        torch.nn.init.normal_(layer.self_attn.sinks)
    return net


def made(kind):
    torch.manual_seed(0)
    net = kind().eval()
    net.set_attn_implementation("eager")
    return net


@pytest.fixture(params=[qwen, gemma])
def model(request):
    return made(request.param)


def test_entropies_are_those_of_the_models_own_weights(model):
    with torch.no_grad():
        reference = model(input_ids=torch.tensor([IDS]), output_attentions=True).attentions
    for layer, found in models.last_entropies(model, IDS).items():
        weights = reference[layer][0, :, -1].double()
        assert found == pytest.approx(torch.special.entr(weights).sum(-1).numpy(), abs=1e-4)


def test_spread_is_the_log_ratio_of_the_weights(model):
    """Where no weight underflows: max - min logit = log(largest weight / least weight)."""
    with torch.no_grad():
        reference = model(input_ids=torch.tensor([IDS]), output_attentions=True).attentions
    places = models.query_rows(len(IDS), 16)
    weights = torch.cat([layer[0][:, places] for layer in reference]).double()
    least = torch.where(weights > 0, weights, torch.inf).amin(-1)
    ratio = (weights.amax(-1) / least).log().numpy()
    assert models.spreads(model, IDS, 16) == pytest.approx(ratio, abs=1e-3)


@pytest.mark.parametrize("kind", [qwen, gemma, gpt_oss])
@pytest.mark.parametrize("block", [probe.BLOCK, 1000])
def test_watching_leaves_the_model_as_it_was(kind, block, monkeypatch):
    """With attention in one block, and in blocks of 6 queries."""
    monkeypatch.setattr(probe, "BLOCK", block)
    model = made(kind)
    ids = torch.tensor([IDS])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        with probe.watching(model, [3], lambda *_: None):
            during = model(input_ids=ids).logits
        after = model(input_ids=ids).logits
    torch.testing.assert_close(during, before, atol=1e-4, rtol=1e-4)
    assert torch.equal(after, before)
    assert model.config._attn_implementation == "eager"


def test_rows_with_one_key_have_no_spread():
    logits, visible = probe.row_logits(
        torch.randn(1, 2, 5, 4), torch.randn(1, 1, 5, 4), None, torch.arange(5), None, None
    )
    assert torch.equal(visible[0, 0], torch.ones(5, 5).tril().bool())
    spread = probe.row_spread(logits, visible)
    assert spread[..., 0].isnan().all()
    assert not spread[..., 1:].isnan().any()


def test_query_rows_are_distinct_and_have_two_keys():
    rows = models.query_rows(500, 64)
    assert rows[0] == 1
    assert rows[-1] == 499
    assert (np.diff(rows) > 0).all()


def test_lists_that_exceed_the_context_are_left_out(model):
    class Letters:
        def __init__(self):
            self.model = model
            self.spec = {"chat_template": False}
            self.context = 64

        def encode(self, prompt: str) -> list[int]:
            return [1 + ord(letter) % 80 for letter in prompt]

    rng = np.random.default_rng(0)
    settings = {"numbers": [2, 4, 512], "prompts": 2, "largest": 99}
    found = pd.DataFrame(models.entropies(Letters(), settings, rng))
    assert set(found["items"]) == {2, 4}
    assert set(found["layer"].dropna()) == {0, 1}
    entropy = found[found["metric"] == "entropy_nats"]
    assert (entropy["ci_low"] <= entropy["value"]).all()
