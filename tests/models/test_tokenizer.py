"""The tokenizer loses nothing, keeps digits apart, and agrees with its chat template."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models import tiny
from workflow_scripts.models import chat, tokenizer


@given(st.text())
def test_any_text_survives(text):
    tokens = tiny.tokens()
    ids = tokens(text, add_special_tokens=False)["input_ids"]
    special = {tokens.convert_tokens_to_ids(mark) for mark in chat.SPECIAL}
    if not special & set(ids):
        assert tokens.decode(ids) == text


@given(st.integers(0, 10**12))
def test_every_digit_is_a_token(number):
    ids = tiny.tokens()(str(number), add_special_tokens=False)["input_ids"]
    assert tiny.tokens().convert_ids_to_tokens(ids) == list(str(number))


def test_equal_texts_give_an_equal_tokenizer():
    texts = [m["content"] for turns in tiny.conversations() for m in turns]
    first, second = (tokenizer.train(iter(texts), 400) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    assert first.get_vocab() != tokenizer.train(iter(texts), 380).get_vocab()


def test_training_ids_are_those_of_the_chat_template():
    """Independent: transformers renders the template in Jinja and encodes the whole text."""
    tokens = tiny.tokens()
    for turns, (ids, learnt) in zip(
        tiny.conversations(), chat.encode(tokens, tiny.conversations()), strict=True
    ):
        assert ids == tokens.apply_chat_template(turns, return_dict=False)
        assert len(learnt) == len(ids)


def test_the_loss_covers_replies_that_are_taught_and_nothing_else():
    tokens = tiny.tokens()
    turns = [
        chat.user("7 + 8"),
        chat.assistant("14", learn=False),
        chat.user("again"),
        chat.assistant("15"),
    ]
    [(ids, learnt)] = chat.encode(tokens, [turns])
    taught = [token for token, counts in zip(ids, learnt, strict=True) if counts]
    assert tokens.decode(taught) == "15" + chat.END


def test_the_prompt_ends_where_the_reply_begins():
    tokens = tiny.tokens()
    turns = tiny.conversations()[0]
    whole = tokens.apply_chat_template(turns, return_dict=False)
    prompt = tokens.apply_chat_template(turns[:-1], add_generation_prompt=True, return_dict=False)
    assert whole[: len(prompt)] == prompt


def test_saved_and_loaded_it_is_the_same(tmp_path):
    tiny.tokens().save_pretrained(tmp_path)
    loaded = tokenizer.load(tmp_path)
    turns = tiny.conversations()[3]
    assert loaded.get_vocab() == tiny.tokens().get_vocab()
    assert loaded.apply_chat_template(turns) == tiny.tokens().apply_chat_template(turns)


def test_a_vocabulary_too_small_for_the_bytes_still_has_them():
    assert len(tokenizer.train(["a b c"], 1)) >= 256 + len(chat.SPECIAL)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "1 2", "a  b", "αβγ 3,5", "0.25"])
def test_spaces_and_signs_survive(text):
    ids = tiny.tokens()(text, add_special_tokens=False)["input_ids"]
    assert tiny.tokens().decode(ids) == text
