"""Real servers' replies: which are accepted, which end a run, and what each costs."""

import json
import math

import pytest

from tests.inference import hostile, products
from tests.inference.asking import QUICK, ask, load, rows, spent, stored
from workflow_scripts.inference import engines, runner, served_name
from workflow_scripts.inference.store import Store

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize("name", hostile.LASTING)
def test_a_reply_that_would_not_change_costs_one_attempt_and_one_line(folder, name):
    reply, line = hostile.LASTING[name]
    asked = rows()
    with hostile.serving(lambda number, body: reply) as server:
        with pytest.raises(engines.EngineError, match=line) as raised:
            ask(server, asked)
        assert len(server.asked) == 1
    assert str(raised.value).startswith("models.served: http")
    assert "\n" not in str(raised.value)
    assert spent(folder)["requests"] == 1


@pytest.mark.parametrize("name", products.PRODUCTS)
def test_a_run_completes_on_the_replies_of_a_real_server(folder, name):
    product = products.PRODUCTS[name]
    asked = rows(5, 4)
    with hostile.serving(products.answering(product)) as server:
        dialect = {"dialect": "llamacpp"} if name == "llama.cpp" else {}
        engine = load(server, source=product.source, **product.options | dialect)
        responses = runner.generate(asked, engine, runner.store_of(engine))
        texts = {
            hostile.good(body, 0)["choices"][0]["message"]["content"]
            for _, _, body, _ in server.asked
        }
    assert len(server.asked) == len(texts) == len(responses) == 20
    said = responses["text"].str.removeprefix("<think>\nthought\n</think>\n\n")
    assert product.thoughts == (said != responses["text"]).all()
    empty = (said == "") & (responses["finish_reason"] == "length")
    assert empty.sum() == (4 if name == "Gemini" else 0)
    assert set(said[~empty].str.rstrip("\ufffd")) <= texts
    assert set(responses["finish_reason"][~empty]) == {"stop"}
    kept = Store(runner.store_of(engine)).values()
    assert {record["served_as"] for record in kept} == {
        product.known_as or product.options.get("answers_as")
    }
    # What was spent is never less than what a reply holds.
    total = spent(folder)
    assert total["requests"] == 20
    assert total["completion_tokens"] >= 60
    assert total["prompt_tokens"] >= 20


def test_the_name_under_which_the_model_answers_is_recorded(folder):
    with hostile.serving(lambda *_: hostile.changed(model="mock-7b-2026-01-01")) as server:
        responses = ask(server, rows(1, 2))
        assert responses["engine_version"].str.endswith("answers as mock-7b-2026-01-01").all()
        again = ask(server, rows(1, 2))
        assert again.equals(responses)
        assert len(server.asked) == 2


def test_a_paid_reply_of_another_name_counts_once_the_config_accepts_it():
    with hostile.serving(lambda *_: hostile.changed(model="deployed")) as server:
        with pytest.raises(engines.EngineError, match="add `answers_as: 'deployed'`"):
            ask(server, rows(2, 2))
        assert stored(server) == {}
        responses = ask(server, rows(2, 2), answers_as="deployed")
        assert len(responses) == len(server.asked) == 4
        with pytest.raises(engines.EngineError, match=r"expected .*'other'.*found .*'deployed'"):
            ask(server, rows(3, 2), answers_as=["other"])


def test_a_model_that_changes_under_way_ends_the_run():
    def fault(number, body):
        return hostile.changed(model=f"mock-7b-{'0613' if number < 10 else '1106'}")

    with hostile.serving(fault) as server:
        with pytest.raises(engines.EngineError, match=r"so far are of 'mock-7b-0613', this one of"):
            ask(server, rows())
        first = len(server.asked)
        assert len(stored(server)) == 10
        assert first < 10 + 2 * QUICK["concurrency"]
        both = ["mock-7b-0613", "mock-7b-1106"]
        assert len(ask(server, rows(), answers_as=both)) == 24
        assert len(server.asked) == 24  # those that were refused count now


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("openai/gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4", "gpt-4-0613", True),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", True),
        ("grok-2-latest", "grok-2-1212", True),
        ("gemini-1.5-pro", "models/gemini-1.5-pro-002", True),
        ("llama3.2", "llama3.2:latest", True),
        ("Qwen/Qwen3-8B", "qwen3-8b", True),
        ("meta-llama/llama-3-8b:free", "meta-llama/llama-3-8b", True),
        ("/srv/Mock-7B.gguf", "Mock-7B.gguf", True),
        ("/srv/model", "/srv/model@main", True),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("gpt-4o", "gpt-4", False),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", False),
        ("gpt-4o-2024-05-13", "gpt-4o", False),
        ("llama3.2:1b", "llama3.2:3b", False),
        ("llama-3-8b", "llama-3-70b", False),
        ("qwen3", "qwen3-0.6b", False),
        ("my-deployment", "gpt-4o", False),
    ],
)
def test_names_of_one_model_and_of_relatives(asked, answered, expected):
    assert served_name.same(asked, answered) == expected


@pytest.mark.parametrize(
    ("told", "tokens", "expected"),
    [
        ("length", 50, "length"),
        ("length", 17, "context"),  # only the context can have cut it
        ("length", None, "length"),
        ("max_tokens", 50, "length"),
        ("model_length", 17, "context"),
        ("STOP", 50, "stop"),
        (None, 50, "length"),
        (None, 49, "stop"),
        ("", None, "stop"),
        ("whim", 50, "length"),
        ("whim", 3, "stop"),
        ("SAFETY", 3, "filtered"),
    ],
)
def test_why_a_reply_ended(told, tokens, expected):
    reply = hostile.changed(
        choices=[{"index": 0, "finish_reason": told, "message": {"content": "x"}}],
        usage={"prompt_tokens": 9, "completion_tokens": tokens},
    )
    with hostile.serving(lambda *_: reply) as server:
        responses = ask(server, rows(1, 1))
    assert responses["finish_reason"][0] == expected
    assert responses["completion_tokens"][0] == (tokens or 0)


def scoring(**logprobs):
    """A server whose replies have these log-probabilities."""
    told = {"logprobs": logprobs} if logprobs else {"logprobs": None}
    reply = hostile.choice(message={"content": "A"}, **told)
    return hostile.serving(lambda *_: reply)


def tops(*entries):
    return {"content": [{"token": "A", "top_logprobs": list(entries)}]}


def entry(token, probability, **more):
    return {"token": token, "logprob": math.log(probability), **more}


@pytest.mark.parametrize(
    ("logprobs", "expected"),
    [
        # Two tokens of one text: the text has their sum.
        (tops(entry("A", 0.5), entry("B", 0.25), entry("A", 0.125)), [0.625, 0.25]),
        (tops(entry("A", 0.25, id=7), entry("A", 0.25, id=8)), [0.5, {"at_most": 0.5}]),
        # One token listed twice counts once.
        (tops(entry("A", 0.5), entry("B", 0.25), entry("A", 0.5)), [0.5, 0.25]),
        (tops({"token": "A", "logprob": None}, entry("B", 0.25)), [{"at_most": 0.25}, 0.25]),
        ({"top_logprobs": [{"A": math.log(0.5), "C": math.log(0.375)}]}, [0.5, {"at_most": 0.125}]),
        # The model ended its turn at once, with a probability that is not told.
        ({"content": []}, [{"at_most": 1.0}] * 2),
    ],
)
def test_log_probabilities_of_options_in_every_shape(logprobs, expected):
    with scoring(**logprobs) as server:
        responses = ask(server, rows(1, 1, choices=["A", "B"], max_tokens=0))
    found = json.loads(responses["choice_logprobs"][0])
    for mine, known in zip(found, expected, strict=True):
        bound = isinstance(known, dict)
        value, told = (mine["at_most"], known["at_most"]) if bound else (mine, known)
        assert math.exp(value) == pytest.approx(told)
    assert responses["prompt_tokens"][0] > 0  # known from the reply with the scores


@pytest.mark.parametrize(
    "logprobs",
    [
        {},
        {"content": None},
        {"content": [{"token": "A", "top_logprobs": []}]},
        {"tokens": ["A"], "token_logprobs": [-0.5], "top_logprobs": None},
    ],
)
def test_a_server_without_log_probabilities_costs_one_attempt(logprobs):
    with scoring(**logprobs) as server:
        with pytest.raises(engines.EngineError, match="has no log-probabilities of the likeliest"):
            ask(server, rows(4, 1, choices=["A"], max_tokens=0))
        assert len(server.asked) == 1


def test_fewer_alternatives_are_asked_for_where_a_server_refuses_twenty():
    def fault(number, body):
        if body.get("top_logprobs", 0) > 5:
            return hostile.status(400, "top_logprobs must be less than or equal to 5")
        return hostile.choice(message={"content": "A"}, logprobs=tops(entry("A", 0.5)))

    with hostile.serving(fault) as server:
        responses = ask(server, rows(4, 1, choices=["A"], max_tokens=0))
        assert [body["top_logprobs"] for _, _, body, _ in server.asked] == [20, 8, 5, 5, 5, 5]
    assert set(responses["choice_logprobs"]) == {json.dumps([math.log(0.5)])}


def test_a_prompt_of_scores_that_does_not_fit_has_none():
    def fault(number, body):
        if "question 1" in body["messages"][0]["content"]:
            return hostile.status(400, "the request exceeds the available context size")
        return hostile.choice(message={"content": "A"}, logprobs=tops(entry("A", 0.5)))

    with hostile.serving(fault) as server:
        responses = ask(server, rows(3, 1, choices=["A"], max_tokens=0))
    assert json.loads(responses["choice_logprobs"][1]) == [None]
