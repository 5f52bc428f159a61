"""Fetching hub models: which, and at which revision."""

from workflow_scripts.models import fetch
from workflow_scripts.models.registry import from_hub
from workflow_scripts.shared import files

REVISION = "0123456789abcdef0123456789abcdef01234567"


def test_only_hub_models_are_fetched_each_at_its_revision(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda name, revision: asked.append((name, revision))
    )
    models = {
        "embedded-s": {"source": "train"},
        "mine": {"source": str(tmp_path)},
        "served": {"source": "Qwen/Qwen3-8B", "engine": "openai"},
        "qwen": {"source": "Qwen/Qwen3-8B", "engine": "vllm", "revision": REVISION},
    }
    fetch.main(from_hub(models), str(tmp_path / "fetched.json"))
    assert asked == [("Qwen/Qwen3-8B", REVISION)]
    assert list(files.read_json(tmp_path / "fetched.json")) == ["qwen"]
