"""Folders and tokenizers as people have them, in the real vLLM (`make vllm`)."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.inference import tiny
from tests.inference.test_tokenizer_files import tekken
from tests.inference.test_vllm_engine import SPEC, WORDS, with_vllm
from workflow_scripts.inference import engines, runner
from workflow_scripts.inference.requests import request, table

pytestmark = [with_vllm, pytest.mark.slow]


def asked():
    texts = [" ".join(WORDS[i : i + 3 * i + 2]) for i in range(4)]
    settings = {"temperature": 0.0, "max_tokens": 8, "seed": 1}
    return table([request(text, prompt=text, stop=["zz"], **settings) for text in texts])


def cut_and_without_bos(folder):
    """A Llama base model whose `tokenizer.json` cuts, pads and adds no BOS."""
    tiny.save(folder, "llama", head_dim=32, words_only=True)
    stored = json.loads((folder / "tokenizer.json").read_text())
    cut = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    (folder / "tokenizer.json").write_text(json.dumps(stored | {"truncation": cut}))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["backend"]
    config |= {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}
    config |= {"bos_token": "<|system|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def mistrals_own(folder):
    """A Mistral model that has its tokenizer in Mistral's own file only."""
    tiny.save(folder, "mistral", head_dim=32)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / name).unlink()
    tekken(folder)


@pytest.mark.parametrize("make", [cut_and_without_bos, mistrals_own])
def test_prompts_have_the_same_tokens_in_both_engines(tmp_path, make):
    make(tmp_path / "m")
    plain = {"chat_template": False}
    inside = engines.load("m", tiny.SPEC | plain, str(tmp_path / "m"))
    here = runner.generate(asked(), inside, tmp_path / "a")
    vllm = engines.load("m", SPEC | plain, str(tmp_path / "m"))
    there = runner.generate(asked(), vllm, tmp_path / "b")
    vllm.close()
    columns = ["prompt_tokens", "text", "finish_reason"]
    assert there[columns].equals(here[columns])
    assert here["prompt_tokens"].max() > 8
    assert inside.encode(prompt="the")[0] == inside.tokenizer.bos_token_id
    assert vllm.identity.get("tokenizer") == inside.identity.get("tokenizer")


def test_logits_that_are_no_numbers_are_one_line(tmp_path):
    tiny.save(tmp_path / "m", head_dim=32)
    weights = load_file(tmp_path / "m/model.safetensors")
    weights["model.norm.weight"][3] = torch.nan
    save_file(weights, tmp_path / "m/model.safetensors", {"format": "pt"})
    vllm = engines.load("m", SPEC, str(tmp_path / "m"))
    with pytest.raises(engines.EngineError, match=r"^models\.m\.dtype: expected finite logits"):
        runner.generate(asked(), vllm, tmp_path / "a")
    vllm.close()
