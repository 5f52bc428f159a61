"""Changed attention against the library's own and against plain arithmetic."""

import copy

import numpy as np
import pytest
import torch

from tests.inference import tiny
from workflow_scripts.glasses.changed_attention import (
    Change,
    changed,
    changed_weights,
    int8_weights,
    quantised,
)
from workflow_scripts.inference import agreement, engines
from workflow_scripts.inference.engines import EngineError

torch.set_num_threads(1)
IDS = torch.tensor([[5, 9, 9, 30, 9, 41, 7, 7, 12, 3]])


def loaded(folder, architecture, **settings):
    tiny.save(folder / architecture, architecture, hidden=32, spread=0.3, **settings)
    return engines.load("tiny", tiny.SPEC, str(folder / architecture), attention="eager").model


@torch.inference_mode()
def logits(model):
    return model(input_ids=IDS, use_cache=False).logits


@pytest.mark.parametrize("architecture", ["qwen3", "llama", "gemma2", "mistral", "gpt_oss"])
def test_with_nothing_changed_it_is_the_librarys_attention(architecture, tmp_path):
    model = loaded(tmp_path, architecture, sliding_window=4)
    if architecture == "gpt_oss":
        for layer in model.model.layers:
            torch.nn.init.normal_(layer.self_attn.sinks)
    wanted = logits(model)
    with changed(model, Change()):
        found = logits(model)
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(logits(model), wanted)  # and restored


def test_a_change_that_should_change_nothing_is_compared_with_the_models_own(tmp_path):
    folder = tiny.save(tmp_path / "model", "gemma2", hidden=32, spread=0.3, sliding_window=200)
    engine = engines.load("tiny", tiny.SPEC, str(folder), attention="eager")
    agreement.reproduces(engine, "glasses", changed(engine.model, Change()))
    with pytest.raises(EngineError, match=r"'gemma2': logits .*by \d+\.\d%.*studies\.glasses$"):
        agreement.reproduces(engine, "glasses", changed(engine.model, Change(sink=True)))


def test_a_window_is_that_of_a_model_with_sliding_windows(tmp_path):
    windowed = loaded(tmp_path / "a", "mistral", sliding_window=4)
    model = loaded(tmp_path / "b", "mistral", sliding_window=None)
    model.load_state_dict(windowed.state_dict())
    wanted = logits(windowed)
    assert (logits(model) - wanted).abs().max() > 1e-2
    with changed(model, Change(window=4)):
        found = logits(model)
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)


def test_a_sink_takes_half_and_leaves_the_rest_in_proportion():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 2, 6, 4, generator=generator, dtype=torch.float64)
    plain = changed_weights(query, key, None, 0.5, None, Change())
    sink = changed_weights(query, key, None, 0.5, None, Change(sink=True))
    scores = np.exp(0.5 * (query[0, 0].numpy() @ key[0, 0].numpy().T))
    np.testing.assert_allclose(plain[0, 0, 3, :4], scores[3, :4] / scores[3, :4].sum())
    np.testing.assert_allclose(sink[0, :, 1:, 0], 0.5)
    np.testing.assert_allclose(sink[0, 0, 4, 1:5], 0.5 * scores[4, 1:5] / scores[4, 1:5].sum())
    assert (sink[0, :, 0, 0] == 1).all()
    np.testing.assert_allclose(sink.sum(-1), 1.0)


def test_a_coarse_cache_attends_to_rounded_keys_and_values(tmp_path):
    model = loaded(tmp_path, "llama")
    exact = logits(model)
    errors = []
    for bits in (16, 8, 4):
        with changed(model, Change(cache_bits=bits)):
            errors.append(float((logits(model) - exact).abs().mean()))
    assert 0 < errors[0] < errors[1] / 50
    assert errors[1] < errors[2] / 5


@pytest.mark.parametrize("bits", [8, 4])
def test_rounding_is_torchs_symmetric_quantisation(bits):
    states = torch.randn(5, 33, generator=torch.Generator().manual_seed(1))
    most = 2 ** (bits - 1) - 1
    scale = states.abs().amax(-1) / most
    wanted = torch.fake_quantize_per_channel_affine(
        states, scale, torch.zeros(5, dtype=torch.int32), 0, -most, most
    )
    found = quantised(states, bits)
    torch.testing.assert_close(found, wanted)
    assert ((found - states).abs() <= scale[:, None] * 0.5001).all()
    assert (quantised(torch.zeros(2, 3), bits) == 0).all()


def test_weights_of_8_bits_have_at_most_255_levels_an_output(tmp_path):
    model = loaded(tmp_path, "llama")
    before = copy.deepcopy(model.state_dict())
    int8_weights(model)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":  # the embeddings' matrix
            old = before[f"{name}.weight"]
            step = old.abs().amax(1, keepdim=True) / 127
            levels = module.weight / step.clamp(min=1e-30)  # the padding token's row is 0
            torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
            assert 0 < (module.weight - old).abs().max() <= step.max() * 0.5001


@pytest.mark.parametrize("tied", [True, False])
def test_an_output_layer_is_rounded_unless_it_is_the_embeddings(tmp_path, tied):
    folder = tiny.save(tmp_path / "model", "llama", hidden=24, tie_word_embeddings=tied)
    model = engines.load("tiny", tiny.SPEC, str(folder)).model
    embedded = model.get_input_embeddings().weight.clone()
    rounded, weights = int8_weights(model)
    assert torch.equal(model.get_input_embeddings().weight, embedded)
    vectors = sum(p.numel() for p in model.parameters() if p.ndim == 1)
    kept = embedded.numel() + vectors
    assert (rounded, weights) == (weights - kept, sum(p.numel() for p in model.parameters()))


def test_gpt2s_transposed_matrices_have_one_scale_per_output(tmp_path):
    folder = tiny.save(tmp_path / "model", "gpt2", hidden=16)
    model = engines.load("tiny", tiny.SPEC, str(folder)).model
    weight = model.transformer.h[0].mlp.c_fc.weight  # (inputs, outputs)
    before = weight.clone()
    int8_weights(model)
    step = before.abs().amax(0, keepdim=True) / 127
    levels = weight / step
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    assert not torch.equal(weight, before)


def test_joint_tensors_of_experts_are_refused_before_anything_changes(tmp_path):
    model = loaded(tmp_path, "llama")
    model.model.experts = torch.nn.Parameter(torch.zeros(2, 3, 4))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(NotImplementedError, match=r"found model.experts of shape \(2, 3, 4\)"):
        int8_weights(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_model_whose_attention_stays_is_named():
    class Deaf(torch.nn.Module):
        config = type("Config", (), {"_attn_implementation": "eager"})()

        def set_attn_implementation(self, name):
            pass

    with (
        pytest.raises(TypeError, match="Deaf: expected attention that can be replaced"),
        changed(Deaf(), Change()),
    ):
        pass
