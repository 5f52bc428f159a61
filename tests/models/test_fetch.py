"""Fetching hub models: which, and at which commit; a lock that is written once and then obeyed.

The hub is a server on loopback that knows one model.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workflow_scripts.models import fetch, lock
from workflow_scripts.models.registry import from_hub
from workflow_scripts.shared import files
from workflow_scripts.shared.config import ConfigError

FIRST, SECOND = "0123456789abcdef0123456789abcdef01234567", "f" * 40


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub whose newest commit of owner/model is `hub.commit`; `hub.asked` lists the downloads."""
    from huggingface_hub import constants

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path.startswith("/api/models/owner/model")
            about = {"id": "owner/model", "sha": server.commit} if known else {"error": "not found"}
            content = json.dumps(about).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.commit, server.asked = FIRST, []
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download",
        lambda name, revision: server.asked.append((name, revision)),
    )
    monkeypatch.chdir(tmp_path)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def config(*models, embedder=None):
    named = {f"model-{number}": entry for number, entry in enumerate(models)}
    return {"models": named, "parallel_sequential": {"embedder": embedder}}


def latest(source="owner/model"):
    return {"source": source, "revision": "latest"}


def test_only_hub_models_are_fetched_each_at_its_revision(hub, tmp_path):
    entries = [
        {"source": "train"},
        {"source": str(tmp_path)},
        {"source": "Qwen/Qwen3-8B", "engine": "openai"},
        {"source": "Qwen/Qwen3-8B", "engine": "vllm", "revision": FIRST},
    ]
    embedder = {"source": "owner/embedder", "revision": SECOND}
    fetch.main(from_hub(lock.of_hub(config(*entries, embedder=embedder))), "fetched.json")
    assert hub.asked == [("Qwen/Qwen3-8B", FIRST), ("owner/embedder", SECOND)]
    assert list(files.read_json("fetched.json")) == ["model-3", "parallel_sequential.embedder"]
    assert not lock.LOCK.exists()


def test_the_newest_commit_is_locked_once_and_not_resolved_again(hub):
    wanted = from_hub(lock.of_hub(config(latest())))
    fetch.main(wanted, "fetched.json")
    hub.commit = SECOND  # the model on the hub has changed
    fetch.main(wanted, "fetched.json")
    assert hub.asked == [("owner/model", FIRST)] * 2
    assert files.read_json("fetched.json")["model-0"]["revision"] == FIRST
    assert lock.read() == {"owner/model": FIRST}
    lock.LOCK.unlink()
    fetch.main(wanted, "fetched.json")
    assert lock.read() == {"owner/model": SECOND}


@pytest.mark.parametrize("source", ["owner/unknown", "owner/model"])
def test_a_model_that_cannot_be_resolved_is_named_and_locks_nothing(hub, source, monkeypatch):
    if source == "owner/model":  # a hub that does not answer
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(fetch.FetchError, match=f"^{source}: its newest commit cannot be read"):
        fetch.main({"mine": latest(source)}, "fetched.json")
    assert not lock.LOCK.exists()
    assert hub.asked == []


def test_a_run_gets_the_locked_commits_and_names_what_is_not_locked():
    used = config(latest(), latest("owner/other"), embedder=latest())
    assert lock.apply(used, {"owner/model": FIRST}) == ["model-1"]
    assert used["models"]["model-0"]["revision"] == FIRST
    assert used["parallel_sequential"]["embedder"]["revision"] == FIRST
    with pytest.raises(
        ConfigError, match=r"model-1: revision latest is not locked .* models_fetch"
    ):
        lock.refuse(["model-1"], ["softmax_models", "models_fetch"])
    lock.refuse(["model-1"], ["models_fetch"])
    lock.refuse([], ["softmax_models"])


def test_a_lock_with_anything_but_commits_is_refused(tmp_path):
    path = tmp_path / "models.lock.yaml"
    path.write_text("owner/model: main\n")
    with pytest.raises(ConfigError, match="owner/model: found 'main', expected a commit"):
        lock.read(path)
