"""Tiny pretrained decoders with random weights, and tokenizers of numbers and of digits."""

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.inference import tiny
from tests.transnar import made
from workflow_scripts.transnar import batches, pretrained
from workflow_scripts.transnar.arm_names import named

SPEC = {"source": "a folder", "engine": "transformers", "dtype": "bfloat16", "max_context": 512}
START = {"trained": "all", "every": 1, "positions": "randomised", "position_range": 1024}
MODEL = "tiny"


def of_numbers(vocabulary=320):
    """A tokenizer in which a number of up to three digits is a token, as in Llama 3's."""
    core = Tokenizer(models.BPE())
    pieces = Regex(r"\p{N}{1,3}|\p{L}+| ?[^\s\p{L}\p{N}]+\n*|\s")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pieces, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|pad|>", "<|end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator([f"{n} " for n in range(10, 60)] * 4 + ["]\n"] * 9, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<|pad|>", eos_token="<|end|>", padding_side="left"
    )


def save(folder, kind="qwen3", **more):
    return str(tiny.save(folder, kind, hidden=32, context=512, **more))


def load(checkpoint, arm="hybrid", seed=1, width=made.WIDTH, **start):
    """A decoder before training, and what `pretrained.load` was given of its start."""
    how = pretrained.Start(**START | start)
    return pretrained.load(MODEL, SPEC, checkpoint, how, named(arm, MODEL), width, seed)


def batch(network, path, count=4, size=1):
    """The first samples of a training set: the set, their places, and the batch."""
    pairs, indices = made.sets(path)[size], np.arange(count)
    random = np.random.default_rng(0)
    drawn = batches.training_batch(pairs, indices, random, network.shape, network.words)
    return pairs, indices, drawn
