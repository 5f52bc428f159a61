"""What is asked follows from the kind: examples, stop strings, limits of tokens, experiments."""

import hashlib
import json
from dataclasses import replace

import pytest
import yaml

from tests.inference import tiny
from workflow_scripts.inference import forms
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.stochasticity import (
    asking,
    code_tool,
    config_checks,
    controls,
    long_replies,
    measurements,
    reasoning,
    requests,
    sequential,
)
from workflow_scripts.stochasticity.asking import Manner
from workflow_scripts.stochasticity.draw_table import DRAWS

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
OWN, SEED = CONFIG["stochasticity"], CONFIG["seed"]
EMBEDDED = CONFIG["kinds"]["embedded"]["stochasticity"] | {"kind": "embedded", "thinks": False}
CHAT = CONFIG["kinds"]["chat"]["stochasticity"] | {"kind": "chat", "thinks": False}
BASE = CONFIG["kinds"]["base"]["stochasticity"] | {"kind": "base", "thinks": False}
FORMS = {"S7": "list", "S8": "steps", "S12": "quiz"}  # every other reply is short
VLLM, PLAIN = (
    {"engine": "openai", "source": "m", "server": {"dialect": dialect}}
    for dialect in ("vllm", "plain")
)


def everything(manner, spec=None, draws=16):
    """All requests of the first round of every experiment, but S4, as dictionaries."""
    programs = replace(manner, asked=dict(manner.asked) | {"program_tokens": 512})
    frames = [
        inference.table(requests.every(manner, OWN, spec or {}, draws, SEED)),
        sequential.start(manner, OWN["sequential"], SEED),
        long_replies.table(manner, OWN, draws, SEED),
        code_tool.table(programs, 4, 4, SEED),
    ]
    return [request for frame in frames for request in frame.to_dict("records")]


def digest(frame):
    """A hash of the requests' names, in order."""
    return hashlib.sha256("\n".join(frame["request_id"]).encode()).hexdigest()[:16]


def test_embedded_models_are_asked_as_before():
    """Another name of a request draws its replies again, on every machine with stored ones."""
    manner = Manner(EMBEDDED, find_context=lambda: 64)
    single = inference.table(requests.every(manner, OWN, {}, OWN["draws"], SEED))
    chains = sequential.start(manner, OWN["sequential"], SEED)
    later = sequential.follow(manner, 0, chains, chains.assign(text="4", finish_reason="stop"))
    long = long_replies.table(manner, OWN, OWN["draws"], SEED)
    assert digest(single) == "a1af9ab6905ab851"
    assert digest(chains) == "27979e94e47e189b"
    assert digest(later) == "9adf3c4e422c937f"
    assert digest(long) == "b81e90eff8f351d1"


def test_the_generators_are_asked_as_embedded_models_by_default():
    assert controls.MANNER.asked["reply_tokens"] == EMBEDDED["reply_tokens"]


def test_a_base_model_gets_examples_and_stop_strings_in_every_experiment():
    found = everything(Manner(BASE))
    assert {request["experiment"] for request in found} == {
        *("S1", "S2", "S3", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S14")
    }
    for request in found:
        form = FORMS.get(request["experiment"], "short")
        opening = forms.opening("base", "program" if request["experiment"] == "S11" else form)
        turns = json.loads(request["messages"])
        assert opening
        assert turns[:-1] == opening
        assert json.loads(request["stop"]) == list(forms.stop("base"))


@pytest.mark.parametrize("asked", [CHAT, EMBEDDED], ids=["chat", "embedded"])
def test_other_models_get_the_question_alone(asked):
    for request in everything(Manner(asked)):
        assert len(json.loads(request["messages"])) == 1
        assert request["stop"] == "[]"


def test_limits_follow_from_the_tokenizer_where_the_kind_has_none(tmp_path):
    spec = {"engine": "transformers"}  # its context is 4,096 tokens
    checkpoint = str(tiny.save(tmp_path / "model", context=4096))
    manner = asking.of("m", CHAT, spec, checkpoint)
    preamble = manner.count(asking.PREAMBLE)
    assert manner.context == 4096
    assert manner.short == 2 * max(map(manner.count, asking.SHORT)) + preamble
    limits = {request["experiment"]: request["max_tokens"] for request in everything(manner)}
    assert limits["S1"] == limits["S5"] == limits["S9"] == limits["S14"] == manner.short
    assert limits["S10"] == 2 * manner.count(asking.MADE) + preamble
    assert limits["S12"] == 2 * manner.count(asking.QUIZ) + preamble
    fixed = {request["experiment"]: request for request in everything(Manner(EMBEDDED))}
    assert [fixed[name]["max_tokens"] for name in ("S1", "S10", "S12")] == [16, 48, 256]


def test_no_limit_exceeds_the_context_beside_the_prompt():
    for request in everything(Manner(CHAT, find_context=lambda: 600)):
        prompt = json.loads(request["messages"])[0]["content"]
        assert 0 < request["max_tokens"] <= 600 - len(prompt)


def test_the_context_of_a_server_is_its_setting():
    assert asking.context("m", PLAIN, "m") is None
    assert asking.context("m", PLAIN | {"max_context": 2048}, "m") == 2048


def test_thoughts_have_room_of_their_own():
    silent, thinking = (
        Manner(CHAT | {"kind": "reasoning", "thinks": thinks, "thought_tokens": 4096})
        for thinks in (False, True)
    )
    for without, room in zip(everything(silent), everything(thinking), strict=True):
        assert room["max_tokens"] == without["max_tokens"] + 4096


def test_a_server_without_top_k_is_not_asked_for_it(caplog):
    recommended, without = (
        [
            request["top_k"]
            for request in everything(Manner(CHAT), spec)
            if request["experiment"] == "S3"
        ]
        for spec in (VLLM, PLAIN)
    )
    targets = OWN["decoding"]["targets"]
    assert recommended.count(OWN["decoding"]["recommended"]["top_k"]) == len(targets)
    assert set(without) == {0}
    assert len(recommended) - len(without) == len(targets)
    assert [record.message for record in caplog.records] == [
        "S3: a setting is left out for this model: top_k is 20, which dialect plain cannot state"
    ]


def test_the_embedded_models_are_one_family_by_their_parameters():
    models = CONFIG["models"] | {"mine": {"source": "/data/mine"}}
    turned = dict(reversed(models.items()))
    assert measurements.by_size(turned) == [["embedded-s", "embedded-m"]]
    del turned["embedded-m"]
    assert measurements.by_size(turned) == []


def test_programs_need_a_limit_of_tokens():
    models = {"mine": {"source": "train", "asked": {"stochasticity": {"programs": True}}}}
    config = CONFIG | {"models": models, "studies": {"stochasticity": ["mine"]}}
    (problem,) = config_checks.problems(config)
    assert "program_tokens" in problem


@pytest.mark.slow
def test_thoughts_are_asked_for_with_room_for_them(tmp_path, monkeypatch):
    """S4 of a model that is asked without thoughts elsewhere."""
    monkeypatch.chdir(tmp_path)
    checkpoint = str(tiny.save(tmp_path / "model", context=4096))
    spec = tiny.SPEC | {"max_context": 4096, "thinking": False}
    asked = CHAT | {"kind": "reasoning", "thought_tokens": 256, "reply_tokens": 8}
    reasoning.main("draws.parquet", "tiny", spec, checkpoint, 8192, 2, asked, 1)
    drawn = tables.read("draws.parquet", DRAWS)
    assert set(drawn["experiment"]) == {"S4"}
    assert set(drawn["max_tokens"]) == {8 + 256}


@pytest.mark.parametrize(("text", "read"), [("7", False), ("so 7\n</think>\n7", True)])
def test_a_thought_that_the_prompt_opened_is_no_draw_before_its_end(
    tmp_path, monkeypatch, text, read
):
    """The reply ended by itself, but in the thought."""
    monkeypatch.chdir(tmp_path)

    def generate(requests, engine, store):
        rows = requests.loc[requests.index.repeat(requests["n"]), ["request_id"]]
        return rows.assign(
            text=text, finish_reason="stop", completion_tokens=3, model="tiny"
        ).reset_index(drop=True)

    monkeypatch.setattr(reasoning.engines, "load", lambda *_, **__: None)
    monkeypatch.setattr(reasoning.runner, "store_of", lambda *_: None)
    monkeypatch.setattr(reasoning.runner, "generate", generate)
    asked = CHAT | {"kind": "reasoning", "thought_tokens": 256, "reply_tokens": 8}
    checkpoint = str(tiny.save(tmp_path / "model", context=4096))
    reasoning.main("draws.parquet", "tiny", tiny.SPEC, checkpoint, 8192, 2, asked, 1)
    digits = tables.read("draws.parquet", DRAWS).query("target == 'digit'")
    assert digits["value"].notna().all() == read
    assert (digits["finish_reason"] == "length").all() != read
