"""What jobs ask for by the size of their model, against the models themselves."""

import json
import re
from types import SimpleNamespace

import pytest
from transformers import AutoModelForCausalLM

from tests.inference import tiny
from workflow_scripts.inference import packing
from workflow_scripts.models import size
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.job import growing

ASKED = {"mem_mb": 2500, "gpu": 0, "batch_tokens": 1000}


def config(inference=ASKED, **spec):
    return {"inference": dict(inference), "models": {"m": spec}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny") / "model", layers=3)


@pytest.fixture(scope="module")
def model(folder):
    return AutoModelForCausalLM.from_pretrained(folder)


def test_parameters_are_those_of_the_loaded_model(folder, model):
    assert size.parameters(config(source=str(folder)), "m") == model.num_parameters()


def test_shards_are_counted_together_and_a_missing_one_makes_the_size_unknown(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 1
    assert size.parameters(config(source=str(tmp_path)), "m") == model.num_parameters()
    shards[0].unlink()
    assert size.parameters(config(source=str(tmp_path)), "m") is None


def test_keys_and_values_are_those_of_the_cache(folder, model):
    kept = model(input_ids=model.dummy_inputs["input_ids"][:1, :1], use_cache=True).past_key_values
    wanted = sum(each.keys.nbytes + each.values.nbytes for each in kept.layers)
    assert size.cache_bytes(config(source=str(folder), dtype="float32"), "m") == wanted


@pytest.mark.parametrize(
    "spec",
    [
        {"source": "Qwen/Qwen3-8B", "revision": "0" * 40},  # not downloaded
        {"source": "train"},
        {"source": "gpt", "engine": "openai", "server": {"url": "http://localhost"}},
        {"source": {"package": "p==1", "file": "*.gguf"}},
    ],
)
def test_where_the_size_is_unknown_or_none_the_configs_value_counts(spec):
    assert size.memory_mb(config(**spec), "m") == 2500


@pytest.fixture
def large(tmp_path):
    """A folder as of 8.19e9 parameters: a header of 100 bytes and no weights."""
    header = json.dumps(
        {"w": {"dtype": "BF16", "shape": [8190, 1_000_000], "data_offsets": [0, 0]}}
    )
    (tmp_path / size.WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header.encode())
    shape = {"num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8}
    text = json.dumps({"text_config": shape | {"head_dim": 128, "hidden_size": 4096}})
    (tmp_path / "config.json").write_text(text)
    return {"source": str(tmp_path), "dtype": "bfloat16"}


def test_memory_follows_weights_copies_and_batches(large):
    packed = packing.MOST_BYTES / 1e6
    weights, batch = 8190 * 2, 1000 * 2 * 36 * 8 * 128 * 2 / 1e6
    asked = size.memory_mb(config(**large), "m")
    assert asked == pytest.approx(2500 + 1.1 * (weights + packed + 2 * batch), abs=1)
    on_gpu = size.memory_mb(config(ASKED | {"gpu": 1}, **large), "m")
    assert on_gpu == pytest.approx(2500 + 1.1 * weights, abs=1)  # batches are on the GPU
    more = size.memory_mb(config(**large), "m", copies=1)
    assert more - asked == pytest.approx(1.1 * 8 * 8190, abs=1)
    again = growing(size.asked_mb(config(**large)))
    assert again(SimpleNamespace(model="m"), 2) == 2 * asked


@pytest.mark.parametrize(
    ("gpu", "spec", "asked"),
    [
        (0, {"source": "train"}, 0),
        (1, {"source": "train"}, 1),
        (1, {"source": "a/b", "devices": 2}, 2),
        (0, {"source": "a/b", "devices": 4}, 4),
        (2, {"source": "a/b", "engine": "vllm"}, 2),
        (1, {"source": "a/b", "engine": "vllm", "tensor_parallel": 4}, 4),
        (1, {"source": "gpt", "engine": "openai"}, 0),
    ],
)
def test_gpus_are_those_that_share_the_model(gpu, spec, asked):
    assert size.gpus(config(ASKED | {"gpu": gpu}, **spec), "m") == asked


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", b"\xff" * 20])
def test_a_damaged_file_is_left_to_the_engine(tmp_path, content):
    (tmp_path / size.WEIGHTS).write_bytes(content)
    assert size.memory_mb(config(source=str(tmp_path)), "m") == 2500


def test_every_rule_that_gives_a_model_gpus_asks_for_memory_by_its_size():
    rules = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    asking = [text for text in re.split(r"^rule ", rules, flags=re.M) if "gpu=model_gpus" in text]
    assert len(asking) > 10
    assert all("mem_mb=growing(asked_mb(config" in text for text in asking)
