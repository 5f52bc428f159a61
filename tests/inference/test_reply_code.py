"""Later code finds stored replies, unless code that decides a reply has changed."""

import shutil
import sys
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
from workflow_scripts.shared.fingerprint import fingerprint

OLD = Path(__file__).with_name("old_store")  # written by the code of 27 November 2026
FOLDER = "3c3bde5b5f259659"
TEXTS = ["5155a1a7", "138f595b", "b4248fb6", "e95aa338", "cc13560c", "af86ffba"]
URL = "http://127.0.0.1:48123/v1"  # nothing listens there now

# For each engine: the code that decides a reply, and its fingerprint on Python 3.11 when the value
# of `REPLY_CODE` was last reviewed. If one differs, review it again: can a stored reply differ from
# a new one to the same request? Then give REPLY_CODE a new value. In either case write the new
# fingerprint here.
LAST_SEEN = {
    openai_engine: ("openai_calls", "81f6ffb704c386a6"),
    transformers_engine: ("transformers_engine", "44c43851754628cb"),
    vllm_engine: ("vllm_worker", "d660aa4e73c34ca1"),
}


def test_replies_stored_by_older_code_are_found(tmp_path, monkeypatch):
    """The same requests to the same server send nothing: every reply comes from the old store."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(OLD, tmp_path / "work" / "responses")
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
    chat = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "seed": 3, "stop": ["\n"], "n": 2}
    asked = [
        request(f"chat-{i}", messages=[{"role": "user", "content": f"question {i}"}], **chat)
        for i in range(2)
    ]
    asked.append(request("bare", prompt="Once", n=2, temperature=1.0, max_tokens=5, seed=7))
    engine = engines.load("served", spec, "")
    store = runner.store_of(engine)
    assert store.name == FOLDER
    assert runner.generate(table(asked), engine, store)["text"].tolist() == TEXTS
    assert len(list(store.iterdir())) == 1


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="fingerprints were taken on 3.11")
@pytest.mark.parametrize("engine", LAST_SEEN, ids=lambda module: module.__name__.split(".")[-1])
def test_a_change_of_what_decides_a_reply_is_a_decision(engine):
    module, seen = LAST_SEEN[engine]
    found = fingerprint(f"workflow_scripts/inference/{module}.py")
    assert found == seen, f"{module}.py or what it imports changed: see LAST_SEEN in {__file__}"
