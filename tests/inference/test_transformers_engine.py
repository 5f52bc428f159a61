"""The engine against plain calls of the model: greedy text, log-probabilities, frequencies."""

import json

import numpy as np
import pytest
import torch
from scipy import stats

from tests.inference import tiny
from workflow_scripts.inference import chat, engines, runner
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.inference.requests import request, table


def run(engine, tmp_path, *rows):
    return runner.generate(table(rows), engine, tmp_path / "store")


def texts(count, longest=50, seed=0):
    random = np.random.default_rng(seed)
    words = tiny.WORDS.split()
    return [" ".join(random.choice(words, size=random.integers(1, longest))) for _ in range(count)]


def next_logits(engine, tokens):
    with torch.inference_mode():
        return engine.model(input_ids=torch.tensor([tokens])).logits[0]


def test_greedy_equals_generate(engine, tmp_path):
    prompts = texts(12)
    responses = run(
        engine,
        tmp_path,
        *(request(text, prompt=text, temperature=0, max_tokens=24, seed=0) for text in prompts),
    )
    for prompt, reply in zip(prompts, responses.itertuples(), strict=True):
        ids = torch.tensor([engine.encode(prompt=prompt)])
        output = engine.model.generate(ids, max_new_tokens=24, do_sample=False)[0, ids.shape[1] :]
        assert reply.text == engine.tokenizer.decode(output, skip_special_tokens=True)
        assert reply.completion_tokens == len(output)
        assert reply.prompt_tokens == ids.shape[1]
        ended = output[-1] == engine.tokenizer.eos_token_id
        assert reply.finish_reason == ("stop" if ended else "length")


def test_a_reply_ends_at_the_end_token(tmp_path, checkpoint):
    engine = engines.load("tiny", tiny.SPEC, str(checkpoint))
    prompt = engine.encode(prompt="the river")
    first = int(next_logits(engine, prompt)[-1].argmax())
    engine.ends[first] = True
    reply = run(
        engine, tmp_path, request("x", prompt="the river", temperature=0, max_tokens=9, seed=0)
    ).iloc[0]
    assert (reply.text, reply.finish_reason, reply.completion_tokens) == ("", "stop", 1)


def test_option_logprobs_equal_a_direct_pass(engine, tmp_path):
    options = ["A", " north", " under a wide grey sky", "B the river runs", ""]
    prompts = texts(10, seed=3)
    responses = run(
        engine,
        tmp_path,
        *(
            request(text, prompt=text, temperature=0, max_tokens=0, seed=0, choices=options)
            for text in prompts
        ),
    )
    for prompt, reply in zip(prompts, responses.itertuples(), strict=True):
        head = engine.encode(prompt=prompt)
        expected = []
        for option in options:
            whole = engine.encode(prompt=prompt + option)
            if whole[: len(head)] != head:
                whole = head + engine.encode(prompt=option)
            logp = next_logits(engine, whole).log_softmax(-1)
            at = range(len(head), len(whole))
            expected.append(sum(float(logp[place - 1, whole[place]]) for place in at))
        assert json.loads(reply.choice_logprobs) == pytest.approx(expected, abs=2e-4)
        assert (reply.text, reply.completion_tokens) == ("", 0)


def test_one_token_options_share_the_probability_with_the_rest(engine, tmp_path):
    reply = run(
        engine,
        tmp_path,
        request(
            "x",
            prompt="town",
            temperature=0,
            max_tokens=0,
            seed=0,
            choices=[chr(c) for c in range(33, 127)],
        ),
    ).iloc[0]
    assert 0 < sum(np.exp(json.loads(reply.choice_logprobs))) < 1


def test_prompt_logprobs_equal_a_direct_pass(engine, tmp_path):
    prompts = texts(8, seed=4)
    rows = (
        request(text, prompt=text, temperature=0, max_tokens=2, seed=0, echo_logprobs=True)
        for text in prompts
    )
    for prompt, reply in zip(prompts, run(engine, tmp_path, *rows).itertuples(), strict=True):
        tokens = engine.encode(prompt=prompt)
        logp = next_logits(engine, tokens).log_softmax(-1)
        direct = [float(logp[i, token]) for i, token in enumerate(tokens[1:])]
        first, *rest = json.loads(reply.logprobs)
        assert first is None
        assert rest == pytest.approx(direct, abs=1e-4)


@pytest.mark.parametrize(("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.6, 6, 0.9)])
def test_first_tokens_follow_the_exact_probabilities(engine, tmp_path, temperature, top_k, top_p):
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    scores = next_logits(engine, engine.encode(prompt="seven hills"))[-1:] / temperature
    if top_k:
        scores = TopPLogitsWarper(top_p)(None, TopKLogitsWarper(top_k)(None, scores))
    exact = scores.softmax(-1)[0].double().numpy()
    count = 4000
    row = request(
        "x", prompt="seven hills", n=count, temperature=temperature, top_k=top_k, top_p=top_p,
        max_tokens=1, seed=11,
    )  # fmt: skip
    drawn = run(engine, tmp_path, row)["text"].value_counts()
    expected: dict[str, float] = {}
    for token, share in enumerate(exact):
        text = engine.text([token])
        expected[text] = expected.get(text, 0) + share * count
    common = [text for text, number in expected.items() if number >= 5]
    observed = [drawn.get(text, 0) for text in common] + [
        sum(number for text, number in drawn.items() if text not in common)
    ]
    rest = count - sum(expected[text] for text in common)
    if rest < 1:
        assert observed.pop() <= 3
        rest = 0
    wanted = np.array([expected[text] for text in common] + ([rest] if rest else []))
    wanted *= sum(observed) / wanted.sum()
    assert stats.chisquare(observed, wanted).pvalue > 1e-3


def test_stop_strings_cut_the_text_also_across_tokens(engine, tmp_path):
    free = run(
        engine,
        tmp_path,
        request("free", prompt="the river", n=40, temperature=1.0, max_tokens=30, seed=2),
    )
    tokens = {engine.tokenizer.decode([i]) for i in range(len(engine.tokenizer))}
    checked = 0
    for sample, text in enumerate(free["text"]):
        for at in range(2, len(text) - 3):
            stop = text[at : at + 3]
            if "\ufffd" in stop or stop in tokens or any(stop in token for token in tokens):
                continue
            row = request(
                f"{sample}", prompt="the river", temperature=1.0, max_tokens=30, seed=2, stop=[stop]
            )
            # The same stream as the free draw, so the texts agree up to the stop string.
            row["request_id"] = free["request_id"][0]
            [[record]] = engine.run([engines.Draw(row, sample)])
            assert record["text"] == text[: text.find(stop)]
            assert record["finish_reason"] == "stop"
            checked += 1
            break
    assert checked > 10


def test_the_context_limit_ends_a_reply_and_never_fails(checkpoint, tmp_path):
    engine = engines.load("tiny", tiny.SPEC | {"max_context": 40}, str(checkpoint))
    engine.ends[:] = False
    prompts = {length: "a" * 200 for length in (30, 39, 40, 41)}
    for length in prompts:
        text = next("a" * k for k in range(300) if len(engine.encode(prompt="a" * k)) == length)
        reply = run(
            engine,
            tmp_path / str(length),
            request(
                "x", prompt=text, temperature=1.0, max_tokens=100, seed=0, choices=["b"],
                echo_logprobs=True,
            ),
        ).iloc[0]  # fmt: skip
        assert reply.finish_reason == "context"
        assert reply.completion_tokens == max(0, 40 - length)
        assert reply.prompt_tokens == length
        [score] = json.loads(reply.choice_logprobs)
        assert (score is None) == (length >= 40)
        assert len(json.loads(reply.logprobs)) == length
    exact = run(
        engine, tmp_path, request("y", prompt="a", temperature=1.0, max_tokens=39, seed=0)
    ).iloc[0]
    assert (exact.finish_reason, exact.completion_tokens) == ("length", 39)


def test_chat_turns_are_read_through_the_template(engine, tmp_path, checkpoint):
    turns = [{"role": "user", "content": "north?"}]
    assert engine.encode(turns) == engine.encode(prompt="<|user|>north?<|end|><|assistant|>")
    started = [*turns, {"role": "assistant", "content": "It is"}]
    begun = "<|user|>north?<|end|><|assistant|>no thoughtsIt is"
    assert engine.encode(started) == engine.encode(prompt=begun)
    quiet = engines.load("tiny", tiny.SPEC | {"thinking": False}, str(checkpoint))
    assert quiet.encode(turns) == engine.encode(
        prompt="<|user|>north?<|end|><|assistant|>no thoughts"
    )
    plain = engines.load("tiny", tiny.SPEC | {"chat_template": False}, str(checkpoint))
    assert plain.encode(turns) == engine.encode(prompt="User: north?\n\nAssistant:")
    assert len({e.identity["thinking"] for e in (engine, quiet)}) == 2
    assert runner.store_of(plain) != runner.store_of(engine)


def test_plain_turns():
    turns = [{"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Yes"}]
    assert chat.plain(turns) == "System: Be brief.\n\nAssistant: Yes"


def test_white_box_access(checkpoint):
    engine = engines.load("tiny", tiny.SPEC, str(checkpoint), attention="eager")
    tokens = torch.tensor([engine.encode(prompt="the river runs")])
    list(
        engine.run([engines.Draw(request("x", prompt="a", temperature=0, max_tokens=2, seed=0), 0)])
    )
    output = engine.model(tokens, output_attentions=True, output_hidden_states=True)
    assert output.attentions[0].shape[-2:] == (tokens.shape[1], tokens.shape[1])
    assert torch.allclose(output.attentions[0].sum(-1), torch.ones(()), atol=1e-5)
    assert output.logits.shape == (1, tokens.shape[1], engine.vocabulary)


def test_a_missing_model_is_one_line_with_key_and_remedy(tmp_path, monkeypatch):
    # The library asks the network again and again before it gives up.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match=r"models\.big\.source: nobody/nothing is neither.*hf"):
        engines.load("big", tiny.SPEC | {"revision": "0" * 40}, "nobody/nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match=r"models\.big\.source: .*empty: expected weights"):
        engines.load("big", tiny.SPEC, str(tmp_path / "empty"))


def test_a_models_own_batch_tokens_go_before_the_default(checkpoint):
    spec = tiny.SPEC | {"batch_tokens": 77}
    assert engines.load("tiny", spec, str(checkpoint), batch_tokens=99).batch_tokens == 77
    assert engines.load("tiny", tiny.SPEC, str(checkpoint), batch_tokens=99).batch_tokens == 99


def test_a_missing_template_is_one_line_with_key_and_remedy(tmp_path):
    folder = tiny.save(tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(EngineError, match=r"models\.t: .*models\.t\.chat_template: false"):
        engines.load("t", tiny.SPEC, str(folder))
    assert engines.load("t", tiny.SPEC | {"chat_template": False}, str(folder))


def test_changed_weights_or_settings_have_another_store(tmp_path, checkpoint, engine):
    other = tiny.save(tmp_path / "model", seed=1)
    same = engines.load("renamed", tiny.SPEC, str(checkpoint), batch_tokens=99)
    assert runner.store_of(same) == runner.store_of(engine)
    for spec, folder in (
        (tiny.SPEC, other),
        (tiny.SPEC | {"dtype": "bfloat16"}, checkpoint),
        (tiny.SPEC | {"max_context": 99}, checkpoint),
    ):
        changed = engines.load("tiny", spec, str(folder))
        assert runner.store_of(changed) != runner.store_of(engine)


def test_a_prompt_without_tokens_is_named(engine):
    row = request("blank", prompt="", temperature=0, max_tokens=2, seed=0)
    with pytest.raises(EngineError, match="request 'blank': its prompt has no tokens"):
        list(engine.run([engines.Draw(row, 0)]))
