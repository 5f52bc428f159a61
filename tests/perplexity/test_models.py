"""The copy experiment on a language model: merged digits, lengths, and parallel decoding."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.inference import tiny
from workflow_scripts.inference import engines, forms
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.perplexity import digits, models

torch.set_num_threads(1)
WORDING = "Copy {}?"


def merging(pieces: str, template: str = "{}>") -> SimpleNamespace:
    """An engine with a tokenizer that cuts text by the pattern `pieces`."""
    known: dict[str, int] = {}

    def encode(messages):
        text = template.format(messages[0]["content"])
        text += "".join(turn["content"] for turn in messages[1:])
        return [known.setdefault(piece, len(known)) for piece in re.findall(pieces, text)]

    return SimpleNamespace(name="merger", encode=encode, context=10_000, spec={})


def test_a_token_a_digit_is_plain():
    assert digits.way_of(merging(r"."), WORDING, 9) == "plain"


@pytest.mark.parametrize("pieces", [r"\d{1,3}|.", r"\d+|.", r" ?\d{1,2}|."])
def test_merged_digits_are_spaced(pieces):
    engine = merging(pieces)
    assert digits.spelling(engine, WORDING, [0] * 9, "plain") is None
    assert digits.way_of(engine, WORDING, 9) == "spaced"
    spelt = digits.spelling(engine, WORDING, [0, 1, 1, 0], "spaced")
    whole = engine.encode(
        [{"content": "Copy 0 1 1 0?"}, {"role": "assistant", "content": "0 1 1 0"}]
    )
    assert spelt.prompt + spelt.written([0, 1, 1, 0]) == whole


def test_digits_that_merge_even_when_spaced_are_refused_by_name():
    with pytest.raises(EngineError, match=r"models\.merger: expected one token per bit"):
        digits.way_of(merging(r"[\d ]+|."), WORDING, 9)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tiny.save(tmp_path_factory.mktemp("tiny") / "model", spread=0.3)
    return engines.load("tiny", tiny.SPEC, str(folder))


def test_a_length_beyond_the_context_is_refused_before_any_work(engine, monkeypatch):
    def never(*given, **named):
        raise AssertionError("the model was called")

    monkeypatch.setattr(engine.model, "forward", never)
    monkeypatch.setattr(engines, "load", lambda *given, **named: engine)
    sizes = {"sizes": [4, 200], "random_sizes": {"trained": [8], "longer": []}, "strings": 2}
    asked = {"wordings": [WORDING, "Repeat {} now"]}
    with pytest.raises(EngineError, match=r"200 bits need \d+ tokens, models\.tiny has 256"):
        models.main("tiny", tiny.SPEC, "", 1024, asked, "table", "steps", sizes, 1e-12, 1, {})


@pytest.mark.parametrize("bits", [[0] * 10, [0] * 9 + [1], [1, 0] * 5])
def test_parallel_decoding_equals_sequential_decoding(engine, bits):
    way = digits.way_of(engine, WORDING, 10)
    spelt = digits.spelling(engine, WORDING, bits, way)
    ((written, logs),) = models.greedy(engine, [spelt], [bits])
    tokens = spelt.prompt + spelt.answer
    for number, slot in enumerate(spelt.slots):
        at = len(spelt.prompt) + slot
        with torch.inference_mode():
            after = engine.model(input_ids=torch.tensor([tokens[:at]])).logits[0, -1]
        expected = after.float().log_softmax(-1)
        torch.testing.assert_close(logs[number], expected, atol=1e-4, rtol=1e-4)
        zero, one = spelt.zeros[number], spelt.ones[number]
        tokens[at] = one if expected[one] > expected[zero] else zero
    assert spelt.written(written) == tokens[len(spelt.prompt) :]


def test_rows_of_a_pair_are_probabilities_of_the_model(engine):
    way = digits.way_of(engine, WORDING, 6)
    rows = {r["metric"]: r["value"] for r in models.pair_rows(engine, WORDING, way, 6, 1e-12)}
    spelt = digits.spelling(engine, WORDING, [0] * 6, way)
    ((_, logs),) = models.greedy(engine, [spelt], [[0] * 6])
    p = np.exp(models.both(logs, spelt)[:, 0])
    assert rows["alpha_least"] == pytest.approx(p.min())
    assert rows["nats_alpha"] == pytest.approx(-np.log(p).mean())
    assert rows["nats_apart"] == pytest.approx(abs(rows["nats_alpha"] - rows["nats_beta"]))
    # An untrained model prefers other tokens to digits, which is reported.
    assert rows["other_token_share_alpha"] > 0
    assert 0 <= rows["first_other_token_alpha"] < 6


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tiny.save(tmp_path_factory.mktemp("base") / "model", spread=0.3)
    spec = tiny.SPEC | {"kind": "base", "chat_template": False}
    return engines.load("tiny-base", spec, str(folder))


def test_a_base_model_sees_copies_before_the_question(base):
    way = digits.way_of(base, WORDING, 6)
    spelt = digits.spelling(base, WORDING, [0] * 6, way)
    text = base.tokenizer.decode(spelt.prompt)
    examples = forms.opening("base", "copied")
    assert text.startswith(f"User: {examples[0]['content']}\n\nAssistant: ")
    assert text.endswith(f"User: Copy {digits.text([0] * 6, way)}?\n\nAssistant:")
    written = base.tokenizer.decode(spelt.written([0, 1, 1, 0, 1, 0]))
    assert written == " " + digits.text([0, 1, 1, 0, 1, 0], way)


@pytest.mark.parametrize("kind", ["base", "chat"])
def test_free_replies_of_a_base_model_end_before_the_next_question(engine, base, monkeypatch, kind):
    asked = []

    def generate(table, *_):
        asked.append(table)
        return pd.DataFrame({"request_id": table["request_id"]}).assign(
            text="0000", finish_reason="stop"
        )

    monkeypatch.setattr(models.runner, "generate", generate)
    monkeypatch.setattr(models.runner, "store_of", lambda _: None)
    chosen = base if kind == "base" else engine
    models.free_replies(chosen, WORDING, digits.way_of(chosen, WORDING, 4), [4], 1)
    assert set(asked[0]["stop"]) == {json.dumps(list(forms.stop(kind)))}
    turns = [json.loads(each) for each in asked[0]["messages"]]
    assert all(each[:-1] == forms.opening(kind, "copied") for each in turns)


def test_free_replies_are_counted(engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    way = digits.way_of(engine, WORDING, 6)
    rows = models.free_replies(engine, WORDING, way, [4, 6], 1)
    names = {row["metric"] for row in rows}
    assert {"free_copied_alpha", "free_bits_beta", "free_stopped_early_alpha"} <= names
    for row in rows:
        if row["metric"].startswith("free_stopped_early"):
            string = row["metric"].rsplit("_", 1)[1]
            bits = next(
                r["value"]
                for r in rows
                if r["metric"] == f"free_bits_{string}" and r["size"] == row["size"]
            )
            if bits is None:  # not read
                assert row["value"] is None
            else:
                assert row["value"] == (bits < row["size"])
