"""What a probe finds about servers that have and lack each thing, and what is then refused."""

import json

import pytest

from tests.inference import hostile, obliging, products
from tests.inference.test_openai_engine import KEY, QUICK, spent
from workflow_scripts.inference import (
    engines,
    openai_engine,
    probe,
    probe_facts,
    probe_needs,
    runner,
)
from workflow_scripts.inference.requests import request, table
from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.shared import files

# What a server lacks, and the facts that then are not "yes".
LACKS = {
    "model": {"model": "no"},
    "ids": {"ids": "no"},
    "usage": {"usage": "no"},
    "usage varies": {"usage": "no"},
    "ends": {"ends": "no"},
    "n": {"n": "no"},
    "n refused": {"n": "no"},
    "vary": {"vary": "no", "seed": "unknown", "samplers": "unknown", "top_p": "unknown"},
    "seed": {"seed": "no"},
    "greedy": {"greedy": "no", "stop": "unknown", "top_p": "unknown"},
    "stop": {"stop": "no"},
    "stop refused": {"stop": "no"},
    "samplers": {"samplers": "no"},
    "top_p": {"top_p": "no"},
    "logprobs": {"logprobs": "no", "samplers": "unknown"},
    "open": {"open": "no"},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spec(server, **settings):
    own = QUICK | {"url": server.url, "timeout_s": 5} | settings
    return {"source": hostile.MODEL, "engine": "openai", "server": own}


def facts_without(name):
    """The content of a probe's file that knows only one fact, which is "no"."""
    return {"facts": {name: {"answer": "no", "seen": "as in a test"}}}


def answers(found):
    return {name: fact["answer"] for name, fact in found["facts"].items()}


def test_an_honest_server_has_everything_for_few_tokens(folder):
    with obliging.serving() as server:
        found = probe.ask("served", spec(server))
        assert set(answers(found).values()) == {"yes"}
        assert len(server.asked) == found["cost"]["requests"] <= 7
    assert found["cost"] == spent(folder)
    assert found["cost"]["completion_tokens"] <= 270


@pytest.mark.parametrize("lack", LACKS)
def test_each_lack_is_found_and_nothing_else(lack):
    with obliging.serving(lack) as server:
        found = answers(probe.ask("served", spec(server)))
        assert len(server.asked) <= 9
    assert {name: answer for name, answer in found.items() if answer != "yes"} == LACKS[lack]


def test_a_reasoning_model_of_the_vendor_is_asked_nothing_that_it_refuses():
    with obliging.serving("n refused") as server:
        mine = spec(server, dialect="openai") | {"kind": "reasoning"}

        def fault(number, body):
            if {"temperature", "top_p", "stop"} & set(body):
                return hostile.status(400, "Unsupported parameter")
            answer = obliging.replying("n refused")(number, body)
            whole = body | {"temperature": 1.0, "top_p": 1.0}
            return lambda handler, _, number: answer(handler, whole, number)

        server.fault = fault
        found = answers(probe.ask("served", mine))
        assert len(server.asked) <= 6
    assert not {"greedy", "stop", "top_p"} & set(found)
    assert found["n"] == "no"
    assert found["vary"] == found["seed"] == found["logprobs"] == "yes"


def test_fewer_log_probabilities_are_taken():
    with obliging.serving("five") as server:
        found = probe.ask("served", spec(server))["facts"]
    assert found["logprobs"] == {"answer": "yes", "seen": "5 likeliest tokens per position"}
    assert found["samplers"]["answer"] != "no"


def test_the_same_server_is_paid_once(folder):
    with obliging.serving() as server:
        first = probe.ask("served", spec(server))
        count = len(server.asked)
        assert probe.ask("other name", spec(server, concurrency=2)) == first
        assert len(server.asked) == count
        assert probe.ask("served", spec(server), again=True) == first
        assert len(server.asked) == 2 * count
        probe.ask("served", spec(server, dialect="openai"))
        assert len(server.asked) == 3 * count


def test_a_killed_probe_goes_on_where_it_was():
    def fault(number, body):
        return hostile.closed if number >= 3 else obliging.replying()(number, body)

    with hostile.serving(fault) as server:
        with pytest.raises(EngineError, match="the connection broke"):
            probe.ask("served", spec(server))
        server.fault = obliging.replying()
        before = len(server.asked)
        found = probe.ask("served", spec(server))
        assert len(server.asked) - before == found["cost"]["requests"] - 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (hostile.status(401), "refuses requests without a key"),
        (hostile.status(404, "no such model"), "does not know the model: no such model"),
        (hostile.status(503), "in 3 attempts, the last: status 503"),
    ],
)
def test_a_server_that_answers_nothing_gives_one_line(fault, message):
    with (
        hostile.serving(lambda *_: fault) as server,
        pytest.raises(EngineError, match=message) as raised,
    ):
        probe.ask("served", spec(server))
    assert "\n" not in str(raised.value)


def test_nobody_there_gives_one_line():
    with obliging.serving() as server:
        pass
    with pytest.raises(EngineError, match="no connection") as raised:
        probe.ask("served", spec(server))
    assert "\n" not in str(raised.value)


# What is not "yes" in replies without log-probabilities and of one text per seed.
PRODUCTS = {
    "Ollama": {"ids": "no", "usage": "no"},
    "llama.cpp": {"dialect": "no"},
    "LM Studio": {"usage": "no"},
    "TGI": {"ids": "unknown"},
    "emoji": {},
}


@pytest.mark.parametrize("name", products.PRODUCTS)
def test_replies_of_every_product_give_facts(name):
    product = products.PRODUCTS[name]
    with hostile.serving(products.answering(product)) as server:
        mine = spec(server, **product.options) | {"source": product.source}
        found = answers(probe.ask("served", mine))
    assert found["model"] == ("yes" if product.known_as or product.options else "unknown")
    assert found["logprobs"] == "no"
    assert found["n"] == "no"
    if name in PRODUCTS:
        known = ("dialect", "ids", "usage", "ends")
        lacking = {key: found[key] for key in known if found.get(key, "yes") != "yes"}
        assert lacking == PRODUCTS[name]


def test_the_key_is_sent_and_kept_nowhere(folder, monkeypatch):
    monkeypatch.setenv("MODEL_KEY", KEY)

    def fault(number, body):
        choice = {"finish_reason": "stop", "message": {"content": f"hello {KEY} \ud800"}}
        return hostile.changed(choices=[choice])

    with hostile.serving(fault) as server:
        found = probe.ask("served", spec(server, key_variable="MODEL_KEY"))
        assert {headers["Authorization"] for *_, headers in server.asked} == {f"Bearer {KEY}"}
    texts = [path.read_text() for path in folder.rglob("*") if path.is_file()]
    assert not any(KEY in text for text in [*texts, json.dumps(found)])


# --- refusals

PLAIN = {"temperature": 0.0, "max_tokens": 5, "seed": 1}
NEEDING = {
    "vary": {"temperature": 0.7},
    "samplers": {"temperature": 0.7},
    "top_p": {"temperature": 0.7, "top_p": 0.9},
    "stop": {"stop": ["\n"]},
    "logprobs": {"choices": ["A", "B"]},
}


@pytest.mark.parametrize("lack", NEEDING)
def test_what_the_server_lacks_is_refused_before_it_is_asked(lack, folder):
    turns = [{"role": "user", "content": "?"}]
    fine = request("fine", messages=turns, **PLAIN)
    needing = request("needing", messages=turns, **PLAIN | NEEDING[lack])
    with obliging.serving(lack) as server:
        mine = spec(server)
        probe.main("probe.json", "served", mine)
        count = len(server.asked)
        engine = engines.load("served", mine, "probe.json")
        runner.generate(table([fine]), engine, "fine")
        assert len(server.asked) == count + 1
        with pytest.raises(EngineError, match=r"request 'needing': .* the probe") as raised:
            runner.generate(table([fine, needing]), engine, "both")
        assert len(server.asked) == count + 1
    assert "\n" not in str(raised.value)
    assert 'make probe MODEL=served ARGS="--configfile … --again"' in str(raised.value)


def test_after_another_probe_no_stored_reply_is_paid_again():
    turns = [{"role": "user", "content": "?"}]
    asked = table([request("fine", messages=turns, **PLAIN | {"temperature": 1.0, "n": 3})])
    with obliging.serving() as server:
        mine = spec(server)
        for lack in ((), ("ids", "usage")):
            server.fault = obliging.replying(*lack)
            found = probe.ask("served", mine, again=True)
            files.write_json("probe.json", found)
            engine = engines.load("served", mine, "probe.json")
            before = len(server.asked)
            runner.generate(asked, engine, runner.store_of(engine))
            assert len(server.asked) - before == (0 if lack else 3)


def test_every_need_is_a_fact_and_unknown_refuses_nothing():
    assert probe_needs.NEEDS.keys() <= probe_facts.TITLES.keys()
    assert probe_facts.TITLES.keys() == probe_facts.FACTS.keys()
    facts = {name: {"answer": "unknown", "seen": ""} for name in probe_facts.TITLES}
    turns = [{"role": "assistant", "content": "?"}]
    asking = request("x", messages=turns, **PLAIN | NEEDING["top_p"] | NEEDING["logprobs"])
    assert probe_needs.lacking("served", facts, asking) is None
    assert probe_needs.lacking("served", {}, asking) is None


def test_without_a_probe_nothing_is_known():
    with obliging.serving() as server:
        assert openai_engine.load("served", spec(server), "").facts == {}
        assert openai_engine.load("served", spec(server), "results/nowhere.json").facts == {}
