"""Text models inside multimodal ones: Gemma 3 with a vision tower of as many layers."""

import numpy as np
import pytest
import torch
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, GenerationConfig

from tests.inference import tiny
from workflow_scripts.glasses import model_gaps, model_sensitivity
from workflow_scripts.glasses.changed_attention import Change
from workflow_scripts.inference import engines, prefill
from workflow_scripts.parallel_sequential import heads
from workflow_scripts.softmax import models as dispersion

torch.set_num_threads(1)
IDS = list(range(10, 60))
WINDOW, LAYERS, CONTEXT = 16, 2, 300


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Without `max_context`: the context is in the text part of the config."""
    folder = tmp_path_factory.mktemp("gemma")
    words = tiny.tokenizer()
    config = Gemma3Config(
        text_config={
            "vocab_size": len(words),
            "hidden_size": 64,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "intermediate_size": 96,
            "max_position_embeddings": CONTEXT,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"],
            "initializer_range": 0.2,
        },
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "image_size": 28,
            "patch_size": 14,
        },
        image_token_index=7,
        boi_token_index=8,
        eoi_token_index=9,
        mm_tokens_per_image=1,
        eos_token_id=words.eos_token_id,
        bos_token_id=None,
        pad_token_id=words.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Gemma3ForConditionalGeneration(config)
    ends = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    model.generation_config = GenerationConfig(**ends)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    spec = {key: value for key, value in tiny.SPEC.items() if key != "max_context"}
    return engines.load("gemma", spec, str(folder), attention="eager")


@pytest.fixture(scope="module")
def plain(engine):
    """What the library gives: logits, attention weights, hidden states."""
    with torch.no_grad():
        return engine.model(
            input_ids=torch.tensor([IDS]), output_attentions=True, output_hidden_states=True
        )


def test_softmax_reads_the_text_model(engine, plain):
    settings = {"numbers": [2, 8, 512], "prompts": 2, "largest": 99}
    found = dispersion.entropies(engine, settings, np.random.default_rng(0))
    assert engine.context == CONTEXT
    assert {row["items"] for row in found} == {2, 8}  # 512 numbers exceed the context
    for layer, entropies in dispersion.last_entropies(engine.model, IDS).items():
        weights = plain.attentions[layer][0, :, -1].double()
        wanted = torch.special.entr(weights).sum(-1).numpy()
        assert entropies == pytest.approx(wanted, abs=1e-4)


def test_prompts_of_two_lengths_have_the_librarys_logits(engine, plain):
    _, logits = prefill.prefill(engine.forward, [IDS, IDS[:20]])
    torch.testing.assert_close(logits[0], plain.logits[0, -1], atol=1e-4, rtol=1e-4)


def test_glasses_reads_the_layers_of_the_text_model(engine, plain):
    reader = model_gaps.Reader(engine.model)
    assert reader.layers is engine.model.get_decoder().layers
    found = reader.read(IDS, (3, 49))
    assert found.shape == (LAYERS + 1, 2, 64)
    wanted = [*plain.hidden_states[1:LAYERS], plain.hidden_states[-1]]
    for state, library in zip([*found[: LAYERS - 1], found[-1]], wanted, strict=True):
        np.testing.assert_allclose(state, library[0, [3, 49]].double(), atol=1e-4)


@pytest.mark.parametrize("precision", ["float64", "bfloat16", "int8_weights", "int4_cache"])
def test_glasses_changes_the_text_model(engine, precision):
    change = Change()
    with model_gaps.in_precision(engine.model, precision, change) as own:
        read = model_gaps.Reader(own).read(IDS, (3, 49))
    usual = model_gaps.Reader(engine.model).read(IDS, (3, 49))
    apart = np.abs(read - usual).max()
    assert 0 < apart < (1e-4 if precision == "float64" else 40)
    if change.rounded:
        text = {id(each): each.numel() for each in engine.model.get_decoder().parameters()}
        assert change.rounded[1] == sum(text.values())


def test_the_sensitivity_of_other_layers_is_left_out_by_their_name(engine):
    assert "Gemma3DecoderLayer" in (model_sensitivity.readable(engine.model, 1000) or "")


def test_heads_are_read_and_silenced_in_the_text_model(engine, plain):
    weights = heads.attentions(engine.model, torch.tensor([IDS]))
    np.testing.assert_array_equal(weights, torch.stack(plain.attentions).numpy())
    whole = heads.continuation_logprob(engine.model, IDS, 4)
    logits = plain.logits[0, -5:-1].double().log_softmax(-1)
    assert whole == pytest.approx(float(logits.gather(1, torch.tensor(IDS[-4:])[:, None]).sum()))
    with heads.without(engine.model, [(1, 1)]):
        assert heads.continuation_logprob(engine.model, IDS, 4) != whole
