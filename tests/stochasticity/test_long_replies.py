"""Limits of long replies follow from the model's tokenizer and leave room for what is asked."""

import numpy as np

from tests.inference import tiny
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.stochasticity import asking, long_replies, maps

CHAT = {"kind": "chat", "thinks": False, "reply_tokens": None}
SETTINGS = {
    "batched": {"targets": ["digit", "uniform", "normal"], "sizes": [4, 64]},
    "generators": {"moduli": [16], "xorshift_bits": [8], "starts": 5, "steps": 6},
}


def test_the_limit_is_twice_a_bare_answer_and_more(tmp_path):
    checkpoint = tiny.save(tmp_path / "model")
    count = asking.counter("m", tiny.SPEC, str(checkpoint))
    asked = long_replies.table(asking.Manner(CHAT, count), SETTINGS, 128, 1)
    rng = np.random.default_rng(3)
    for request in asked[asked["experiment"] == "S7"].to_dict("records"):
        answers = [
            ", ".join(words.draw(rng, request["target"]) for _ in range(request["batch"]))
            for _ in range(20)
        ]
        assert request["max_tokens"] > 1.8 * max(map(count, answers))
    for request in asked[asked["experiment"] == "S8"].to_dict("records"):
        case = [int(part) for part in request["given"].strip("[]").split(",")]
        answer = maps.worked(request["style"], case, request["batch"])
        assert request["max_tokens"] >= 2 * count(answer) + count(asking.PREAMBLE)


def test_a_coarser_tokenizer_gets_a_lower_limit():
    fine = long_replies.table(asking.Manner(CHAT), SETTINGS, 128, 1)
    manner = asking.Manner(CHAT, lambda text: len(text) // 3)
    coarse = long_replies.table(manner, SETTINGS, 128, 1)
    assert (coarse["max_tokens"] < 0.4 * fine["max_tokens"]).all()


def test_a_model_on_a_server_gets_a_token_for_every_character():
    count = asking.counter("m", {"engine": "openai", "source": "model"}, "model")
    assert count("-1.23, 0.40") == 11
