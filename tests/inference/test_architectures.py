"""Architectures with features of their own, against calls of the model with eager attention."""

import json

import pytest
import torch
from transformers import AttentionMaskInterface

from tests.inference import architectures, tiny
from workflow_scripts.inference import agreement, attention, engines, runner
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.inference.requests import request, table

torch.set_num_threads(1)
WINDOW = architectures.WINDOW
KINDS = {
    "soft caps": ("gemma2", {}),
    "learned sinks": ("gpt_oss", {}),
    "values of another width than keys": ("deepseek_v3", {}),
    "modules that drop keywords": ("stablelm", {}),
    "a window that the architecture ignores": ("llama", {"sliding_window": WINDOW}),
    "windows in the last layers": ("qwen2", {}),
    "chunks": ("llama4_text", {}),
    "keys shared between layers": ("gemma3n_text", {}),
    "positions that start after the padding token": ("roberta", {}),
}


def loaded(folder, kind, spec=tiny.SPEC, **more):
    return engines.load("tiny", spec, architectures.save(folder, kind, **more))


@pytest.mark.parametrize("feature", KINDS)
def test_replies_and_log_probabilities_are_those_of_eager_attention(feature, tmp_path):
    kind, more = KINDS[feature]
    engine = loaded(tmp_path / "model", kind, **more)
    # So long a beginning that it passes through the model once for all prompts.
    common = "the river runs north of town and seven hills lie south " * 5
    prompts = [common + end for end in ("of it", "under a wide sky", "A", "")]
    settings = {"temperature": 0, "seed": 0, "max_tokens": 3}
    asked = [request(text, prompt=text, echo_logprobs=True, **settings) for text in prompts]
    found = runner.generate(table(asked), engine, tmp_path / "store")
    for prompt, reply in zip(prompts, found.itertuples(), strict=True):
        ids = engine.encode(prompt=prompt)
        assert len(ids) > 2 * WINDOW
        logp = agreement.eager_logits(engine.model, ids).log_softmax(-1)
        wanted = [float(logp[i, token]) for i, token in enumerate(ids[1:])]
        assert json.loads(reply.logprobs)[1:] == pytest.approx(wanted, abs=2e-4)
        for _ in range(reply.completion_tokens):
            ids = [*ids, int(agreement.eager_logits(engine.model, ids)[-1].argmax())]
        assert engine.text(ids[-reply.completion_tokens :]) == reply.text


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("bart", r"logits differ by \d+\.\d% from those of its own attention \(rounding"),
        ("mamba", "does not run on .*its layers keep no keys and values"),
        ("lfm2", "does not run on .*or a state beside them"),
        ("gptj", r"logits differ by \d+\.\d%"),
        ("bloom", r"does not run on engine transformers \(.*size"),
    ],
)
def test_other_architectures_are_refused_in_one_line(kind, reason, tmp_path):
    with pytest.raises(EngineError, match=reason) as caught:
        loaded(tmp_path / "model", kind)
    message = str(caught.value)
    assert message.startswith(f"models.tiny: architecture '{kind}' ")
    assert message.endswith("engine: vllm may run it")
    assert "\n" not in message


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_wrong_window_is_noticed_though_it_exceeds_the_prompt(dtype, tmp_path, monkeypatch):
    def without_windows(mask_function, **options):
        del mask_function
        return attention.mask_of_layer(attention.causal_mask_function, **options)

    folder = architectures.save(tmp_path / "model", "mistral", sliding_window=200)
    spec = tiny.SPEC | {"dtype": dtype}
    assert engines.load("tiny", spec, folder).model.config.sliding_window == 200
    monkeypatch.setitem(AttentionMaskInterface._global_mapping, attention.NAME, without_windows)
    with pytest.raises(EngineError, match="'mistral' is not computed correctly"):
        engines.load("tiny", spec, folder)


def test_the_first_position_takes_its_place_in_the_context(tmp_path):
    engine = loaded(tmp_path / "model", "roberta", tiny.SPEC | {"max_context": None})
    assert engine.forward.first == 1
    assert engine.context == engine.model.config.max_position_embeddings - 1


@pytest.mark.parametrize("kind", ["phi3", "phimoe"])
def test_longrope_is_refused_where_replies_would_depend_on_the_batch(kind, tmp_path):
    rope = {"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 64}
    rope |= {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    if kind == "phimoe":
        rope |= {"short_mscale": 1.2, "long_mscale": 1.3}
    more = {"rope_parameters": rope, "original_max_position_embeddings": 64}
    folder = architectures.save(tmp_path / "model", kind, **more)
    for most in (None, 64):
        with pytest.raises(EngineError, match="set max_context: 63, or use engine: vllm") as caught:
            engines.load("tiny", tiny.SPEC | {"max_context": most}, folder)
        assert "\n" not in str(caught.value)
    engine = engines.load("tiny", tiny.SPEC | {"max_context": 63}, folder)
    settings = {"temperature": 0, "seed": 0, "max_tokens": 0, "echo_logprobs": True}
    asked = [request(str(words), prompt="the " * words, **settings) for words in (5, 30)]
    together = runner.generate(table(asked), engine, tmp_path / "together")
    alone = runner.generate(table(asked[:1]), engine, tmp_path / "alone")
    pair = [json.loads(found.logprobs[0])[1:] for found in (together, alone)]
    # Experts of a mixture round by the number of their tokens.
    assert pair[0] == pytest.approx(pair[1], abs=1e-5)


def test_attention_with_an_unknown_tensor_is_refused():
    with pytest.raises(EngineError, match="Linear: attention with position_bias is not supported"):
        attention.refuse(torch.nn.Linear(1, 1), {"position_bias": torch.zeros(1), "dropout": 0.0})
