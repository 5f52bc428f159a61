"""Dialect llamacpp, against a server that answers as llama.cpp's does; `test_llamacpp_server.py`
asks the real one."""

import json

import pytest

from tests.inference import hostile
from tests.inference.test_openai_engine import ask
from workflow_scripts.inference import engines, llamacpp_replies, openai_payload
from workflow_scripts.inference.requests import request, table
from workflow_scripts.shared.dialects import DIALECTS

SIGNS = {"timings": {"predicted_n": 3}, "system_fingerprint": "b6123-79c1160b"}
TURNS = [{"role": "user", "content": "which way?"}]
BEGUN = [*TURNS, {"role": "assistant", "content": "To the "}]
SAMPLED = {"temperature": 0.7, "max_tokens": 5, "seed": 1}
SCORED = {"temperature": 0.0, "max_tokens": 0, "seed": 1}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Each test has its own `work/`."""
    monkeypatch.chdir(tmp_path)


def answered(number, body):
    """Replies with llama.cpp's marks; tokens are characters, and each of them has probability
    1/e to the power of its place in the alphabet."""

    def answer(handler, body, number):
        if handler.path == "/tokenize":
            reply = {"tokens": list(map(ord, body["content"]))}
        elif handler.path == "/apply-template":
            turns = [f"{turn['role']}: {turn['content']}" for turn in body["messages"]]
            reply = {"prompt": "\n".join(turns)}
        else:
            reply = hostile.good(body, number) | SIGNS
            if "logit_bias" in body:
                [[wanted, _]] = body["logit_bias"]
                reply["usage"] = {"prompt_tokens": len(body["prompt"]), "completion_tokens": 1}
                top = [{"id": token, "logprob": 96.0 - token} for token in (97, 98)]
                entry = {"id": wanted, "logprob": 96.0 - wanted, "top_logprobs": top}
                reply["choices"][0]["logprobs"] = {"content": [entry]} if wanted < 128 else None
        handler.reply(200, json.dumps(reply).encode())

    return answer


def test_every_sampler_is_stated():
    with hostile.serving(answered) as server:
        asked = [request("x", messages=TURNS, top_p=0.9, top_k=7, **SAMPLED)]
        ask(server, table(asked), dialect="llamacpp", attempts=1)
        [(_, path, body, _)] = server.asked
    assert path == "/v1/chat/completions"
    assert body["samplers"] == ["temperature", "top_k", "top_p"]
    assert (body["temperature"], body["top_k"], body["top_p"]) == (0.7, 7, 0.9)
    assert 0 <= body["seed"] < 2**32 - 1
    neutral = {"min_p": 0, "typical_p": 1, "top_n_sigma": -1, "repeat_penalty": 1, "mirostat": 0}
    assert {key: body[key] for key in neutral} == neutral
    assert body["cache_prompt"] is False


def test_options_are_scored_token_by_token():
    """With one request where the likeliest tokens of an earlier reply include the next one."""
    with hostile.serving(answered) as server:
        options = ["a", "b", "cab", "", "é", "caé"]
        asked = [request("x", prompt="?", choices=options, **SCORED)]
        found = ask(server, table(asked), dialect="llamacpp", attempts=1)
        forced = [body for _, _, body, _ in server.asked if "logit_bias" in body]
    assert json.loads(found["choice_logprobs"][0]) == [-1.0, -2.0, -6.0, 0.0, None, None]
    assert found["prompt_tokens"][0] == 1
    # After "?": "a", then "c" and "é"; after "?c": "a"; after "?ca": "b" and "é".
    assert [chr(body["logit_bias"][0][0]) for body in forced] == list("acabéé")
    assert all(body["max_tokens"] == 1 for body in forced)


def test_a_begun_reply_is_sent_as_text_and_rendered_once():
    with hostile.serving(answered) as server:
        asked = [request("x", messages=BEGUN, n=3, **SAMPLED)]
        ask(server, table(asked), dialect="llamacpp", attempts=1, concurrency=1)
        paths = [path for _, path, _, _ in server.asked]
        prompts = {body.get("prompt") for _, _, body, _ in server.asked[1:]}
    assert paths == ["/apply-template", *["/v1/completions"] * 3]
    assert prompts == {"user: which way?\nassistant: To the "}


def test_a_server_that_closes_a_begun_reply_is_refused():
    def closing(number, body):
        told = json.dumps({"prompt": "user: which way?\nassistant: To the <end>\n"}).encode()
        return hostile.raw(told)

    with hostile.serving(closing) as server:
        asked = table([request("x", messages=BEGUN, **SAMPLED)])
        with pytest.raises(engines.EngineError, match="without --no-prefill-assistant"):
            ask(server, asked, dialect="llamacpp", attempts=1)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"prompt": "x", "echo_logprobs": True}, "it needs log-probabilities of its prompt"),
        ({"prompt": ""}, "its prompt is empty"),
    ],
)
def test_what_the_server_cannot_do_is_told_before_anything_is_sent(fields, why):
    with hostile.serving(answered) as server:
        asked = table([request("odd", **SAMPLED, **fields)])
        with pytest.raises(engines.EngineError, match=f"request 'odd': {why}"):
            ask(server, asked, dialect="llamacpp")
        assert server.asked == []


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - {"llamacpp"}))
def test_another_dialect_that_meets_llama_cpp_does_not_sample(dialect):
    """After one reply, in one line; greedy replies are what they are elsewhere."""
    with hostile.serving(lambda *_: hostile.changed(**SIGNS)) as server:
        asked = table([request("x", messages=TURNS, **SAMPLED)])
        with pytest.raises(engines.EngineError, match="dialect: expected llamacpp, found"):
            ask(server, asked, dialect=dialect)
        assert len(server.asked) == 1
        greedy = table([request("x", messages=TURNS, **SAMPLED | {"temperature": 0.0})])
        assert len(ask(server, greedy, dialect=dialect)) == 1


def test_the_dialect_that_meets_another_server_says_so():
    with hostile.serving() as server:
        asked = table([request("x", messages=TURNS, **SAMPLED)])
        with pytest.raises(engines.EngineError, match="expected a llama"):
            ask(server, asked, dialect="llamacpp")
        assert len(server.asked) == 1


@pytest.mark.parametrize("sign", [{"timings": {}}, {"system_fingerprint": "b0-unknown"}])
def test_either_mark_tells_llama_cpp_apart(sign):
    assert llamacpp_replies.sent(sign)


@pytest.mark.parametrize("fingerprint", [None, "fp_44709d6fcb", "fp_ollama", "vllm-0.32.0-tp1"])
def test_other_servers_are_not_taken_for_it(fingerprint):
    assert not llamacpp_replies.sent({"system_fingerprint": fingerprint})


def test_a_token_without_probability_has_no_score():
    """Single precision ends at 87 nats; the server then reports its lowest number."""
    entry = {"id": 5, "logprob": -3.4e38, "top_logprobs": [{"id": 1, "logprob": -0.5}]}
    assert llamacpp_replies.following({"logprobs": {"content": [entry]}}, 5) == {1: -0.5}


def test_each_dialect_states_what_it_can():
    assert set(openai_payload.STATED) == set(DIALECTS)
