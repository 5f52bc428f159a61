"""Exact laws against brute force over all token sequences, and against 100,000 draws."""

import itertools
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import stats
from tokenizers import Tokenizer, decoders, models
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedTokenizerFast,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from workflow_scripts.inference import decoding, engines, laws
from workflow_scripts.inference.laws import Setting
from workflow_scripts.inference.requests import request
from workflow_scripts.inference.tasks import Draw

# Several spellings of most answers, tokens that end a stop string, a special token without text.
TOKENS = ["<|pad|>", "<|end|>", "<|mark|>", "1", "2", ".", " ", "12", "1.", ".2", ";", "2;", "x"]
PROMPT = [3, 4, 12, 3]
SETTINGS = [
    Setting(1.0, 1.0, 0),
    Setting(0.5, 1.0, 0),
    Setting(2.0, 0.8, 0),
    Setting(1.3, 0.95, 5),
    Setting(1.0, 0.5, 0),
]


@dataclass(frozen=True)
class Texts:
    """Answers by their texts; white space around them does not count."""

    answers: tuple[str, ...]

    @property
    def size(self):
        return len(self.answers)

    @property
    def characters(self):
        return frozenset(" ".join(self.answers))

    def answer(self, text):
        return self.answers.index(text.strip()) if text.strip() in self.answers else None

    def opens(self, text):
        return self.answer(text) is not None or any(
            answer.startswith(text.lstrip()) for answer in self.answers
        )


SUPPORT = Texts(("1", "2", "12", "1.2", "21"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random model over `TOKENS`."""
    folder = tmp_path_factory.mktemp("spelled")
    core = Tokenizer(models.WordLevel({text: i for i, text in enumerate(TOKENS)}, "x"))
    core.decoder = decoders.Fuse()
    words = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        clean_up_tokenization_spaces=False,
    )
    words.add_special_tokens({"additional_special_tokens": ["<|mark|>"]})
    words.save_pretrained(folder)
    config = AutoConfig.for_model(
        "qwen3",
        vocab_size=len(TOKENS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.12,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(11)  # its replies are answers in more than half of the cases
        random = AutoModelForCausalLM.from_config(config)
    random.generation_config = GenerationConfig(eos_token_id=1, pad_token_id=0)
    random.save_pretrained(folder)
    spec = {"source": "a folder", "engine": "transformers", "dtype": "float32"}
    return engines.load("spelled", spec | {"chat_template": False}, str(folder))


def steps(model, prefixes):
    """Probabilities of the next token after prefixes of one length, (settings, n, vocabulary)."""
    rows = torch.tensor([[*PROMPT, *prefix] for prefix in prefixes])
    with torch.inference_mode():
        logits = model.model(rows, attention_mask=torch.ones_like(rows)).logits[:, -1].double()
    found = []
    for temperature, top_p, top_k in SETTINGS:
        scores = logits / temperature
        scores = TopKLogitsWarper(top_k)(None, scores) if top_k else scores
        found.append(TopPLogitsWarper(top_p)(None, scores).softmax(-1).numpy())
    return np.array(found)


def brute_force(model, limit, stop):
    """Answers and the rest, (settings, K) and (settings,), from all sequences of tokens."""
    answers, outside = np.zeros((len(SETTINGS), SUPPORT.size)), np.zeros(len(SETTINGS))
    alive = {(): np.ones(len(SETTINGS))}

    def end(text, mass):
        answer = SUPPORT.answer(text)
        if answer is None:
            outside[:] += mass
        else:
            answers[:, answer] += mass

    for length in range(1, limit + 1):
        following = {}
        probabilities = steps(model, list(alive))
        for number, (prefix, mass) in enumerate(alive.items()):
            for token in range(len(TOKENS)):
                sequence = (*prefix, token)
                own = mass * probabilities[:, number, token]
                text = "".join(TOKENS[t] for t in sequence if t > 2)
                if token == 1:
                    end(text, own)
                elif stop and stop in text:
                    end(text.partition(stop)[0], own)
                elif length == limit:
                    outside += own
                else:
                    following[sequence] = own
        alive = following
    return answers, outside


@pytest.mark.parametrize(("limit", "stop"), [(1, ""), (2, ";"), (4, ""), (4, ";"), (4, ".2")])
def test_a_law_is_that_of_all_token_sequences(model, limit, stop):
    answers, outside = brute_force(model, limit, stop)
    assert np.allclose(answers.sum(axis=1) + outside, 1)
    stops = (stop,) if stop else ()
    found = laws.law(model, PROMPT, limit, stops, SUPPORT, SETTINGS, 0.0)
    assert np.allclose(found.answers, answers, rtol=1e-4, atol=1e-8)
    assert np.allclose(found.outside, outside, rtol=1e-4, atol=1e-8)
    assert found.unresolved.max() == 0
    if limit == 4:
        assert (answers[0] > 1e-4).sum() >= 4  # else the comparison says little


@pytest.mark.parametrize("least", [1e-2, 1e-3, 1e-4])
def test_what_is_not_followed_bounds_the_error(model, least):
    answers, _ = brute_force(model, 4, ";")
    found = laws.law(model, PROMPT, 4, (";",), SUPPORT, SETTINGS, least)
    whole = laws.law(model, PROMPT, 4, (";",), SUPPORT, SETTINGS, 0.0)
    assert found.sequences < whole.sequences
    assert found.unresolved.max() > 0
    assert (found.answers <= answers + 1e-6).all()
    assert (answers <= found.answers + found.unresolved[:, None] + 1e-6).all()
    total = found.answers.sum(axis=1) + found.outside + found.unresolved
    assert np.allclose(total, 1, atol=1e-6)


def test_every_sequence_passes_through_the_model_once(model):
    """Four tokens and the end token spell: all viable beginnings of up to 3 tokens are walked."""
    found = laws.law(model, PROMPT, 4, (), SUPPORT, SETTINGS, 0.0)
    spelling = [t for t in range(len(TOKENS)) if t != 1]
    opening = [
        sequence
        for length in range(4)
        for sequence in itertools.product(spelling, repeat=length)
        if SUPPORT.opens("".join(TOKENS[t] for t in sequence if t > 2))
    ]
    assert found.sequences == len(opening)
    assert found.tokens == len(PROMPT) + len(opening) - 1


def test_a_prompt_without_room_for_a_reply_is_refused(model):
    with pytest.raises(engines.EngineError, match="leaves no room"):
        laws.law(model, [3] * 64, 4, (), SUPPORT, SETTINGS, 0.0)


def test_logits_that_are_not_finite_are_refused(model, monkeypatch):
    def broken(*_):
        raise FloatingPointError

    monkeypatch.setattr(laws.sampling, "law", broken)
    with pytest.raises(engines.EngineError, match="spelled"):
        laws.law(model, PROMPT, 4, (), SUPPORT, SETTINGS, 0.0)


@pytest.mark.long
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda each: "-".join(map(str, each)))
def test_100_000_draws_agree_with_the_law(model, setting):
    """All answers and the rest, in a chi-square test of the counts of `decoding`."""
    count = 100_000
    temperature, top_p, top_k = setting
    text = "".join(TOKENS[token] for token in PROMPT)
    asked = request(
        "draws",
        prompt=text,
        n=count,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        max_tokens=6,
        stop=[";"],
        seed=11,
    )
    model.read([asked])
    prompt = model.tokens_of(asked)
    found = laws.law(model, prompt, 6, json.loads(asked["stop"]), SUPPORT, [setting], 1e-9)
    counts = np.zeros(SUPPORT.size + 1)
    for records in decoding.decode(model, [Draw(asked, number) for number in range(count)]):
        for record in records:
            own = SUPPORT.answer(record["text"]) if record["finish_reason"] == "stop" else None
            counts[-1 if own is None else own] += 1
    assert counts.sum() == count
    assert found.unresolved[0] < 1e-5
    law = np.append(found.answers[0], found.outside[0] + found.unresolved[0])
    for seen, share in zip(counts, law, strict=True):  # each within its interval, all together
        low, high = stats.binom.ppf([0.001 / len(law), 1 - 0.001 / len(law)], count, share)
        assert low <= seen <= high
    kept = law * count > 5
    assert counts[~kept].sum() <= 30
    expected = law[kept] / law[kept].sum() * counts[kept].sum()
    assert stats.chisquare(counts[kept], expected).pvalue > 1e-3
