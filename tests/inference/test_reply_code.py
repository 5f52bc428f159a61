"""Later code finds stored replies, unless code that decides a reply has changed."""

import shutil
from pathlib import Path

import pytest

from workflow_scripts.inference import (
    engines,
    openai_engine,
    runner,
    transformers_engine,
    vllm_engine,
)
from workflow_scripts.inference.requests import request, table
from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.shared.fingerprint import fingerprint

# Three shards: sampled replies by the first definition of a draw (27 November 2026), a greedy reply
# and log-probabilities by code of that definition, sampled replies by the second definition.
OLD = Path(__file__).with_name("old_store")
FIRST, UNSAMPLED, SECOND = (f"{number:020d}-1-00000000.jsonl" for number in (1, 2, 3))
FOLDER = "3c3bde5b5f259659"
TEXTS = ["36ae258a", "114e25f6", "140082ca", "ac644bbd", "e78014d3", "4eca1483"]
URL = "http://127.0.0.1:48123/v1"  # nothing listens there now

# For each engine: the code that decides a reply, and its fingerprint when the value of `REPLY_CODE`
# was last reviewed. If one differs, review it again: can a stored reply differ from a new one to
# the same request? If only sampled ones can, give `noise.DEFINITION` a new value, otherwise
# REPLY_CODE. In any case write the new fingerprint here.
LAST_SEEN = {
    openai_engine: ("dialect_calls", "25d76fcc6f1a9d2e"),
    transformers_engine: ("transformers_engine", "acd94819f195135c"),
    vllm_engine: ("vllm_worker", "8ed40119cd537ce0"),
}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Responses to rows from some shards of the old store; the engine may send nothing."""
    monkeypatch.chdir(tmp_path)
    server = {
        "url": URL,
        "dialect": "plain",
        "concurrency": 2,
        "requests_per_min": 600,
        "timeout_s": 1,
        "attempts": 1,
        "longest_wait_s": 0.1,
        "limits": {"requests": 0, "tokens": None, "cost": None},
    }
    spec = {"source": "mock-7b", "engine": "openai", "server": server}
    engine = engines.load("served", spec, "")
    store = runner.store_of(engine)
    assert store.name == FOLDER
    store.mkdir(parents=True, exist_ok=True)

    def replies(rows, *shards):
        for shard in shards:
            shutil.copy(OLD / FOLDER / shard, store)
        found = runner.generate(table(rows), engine, store)
        assert {path.name for path in store.iterdir()} == set(shards)
        return found

    return replies


def sampled():
    chat = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "seed": 3, "stop": ["\n"], "n": 2}
    rows = [
        request(f"chat-{i}", messages=[{"role": "user", "content": f"question {i}"}], **chat)
        for i in range(2)
    ]
    rows.append(request("bare", prompt="Once", n=2, temperature=1.0, max_tokens=5, seed=7))
    return rows


def turns(number):
    return [{"role": "user", "content": f"question {number}"}]


def test_replies_stored_by_older_code_are_found(served):
    """The same requests to the same server send nothing: every reply comes from the old store."""
    assert served(sampled(), FIRST, UNSAMPLED, SECOND)["text"].tolist() == TEXTS


def test_greedy_replies_and_log_probabilities_outlive_the_definition_of_a_draw(served):
    options = {"temperature": 1.0, "max_tokens": 0, "choices": ["A", "B", "C"]}
    rows = [
        request("greedy", messages=turns(0), temperature=0.0, max_tokens=50, seed=3),
        request("options", messages=turns(1), seed=3, **options),
    ]
    found = served(rows, UNSAMPLED)
    assert found["text"].tolist() == ["5e608b7c", ""]
    assert found["choice_logprobs"].tolist() == ["[]", "[-0.25, -1.5, null]"]


def test_sampled_replies_of_another_definition_are_not_mixed_in(served):
    with pytest.raises(EngineError, match=r"limits\.requests is 0"):
        served(sampled(), FIRST, UNSAMPLED)


@pytest.mark.parametrize("engine", LAST_SEEN, ids=lambda module: module.__name__.split(".")[-1])
def test_a_change_of_what_decides_a_reply_is_a_decision(engine):
    module, seen = LAST_SEEN[engine]
    found = fingerprint(f"workflow_scripts/inference/{module}.py")
    assert found == seen, f"{module}.py or what it imports changed: see LAST_SEEN in {__file__}"
