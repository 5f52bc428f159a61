"""The copy experiment on a language model: merged digits, lengths, and parallel decoding."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.inference import tiny
from workflow_scripts.inference import engines
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

    return SimpleNamespace(name="merger", encode=encode, context=10_000)


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
    settings = {"wordings": [WORDING, "Repeat {} now"], **sizes}
    with pytest.raises(EngineError, match=r"200 bits need \d+ tokens, models\.tiny has 256"):
        models.main("tiny", tiny.SPEC, "", 1024, "table", "steps", settings, 1e-12, 1, {})


@pytest.mark.parametrize("bits", [[0] * 10, [0] * 9 + [1], [1, 0] * 5])
def test_parallel_decoding_equals_sequential_decoding(engine, bits):
    way = digits.way_of(engine, WORDING, 10)
    spelt = digits.spelling(engine, WORDING, bits, way)
    written, logs = models.greedy(engine, spelt, bits)
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
    _, logs = models.greedy(engine, spelt, [0] * 6)
    p = np.exp(models.both(logs, spelt)[:, 0])
    assert rows["alpha_least"] == pytest.approx(p.min())
    assert rows["nats_alpha"] == pytest.approx(-np.log(p).mean())
    assert rows["nats_apart"] == pytest.approx(abs(rows["nats_alpha"] - rows["nats_beta"]))
    # An untrained model prefers other tokens to digits, which is reported.
    assert rows["other_token_share_alpha"] > 0
    assert 0 <= rows["first_other_token_alpha"] < 6


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
