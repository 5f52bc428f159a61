"""Small models with random weights, saved like any other model."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedTokenizerFast,
)

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>"
    "{% if enable_thinking is defined and not enable_thinking %}no thoughts{% endif %}{% endif %}"
)
WORDS = "the river runs north of town and seven hills lie south of it under a wide grey sky "
SPEC = {"source": "a folder", "engine": "transformers", "dtype": "float32", "max_context": 256}


def tokenizer(vocabulary: int = 320) -> PreTrainedTokenizerFast:
    """Byte-level BPE with a chat template."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\w+|\s|[^\w\s]"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator([WORDS] * 8, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<|pad|>", eos_token="<|end|>", padding_side="left"
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


def save(
    folder: Path,
    architecture: str = "qwen3",
    hidden: int = 64,
    layers: int = 2,
    spread: float = 0.12,
    context: int = 512,
    seed: int = 0,
    vocabulary: int = 320,
    words_only: bool = False,
    **settings: object,
) -> Path:
    """Write a model of `architecture` to `folder`. `spread` is the weights' standard deviation.

    With `words_only`, tokens of one byte are seldom drawn: an incomplete character has no text, and
    servers do not report it.
    """
    words = tokenizer(vocabulary)
    names = {
        "gpt2": {"n_embd": hidden, "n_layer": layers, "n_head": 4, "n_positions": context},
    }.get(
        architecture,
        {
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "intermediate_size": 2 * hidden,
            "max_position_embeddings": context,
            "tie_word_embeddings": True,
        },
    )
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(words),
        initializer_range=spread,
        bos_token_id=None,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
        **{**names, **settings},
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    if words_only:
        first: Any = words.convert_tokens_to_ids("!")
        with torch.no_grad():
            model.get_input_embeddings().weight[first : first + 256] *= 0.1
    model.generation_config = GenerationConfig(
        eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, do_sample=False
    )
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
