"""What a set of attempts is worth: one function a measure, on arrays, with no file in sight.

Arrays have shape (questions Q, chains C, attempts N). `answers` holds names of answers, "" for
none; `correct` whether each is right.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from workflow_scripts.parallel_sequential.contracts import KEY

MAJORITY, ANY, RANDOM = "majority", "any", "random"


@dataclass(frozen=True)
class Sets:
    """All sets of attempts of one model, domain and arm. `tokens` counts prompt and reply of an
    attempt, its rejected tries included; `drawn` is False where a chain had stopped before, and
    its last attempt stands on."""

    questions: list[str]
    answers: NDArray[Any]
    correct: NDArray[Any]
    passes_weak: NDArray[Any]
    logprobs: NDArray[Any]
    tokens: NDArray[Any]
    history_tokens: NDArray[Any]
    drawn: NDArray[Any]
    exchangeable: bool


def sets_of(frame: pd.DataFrame, attempts: int, exchangeable: bool) -> Sets:
    """Arrays from the attempt rows of one model, domain and arm, for attempts 1..`attempts`."""
    cost = frame["prompt_tokens"] + frame["completion_tokens"]
    spent = cost.groupby([frame[name] for name in (*KEY, "attempt")]).sum()
    kept = frame[frame["accepted"]].set_index([*KEY, "attempt"])
    kept = kept.assign(tokens=spent.reindex(kept.index), drawn=True).reset_index()
    questions = sorted(kept["question"].unique())
    index = pd.MultiIndex.from_product(
        [questions, sorted(kept["chain"].unique()), range(1, attempts + 1)],
        names=["question", "chain", "attempt"],
    )
    whole = kept.set_index(["question", "chain", "attempt"]).reindex(index)
    drawn = whole["drawn"].eq(True)
    filled = whole.groupby(level=["question", "chain"]).ffill()
    shape = (len(questions), -1, attempts)

    def array(column: pd.Series, kind: Any) -> NDArray[Any]:
        return column.to_numpy(dtype=kind).reshape(shape)

    first = filled["prompt_tokens"].groupby(level=["question", "chain"]).transform("first")
    return Sets(
        questions,
        array(filled["answer"], object),
        array(filled["correct"].astype(float), float),
        array(filled["passes_weak"].astype(float), float),
        array(filled["mean_logprob"], float),
        array(whole["tokens"].fillna(0), float),
        array(filled["prompt_tokens"] - first, float),
        array(drawn, bool),
        exchangeable,
    )


def majority(answers: NDArray[Any], correct: NDArray[Any]) -> float:
    """Whether the most frequent answer of a set (k,) is right; ties count by their mean.

    Empty answers do not vote; without a vote the set is wrong.
    """
    right = {name: float(hit) for name, hit in zip(answers, correct, strict=True)}
    votes = Counter(name for name in answers if name)
    if not votes:
        return 0.0
    most = max(votes.values())
    return float(np.mean([right[name] for name, count in votes.items() if count == most]))


def pass_at(n: NDArray[Any], c: NDArray[Any], k: int) -> NDArray[Any]:
    """1 - C(n - c, k) / C(n, k): chance that k of n exchangeable samples hold one of the c right.

    Chen et al. 2021 (arXiv 2107.03374), equation 1, through logarithms of factorials.
    """
    n, c = np.asarray(n, float), np.asarray(c, float)
    enough = n - c >= k
    left = np.where(enough, n - c, k)
    log_ratio = gammaln(left + 1) - gammaln(left - k + 1) - gammaln(n + 1) + gammaln(n - k + 1)
    return np.where(enough, 1 - np.exp(log_ratio), 1.0)


def any_correct(sets: Sets, k: int) -> NDArray[Any]:
    """(Q,): a right attempt among k. By `pass_at` over all samples where they are exchangeable,
    else the mean over chains of one among the first k."""
    if sets.exchangeable:
        n = sets.correct.shape[1] * sets.correct.shape[2]
        return pass_at(np.full(len(sets.questions), n), sets.correct.sum((1, 2)), k)
    return sets.correct[..., :k].max(-1).mean(1)


def by_set(function: Callable[..., float], *arrays: NDArray[Any], k: int) -> NDArray[Any]:
    """(Q,): mean over chains of a function of the first k attempts of a set."""
    questions, chains = arrays[0].shape[:2]
    values = [
        [function(*(array[q, c, :k] for array in arrays)) for c in range(chains)]
        for q in range(questions)
    ]
    return np.array(values).mean(1)


def best_logprob(sets: Sets, k: int) -> NDArray[Any]:
    """(Q,): the attempt among the first k with the highest mean log-probability a token."""
    scores = np.nan_to_num(sets.logprobs[..., :k], nan=-np.inf)
    best = scores.argmax(-1)[..., None]
    return np.take_along_axis(sets.correct[..., :k], best, -1)[..., 0].mean(1)


def first_passing(sets: Sets, k: int, verdicts: NDArray[Any]) -> NDArray[Any]:
    """(Q,): the first of k attempts that an environment passes, else the last."""
    passed = verdicts[..., :k] > 0
    at = np.where(passed.any(-1), passed.argmax(-1), k - 1)[..., None]
    return np.take_along_axis(sets.correct[..., :k], at, -1)[..., 0].mean(1)


AGGREGATORS: dict[str, Callable[[Sets, int], NDArray[Any]]] = {
    MAJORITY: lambda sets, k: by_set(majority, sets.answers, sets.correct, k=k),
    ANY: any_correct,
    "first": lambda sets, k: sets.correct[..., 0].mean(1),
    "last": lambda sets, k: sets.correct[..., k - 1].mean(1),
    RANDOM: lambda sets, k: sets.correct[..., :k].mean((1, 2)),
    "logprob": best_logprob,
}
VERDICTS: dict[str, Callable[[Sets, int], NDArray[Any]]] = {
    "weak": lambda sets, k: first_passing(sets, k, sets.passes_weak),
    "oracle": lambda sets, k: first_passing(sets, k, sets.correct),
}


def unique(sets: Sets, k: int) -> NDArray[Any]:
    """(Q,): different answers among the first k."""
    return by_set(lambda names: float(len(set(filter(None, names)))), sets.answers, k=k)


def entropy_nats(sets: Sets, k: int) -> NDArray[Any]:
    """(Q,): entropy of the answers of the first k, attempts without one left out."""

    def of(names: NDArray[Any]) -> float:
        counts = np.array(list(Counter(filter(None, names)).values()), float)
        shares = counts / counts.sum() if counts.size else counts
        return float(-(shares * np.log(shares)).sum())

    return by_set(of, sets.answers, k=k)


def repeats(sets: Sets) -> NDArray[Any]:
    """(Q,): share of attempts 2..N whose answer is that of the attempt before."""
    same = (sets.answers[..., 1:] == sets.answers[..., :-1]) & (sets.answers[..., 1:] != "")
    return same.astype(float).mean((1, 2))


def transitions(sets: Sets) -> dict[str, NDArray[Any]]:
    """(Q,) each: share of steps from right or wrong to right or wrong; they add to 1."""
    before, after = sets.correct[..., :-1] > 0, sets.correct[..., 1:] > 0
    ends = {"right": True, "wrong": False}
    return {
        f"{a} to {b}": ((before == ends[a]) & (after == ends[b])).mean((1, 2))
        for a in ends
        for b in ends
    }
