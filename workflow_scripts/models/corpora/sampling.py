"""Instructions to sample, with true samples as replies.

Each reply is a draw of NumPy's generator from the distribution that the prompt states, or the exact
result where the prompt gives the random number. A model that learnt this corpus perfectly would
pass every test of study `stochasticity`.
"""

from typing import Any

import numpy as np

from workflow_scripts.models.chat import Conversation, assistant, user
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.models.corpora.split import belongs

# Sizes in training; the study may ask real models for larger ones.
BATCH_SIZES = (2, 4, 8, 16, 32, 64)
MODULI = (10, 16)
MOST_STEPS = 8
LONGEST_CHAIN = 32
FORMS = {  # share of each condition in training
    "direct": 0.26,
    "sequential": 0.08,
    "last_only": 0.1,
    "batched": 0.1,
    "lcg": 0.12,
    "external": 0.14,
    "self_made": 0.06,
    "quiz": 0.05,
    "discrete": 0.09,
}


def conversation(rng: np.random.Generator, split: str) -> dict[str, Any]:
    """One conversation of a random condition: its form, level and messages.

    Parameters of a condition (the number u, a generator and its start, weights) are disjoint
    between the two splits; the named distributions have none.
    """
    form = str(rng.choice(list(FORMS), p=list(FORMS.values())))
    level, messages = _MAKERS[form](rng, split)
    return {"form": form, "level": level, "messages": messages}


def conversations(rng: np.random.Generator, split: str) -> Conversation:
    """The messages of one `conversation`."""
    return conversation(rng, split)["messages"]


def _target(rng: np.random.Generator) -> str:
    return words.TARGETS[int(rng.integers(len(words.TARGETS)))]


def _direct(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    target = _target(rng)
    style = "plain" if rng.random() < 0.5 else words.STYLES[int(rng.integers(1, len(words.STYLES)))]
    reply = words.draw(rng, target)
    if style == "state_first":
        reply = f"{words.STATED[target]} Draw: {reply}"
    return target, [user(words.PROMPTS[target][style]), assistant(reply)]


def _sequential(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    target = _target(rng)
    # Long conversations are rare: every turn costs tokens and adds nothing new.
    length = int(LONGEST_CHAIN ** rng.uniform(0.2, 1))
    messages: Conversation = []
    for turn in range(length):
        messages += [
            user(words.AGAIN if turn else words.PROMPTS[target]["plain"]),
            assistant(words.draw(rng, target)),
        ]
    return target, messages


def _last_only(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    target = _target(rng)
    return target, [
        user(words.last_only(target, words.draw(rng, target))),
        assistant(words.draw(rng, target)),
    ]


def _batched(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    target = _target(rng)
    size = BATCH_SIZES[int(rng.integers(len(BATCH_SIZES)))]
    reply = ", ".join(words.draw(rng, target) for _ in range(size))
    return target, [user(words.batched(target, size)), assistant(reply)]


def _lcg(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    case = words.lcg_case(rng, MODULI[int(rng.integers(len(MODULI)))], split)
    steps = int(rng.integers(2, MOST_STEPS + 1))
    return f"mod {case[2]}", [
        user(words.lcg(*case, steps)),
        assistant(words.lcg_worked(*case, steps)),
    ]


def _external(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    name = list(words.MAPS)[int(rng.integers(len(words.MAPS)))]
    u = words.external(rng, split)
    reply = words.map_written(name, float(u))
    return name, [user(words.MAPS[name].format(u=u)), assistant(reply)]


def _self_made(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    name = list(words.SELF_MADE)[int(rng.integers(len(words.SELF_MADE)))]
    u = words.external(rng, split)
    reply = f"u = {u}, {words.RESULT_NAMES[name]} = {words.map_written(name, float(u))}"
    return name, [user(words.SELF_MADE[name]), assistant(reply)]


def _quiz(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    topics = [
        list(words.TOPICS)[int(i)]
        for i in rng.choice(len(words.TOPICS), len(words.LETTERS), replace=False)
    ]
    place = int(rng.integers(len(words.LETTERS)))
    topic, others = topics[0], topics[1:]
    shown = [words.TOPICS[name][int(rng.integers(4))] for name in others]
    shown.insert(place, words.TOPICS[topic][int(rng.integers(4))])
    options = " ".join(f"{a}: {word}" for a, word in zip(words.LETTERS, shown, strict=True))
    reply = f"Which belongs to {topic}? {options} Key: {words.LETTERS[place]}"
    return topic, [user(words.quiz(topic)), assistant(reply)]


def _discrete(rng: np.random.Generator, split: str) -> tuple[str, Conversation]:
    coin = rng.random() < 0.6
    while True:
        if coin:
            percent = int(rng.integers(1, 100))
            weights: tuple[int, ...] = (percent, 100 - percent)
        else:
            cuts = np.sort(rng.choice(np.arange(5, 100, 5), 3, replace=False))
            weights = tuple(int(w) for w in np.diff([0, *cuts, 100]))
        if belongs(str(weights), split):
            break
    if coin:
        reply = str(int(100 * rng.random() < weights[0]))
        return "bernoulli", [user(words.bernoulli(weights[0])), assistant(reply)]
    letter = words.LETTERS[int(rng.choice(len(words.LETTERS), p=np.array(weights) / 100))]
    return "categorical", [user(words.categorical(weights)), assistant(letter)]


_MAKERS = {
    "direct": _direct,
    "sequential": _sequential,
    "last_only": _last_only,
    "batched": _batched,
    "lcg": _lcg,
    "external": _external,
    "self_made": _self_made,
    "quiz": _quiz,
    "discrete": _discrete,
}
