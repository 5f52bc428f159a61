"""Tokenizers that merge digits: found, named, and fed one digit at a time."""

import logging

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.inference import tiny
from workflow_scripts.inference import digits
from workflow_scripts.inference.engines import EngineError


def merging(text="111 222 " * 20):
    """A byte-level BPE that has learnt whole runs of digits."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core)


def test_digits_apart_are_found_and_left_as_they_are(caplog):
    found = digits.inspect(tiny.tokenizer(), "mine")
    assert found.merges is None
    digits.report(found, "mine")
    assert not caplog.records
    text = "Copy 1011, 9?"
    assert digits.spell(tiny.tokenizer(), found, text, False) == list(
        tiny.tokenizer()(text)["input_ids"]
    )


def test_a_tokenizer_that_merges_is_named_with_what_is_done(caplog):
    found = digits.inspect(merging(), "mine")
    assert found.merges is not None
    with caplog.at_level(logging.WARNING):
        digits.report(found, "mine")
    told = caplog.records[0].getMessage()
    assert told.startswith("models.mine: its tokenizer merges digits (as in 111111111111)")
    assert "each digit is fed as one token" in told


def test_merged_digits_are_spelt_one_by_one():
    tokenizer = merging()
    found = digits.inspect(tokenizer, "mine")
    text = "Count the ones in 1111 now, 22?"
    assert len(tokenizer("1111")["input_ids"]) < 4
    ids = digits.spell(tokenizer, found, text, False)
    assert tokenizer.decode(ids) == text
    assert sum(token in found.alone.values() for token in ids) == 6


def test_a_tokenizer_without_digits_is_refused():
    core = Tokenizer(models.WordLevel({"1": 0, "?": 1}, unk_token="?"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    with pytest.raises(
        EngineError, match=r"models\.mine: its tokenizer has no token for the digit 0"
    ):
        digits.inspect(PreTrainedTokenizerFast(tokenizer_object=core), "mine")


def test_the_first_request_past_the_context_is_named():
    requests = [
        {"item": name, "turns": [{"role": "user", "content": "1" * size}], "max_tokens": 4}
        for name, size in (("short", 3), ("long", 300))
    ]
    spec = {"source": "a folder"}
    digits.refuse_overlong("mine", spec, tiny.tokenizer(), 310, requests)
    with pytest.raises(EngineError, match=r"long: 30\d tokens and a reply of 4 exceed .*mine, 300"):
        digits.refuse_overlong("mine", spec, tiny.tokenizer(), 300, requests)
