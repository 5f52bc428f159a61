"""Damaged folders, weights that do not fit, and logits that are no numbers: one line each."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.inference import tiny
from workflow_scripts.glasses import model_gaps
from workflow_scripts.glasses import requests as glasses
from workflow_scripts.glasses.changed_attention import Change
from workflow_scripts.inference import checkpoint as checkpoint_of
from workflow_scripts.inference import engines, placement, runner, vllm_jobs, vllm_worker
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.inference.local_model import LocalModel
from workflow_scripts.inference.requests import request, table
from workflow_scripts.stochasticity import asking

WEIGHTS = "model.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 538090408\n"


@pytest.fixture
def folder(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "model")


def refused(folder, engine, match, **spec):
    """Both local engines refuse a damaged folder; for vLLM nothing needs to be installed."""
    with pytest.raises(EngineError, match=match) as caught:
        engines.load("m", tiny.SPEC | {"engine": engine} | spec, str(folder))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("models.m.")
    assert str(caught.value).count("models.m.source") == 1


def pointer(folder):
    (folder / WEIGHTS).write_text(POINTER)
    return r"model\.safetensors: expected the file, found a git-lfs pointer.*`git lfs pull`"


def pointer_to_the_tokenizer(folder):
    (folder / "tokenizer.json").write_text(POINTER)
    return r"tokenizer\.json: expected the file, found a git-lfs pointer"


def torn(folder):
    whole = (folder / WEIGHTS).stat().st_size
    os.truncate(folder / WEIGHTS, whole - 5)
    return rf"model\.safetensors: expected {whole} bytes, found {whole - 5}.*again"


def torn_in_the_header(folder):
    os.truncate(folder / WEIGHTS, 100)
    return r"model\.safetensors: expected a header.*found 100.*again"


def no_weights(folder):
    (folder / WEIGHTS).rename(folder / f"{WEIGHTS}.incomplete")
    return rf"expected weights.*the download stopped at .*{WEIGHTS}\.incomplete"


def missing_shard(folder):
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    (folder / WEIGHTS).rename(folder / names[0])
    index = {"metadata": {}, "weight_map": {"a": names[0], "b": names[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    partial = folder / ".cache/huggingface/download/x.incomplete"
    partial.parent.mkdir(parents=True)
    partial.touch()
    return (
        r"00002-of-00002\.safetensors: named by model\.safetensors\.index\.json, but missing.*x\.i"
    )


def torn_index(folder):
    (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a"')
    return r"model\.safetensors\.index\.json: expected the list of a model's shards"


def mistrals_format(folder):
    (folder / "config.json").rename(folder / "params.json")
    (folder / WEIGHTS).rename(folder / "consolidated.safetensors")
    return r"expected config\.json, found params\.json of Mistral's own format; download"


DAMAGES = [
    pointer, pointer_to_the_tokenizer, torn, torn_in_the_header, no_weights, missing_shard,
    torn_index, mistrals_format,
]  # fmt: skip


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_folder_is_one_line_with_the_file(folder, damage, engine):
    refused(folder, engine, damage(folder))


def torn_json(name):
    def damage(folder):
        (folder / name).write_text((folder / name).read_text()[:50])
        return rf"{name}: expected a JSON file, found other content; download it again"

    return damage


def no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    return r"has no tokenizer \(expected tokenizer\.json\); train or download it again"


def config_with(**more):
    def damage(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | more))
        return r"does not load as a model \(.*\); use engine: vllm if that knows it"

    return damage


UNREADABLE = {
    "torn config": torn_json("config.json"),
    "torn tokenizer": torn_json("tokenizer.json"),
    "torn settings of the tokenizer": torn_json("tokenizer_config.json"),
    "git-lfs pointer": pointer_to_the_tokenizer,
    "no tokenizer": no_tokenizer,
    "unknown architecture": config_with(model_type="unheard"),
    # Nobody is asked whether its code may run: the answer would run it.
    "code of its own": config_with(
        model_type="unheard", auto_map={"AutoConfig": "own.Config", "AutoTokenizer": "own.Words"}
    ),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_one_line_also_where_only_requests_are_written(
    folder, kind, monkeypatch
):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked at the terminal"))
    match = UNREADABLE[kind](folder)
    refused(folder, "transformers", match)
    asked = {"kind": "chat", "thinks": False}

    def write_requests():
        manner = asking.of("m", asked, tiny.SPEC, str(folder))
        assert manner.context
        manner.count("x")

    for write in (
        write_requests,
        lambda: glasses.refuse_overlong([], "m", tiny.SPEC, str(folder), asked),
    ):
        with pytest.raises(EngineError, match=match) as caught:
            write()
        assert "\n" not in str(caught.value)


def test_a_hub_model_that_is_here_and_unknown_is_not_downloaded_again():
    error = ValueError("Transformers does not recognize this architecture.\nUpdate it.")
    line = checkpoint_of.missing("m", "owner/name", error)
    assert line.endswith("use engine: vllm if that knows it")
    line = checkpoint_of.missing("m", "owner/name", OSError("We couldn't connect to the hub."))
    assert "run `hf download owner/name --revision <models.m.revision>`" in line


def test_a_lack_of_memory_is_no_damage(folder):
    line = checkpoint_of.missing("m", str(folder), RuntimeError("CUDA out of memory. Tried"))
    assert line.endswith("; set models.m.devices or a smaller dtype")


def test_the_index_of_files_that_are_not_needed_is_left_alone(folder):
    index = {"weight_map": {"a": "pytorch_model-00001-of-00002.bin"}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert engines.load("m", tiny.SPEC, str(folder))


def changed(folder, change):
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS, {"format": "pt"})


def test_a_tensor_of_another_size_is_one_line(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 96}))
    match = (
        r"model\.safetensors: expected model\.layers\.0\.mlp\.\S+ of shape \[.*96.*found \[.*128"
    )
    refused(folder, "transformers", match)


def test_missing_weights_are_never_random(folder):
    changed(
        folder,
        lambda weights: [weights.pop(f"model.layers.{i}.mlp.up_proj.weight") for i in (0, 1)],
    )
    match = (
        r"lacks model\.layers\.0\.mlp\.up_proj\.weight and 1 more tensors, which Qwen3ForCausalLM"
    )
    refused(folder, "transformers", match)


def test_unused_weights_are_not_ignored(folder):
    bias = {"model.layers.0.self_attn.q_proj.bias": torch.ones(64)}
    changed(folder, lambda weights: weights.update(bias))
    refused(
        folder, "transformers", r"has model\.layers\.0\.self_attn\.q_proj\.bias, which Qwen3.*not"
    )


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_tied_heads_and_stored_masks_are_no_misfit(tmp_path, architecture):
    where = tiny.save(tmp_path / "m", architecture, tie_word_embeddings=True)
    if architecture == "gpt2":  # as in the files of GPT-2 itself
        mask = {"transformer.h.0.attn.bias": torch.ones(1, 1, 4, 4)}
        changed(where, lambda weights: weights.update(mask))
    assert "lm_head.weight" not in load_file(where / WEIGHTS)
    loaded = engines.load("m", tiny.SPEC, str(where))
    plain = AutoModelForCausalLM.from_pretrained(where)
    assert torch.equal(loaded.model.lm_head.weight, plain.lm_head.weight)


ASKED = {
    "greedy": {"temperature": 0.0, "max_tokens": 3},
    "sampled": {"temperature": 1.0, "max_tokens": 3},
    "top_k": {"temperature": 1.0, "max_tokens": 3, "top_k": 4},
    "top_p": {"temperature": 1.0, "max_tokens": 3, "top_p": 0.8},
    "options": {"temperature": 0.0, "max_tokens": 0, "choices": ["A", " the river"]},
    "echo": {"temperature": 0.0, "max_tokens": 0, "echo_logprobs": True},
}


def spoilt(folder, value):
    def change(weights):
        weights["model.norm.weight"][3] = value

    changed(folder, change)
    return folder


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("vocabulary", [320, 3000])  # below and above `sampling.SMALL`
def test_logits_that_are_no_numbers_are_one_line_and_nothing_is_stored(tmp_path, value, vocabulary):
    where = tiny.save(tmp_path / "m")
    if vocabulary > 320:
        model = AutoModelForCausalLM.from_pretrained(where)
        model.resize_token_embeddings(vocabulary, mean_resizing=False)
        model.save_pretrained(where)
    loaded = engines.load("m", tiny.SPEC, str(spoilt(where, value)))
    for name, settings in ASKED.items():
        asked = table([request("x", prompt="the river", seed=1, **settings)])
        with pytest.raises(
            EngineError, match=r"models\.m\.dtype: expected finite logits.*float32;"
        ):
            runner.generate(asked, loaded, tmp_path / name)
        stored = (tmp_path / name).rglob("*.jsonl")
        assert not "".join(path.read_text() for path in stored)


def test_the_line_names_another_dtype(tmp_path):
    """Activations of this model overflow in float16, not in bfloat16."""
    where = tiny.save(tmp_path / "m")

    def change(weights):
        weights["model.norm.weight"] *= 1.0e5

    changed(where, change)
    asked = table([request("x", prompt="the", seed=1, temperature=0.0, max_tokens=2)])
    loaded = engines.load("m", tiny.SPEC | {"dtype": "float16"}, str(where))
    with pytest.raises(
        EngineError, match=r"with dtype float16; set models\.m\.dtype: bfloat16 or f"
    ):
        runner.generate(asked, loaded, tmp_path / "a")
    loaded = engines.load("m", tiny.SPEC | {"dtype": "bfloat16"}, str(where))
    runner.generate(asked, loaded, tmp_path / "b")


def test_a_study_of_the_inside_gets_the_same_line(folder):
    loaded = engines.load("m", tiny.SPEC, str(spoilt(folder, torch.nan)), attention="eager")
    ids = torch.tensor([loaded.encode(prompt="the river")])
    with (
        torch.inference_mode(),
        pytest.raises(EngineError, match=r"models\.m\.dtype: expected fin"),
    ):
        loaded.model(input_ids=ids, use_cache=False)


def test_an_overflow_in_another_precision_is_measured(tmp_path):
    def change(weights):
        weights["model.norm.weight"] *= 1.0e5

    where = tiny.save(tmp_path / "m")
    changed(where, change)
    loaded = engines.load("m", tiny.SPEC, str(where), attention="eager")
    found = {}
    for precision in ("float32", "float16"):
        with model_gaps.in_precision(loaded.model, precision, Change()) as own:
            found[precision] = model_gaps.Reader(own).read([3, 4, 5], (0, 2))
    assert np.isfinite(found["float32"]).all()
    assert np.isfinite(found["float16"][:-1]).all()
    assert not np.isfinite(found["float16"][-1]).any(-1).any()


def test_a_copy_of_the_model_does_not_copy_the_engine(folder):
    loaded = engines.load("m", tiny.SPEC, str(folder))
    head = placement.copied(loaded.model).get_output_embeddings()
    owners = [getattr(hook, "__self__", None) for hook in head._forward_pre_hooks.values()]
    assert not any(isinstance(owner, LocalModel) for owner in owners)


def smi(monkeypatch, tmp_path, output):
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\nprintf '{output}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


def test_vllm_is_batch_invariant_where_the_gpu_can(monkeypatch, tmp_path):
    decide = vllm_worker.invariant
    smi(monkeypatch, tmp_path, "9.0\\n8.0\\n")
    assert decide("m", {}, "cuda")
    assert not decide("m", {"batch_invariant": False}, "cuda")
    assert not decide("m", {"batch_invariant": True}, "cpu")
    smi(monkeypatch, tmp_path, "9.0\\n7.5\\n")
    assert not decide("m", {}, "cuda")
    with pytest.raises(
        EngineError, match=r"models\.m\.batch_invariant: expected.*8\.0.*found 7\.5"
    ):
        decide("m", {"batch_invariant": True}, "cuda")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vllm_worker.capability() == 0.0


def test_vllms_errors_are_one_line_with_a_remedy():
    nan = RuntimeError("NaNs detected in logits: {'3': 49152}")
    assert "models.m.dtype: expected finite" in vllm_worker.line("m", {"dtype": "float16"}, nan)
    backend = ValueError("batch invariance not supported\nsecond line")
    assert vllm_worker.line("m", {}, backend).endswith("replies depend on the batch")
    assert vllm_worker.line("m", {}, EngineError("own words")) == "own words"


def test_a_nan_from_vllm_is_no_score():
    found = type("Logprob", (), {"logprob": float("nan")})
    with pytest.raises(FloatingPointError):
        vllm_jobs._number(found)
