"""A corpus, a tokenizer and settings small enough to train in a second or two."""

import json
from functools import cache

from workflow_scripts.models import batches, chat, corpus, tokenizer, training

CORPUS = {
    "places": 40,
    "zipf_exponent": 0.8,
    "earlier_right_rate": 0.5,
    "most_steps": 3,
    "most_attempts": 3,
    "longest": 10,
}
SHAPE = {"hidden_size": 32, "layers": 2, "heads": 1, "max_context": 512}
SETTINGS = training.Settings(
    steps=12,
    batch_tokens=512,
    learning_rate=6.0e-3,
    warmup_steps=3,
    final_rate=0.05,
    weight_decay=0.05,
    max_grad_norm=1.0,
    log_every_steps=3,
    checkpoint_every_steps=4,
)


@cache
def frame(split="train", each=60):
    makers = corpus.skills(CORPUS, corpus.world_of(1, 40, 0.8))
    return corpus.table(makers, dict.fromkeys(makers, each), split, 1)


@cache
def conversations():
    return [json.loads(messages) for messages in frame()["messages"]]


@cache
def tokens():
    return tokenizer.train((m["content"] for turns in conversations() for m in turns), 400)


@cache
def encoded():
    return batches.flatten(chat.encode(tokens(), conversations()), SHAPE["max_context"])
