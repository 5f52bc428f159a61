"""Metrics of sets of attempts, as functions of arrays.

Arrays have shape (Q, C, N): questions, chains (repetitions of an arm) and attempts. A metric has
one value per question, shape (Q,), averaged over chains. `k` counts attempts from the first.

An attempt without an answer solves nothing. An attempt whose answer cannot be read is neither right
nor wrong (NaN in `correct`): it is left out, and a question without any other has no value.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.parallel_sequential.contracts import KEY
from workflow_scripts.parallel_sequential.dialogue import CODE

MAIN = ("parallel", "sequential")  # the arms that the paper compares
MAJORITY, ANY, RANDOM = "majority", "any", "random"
SUBSETS = 200  # random subsets of pooled attempts; their error is small beside that over questions


def primary(domain: str) -> str:
    """The main aggregator of a domain: the vote in mathematics; any right program in code.

    Programs have hidden tests, not an answer to vote on.
    """
    return ANY if domain == CODE else MAJORITY


@dataclass(frozen=True)
class Sets:
    """All sets of attempts of one model, domain and arm; arrays of shape (Q, C, N).

    `answers` holds names of answers, "" for none; `correct` and `passes_weak` are 0 or 1, `correct`
    NaN for an answer that cannot be read;
    `logprobs` are means in nats per token; `tokens` counts the prompt and reply of an attempt and
    of its rejected draws, NaN where the server does not count. Once a chain has stopped, its last
    attempt is repeated, at no cost.
    """

    questions: list[str]
    answers: NDArray[Any]
    correct: NDArray[Any]
    passes_weak: NDArray[Any]
    logprobs: NDArray[Any]
    tokens: NDArray[Any]
    history_tokens: NDArray[Any]
    exchangeable: bool


def sets_of(frame: pd.DataFrame, attempts: int, exchangeable: bool) -> Sets:
    """Arrays (Q, C, N) from the rows of one model, domain and arm, for attempts 1 to `attempts`."""
    # A server that does not count leaves 0, and no prompt has 0 tokens.
    cost = (frame["prompt_tokens"] + frame["completion_tokens"]).where(frame["prompt_tokens"] > 0)
    spent = cost.groupby([frame[name] for name in (*KEY, "attempt")]).sum(skipna=False)
    kept = frame[frame["accepted"]].set_index([*KEY, "attempt"])
    # An answer that cannot be read is -1 until stopped chains are filled.
    known = kept["correct"].astype("Float64").fillna(-1.0)
    kept = kept.assign(tokens=spent.reindex(kept.index), correct=known).reset_index()
    questions = sorted(kept["question"].unique())
    index = pd.MultiIndex.from_product(
        [questions, sorted(kept["chain"].unique()), range(1, attempts + 1)],
        names=["question", "chain", "attempt"],
    )
    whole = kept.set_index(["question", "chain", "attempt"]).reindex(index)
    filled = whole.groupby(level=["question", "chain"]).ffill()
    shape = (len(questions), -1, attempts)

    def array(column: pd.Series, kind: Any = float) -> NDArray[Any]:
        return column.to_numpy(dtype=kind).reshape(shape)

    right = array(filled["correct"])
    prompt = filled["prompt_tokens"].where(filled["prompt_tokens"] > 0)
    first = prompt.groupby(level=["question", "chain"]).transform(lambda chain: chain.iloc[0])
    return Sets(
        questions,
        answers=array(filled["answer"], object),
        correct=np.where(right < 0, np.nan, right),
        passes_weak=array(filled["passes_weak"].astype(float)),
        logprobs=array(filled["mean_logprob"]),
        tokens=array(whole["tokens"].where(whole["accepted"].notna(), 0.0)),
        history_tokens=array(prompt - first),
        exchangeable=exchangeable,
    )


def known_mean(values: NDArray[Any], axis: int | tuple[int, ...]) -> NDArray[Any]:
    """The mean over `axis` of the values that are not NaN; NaN where all are."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis) / known.sum(axis)


def majority(answers: NDArray[Any], correct: NDArray[Any]) -> float:
    """Correctness of the most frequent answer of a set, arrays of shape (k,); ties are averaged.

    Empty answers do not vote; a set without votes solves nothing, unless one of its answers could
    not be read (NaN).
    """
    right = {name: float(hit) for name, hit in zip(answers, correct, strict=True)}
    votes = Counter(name for name in answers if name)
    if not votes:
        return float("nan") if np.isnan(correct).any() else 0.0
    most = max(votes.values())
    return float(np.mean([right[name] for name, count in votes.items() if count == most]))


def pass_at(n: NDArray[Any], c: NDArray[Any], k: int) -> NDArray[Any]:
    """1 - C(n - c, k) / C(n, k): the chance that k of n exchangeable samples include a right one.

    `n` samples, `c` of them right, both of shape (Q,). Chen et al. 2021 (arXiv 2107.03374),
    equation 1, computed from logarithms of factorials. NaN for fewer samples than k.
    """
    from scipy.special import gammaln

    n, c = np.asarray(n, float), np.asarray(c, float)
    enough = n - c >= k
    total = np.maximum(n, k)
    left = np.where(enough, n - c, k)
    log_ratio = gammaln(left + 1) - gammaln(left - k + 1)
    log_ratio = log_ratio - gammaln(total + 1) + gammaln(total - k + 1)
    return np.where(n < k, np.nan, np.where(enough, 1 - np.exp(log_ratio), 1.0))


def any_correct(sets: Sets, k: int) -> NDArray[Any]:
    """(Q,): whether any of k attempts is right.

    Exchangeable attempts: `pass_at` over all samples. Others: the mean over chains of the first k.
    """
    if sets.exchangeable:
        read = ~np.isnan(sets.correct)
        return pass_at(read.sum((1, 2)), np.nansum(sets.correct, (1, 2)), k)
    return known_mean(np.fmax.reduce(sets.correct[..., :k], -1), 1)


def pooled(sets: Sets, aggregator: str, k: int, seed: int) -> NDArray[Any]:
    """(Q,): expected accuracy of k exchangeable attempts out of those of all chains of a question.

    Any right: `pass_at`, exact. Majority: the mean over `SUBSETS` random subsets of k attempts, the
    same ones at every question. Raises `ValueError` for more attempts than the chains have.
    """
    answers, correct = (
        array.reshape(len(sets.questions), -1) for array in (sets.answers, sets.correct)
    )
    n = answers.shape[1]
    if not 1 <= k <= n:
        raise ValueError(f"pooled: expected 1 to {n} attempts, found {k}")
    if aggregator == ANY:
        return pass_at((~np.isnan(correct)).sum(1), np.nansum(correct, 1), k)
    drawn = np.random.default_rng(seed).random((SUBSETS, n)).argsort(1)[:, :k]
    found = []
    for names, right in zip(answers, correct, strict=True):
        classes = [name for name in dict.fromkeys(names) if name]
        member = names[:, None] == np.array(classes, object)[None, :]  # (n, classes)
        votes = member[drawn].sum(1)  # (SUBSETS, classes)
        hits = np.array([right[names == name][0] for name in classes])
        leading = (votes == votes.max(1, keepdims=True, initial=0)) & (votes > 0)
        values = (leading @ hits) / np.maximum(leading.sum(1), 1)
        unknown = ~leading.any(1) & np.isnan(right[drawn]).any(1)
        found.append(known_mean(np.where(unknown, np.nan, values), 0))
    return np.array(found, float)


def by_set(function: Callable[..., float], *arrays: NDArray[Any], k: int) -> NDArray[Any]:
    """(Q,): a function of the first k attempts of a set, shape (k,) each, averaged over chains."""
    questions, chains = arrays[0].shape[:2]
    values = [
        [function(*(array[q, c, :k] for array in arrays)) for c in range(chains)]
        for q in range(questions)
    ]
    return known_mean(np.array(values), 1)


def best_logprob(sets: Sets, k: int) -> NDArray[Any]:
    """(Q,): correctness of the attempt among k with the highest mean log-probability per token."""
    logprobs = np.nan_to_num(sets.logprobs[..., :k], nan=-np.inf)
    logprobs = np.where(np.isnan(sets.correct[..., :k]), -np.inf, logprobs)
    return _correct_at(sets, logprobs.argmax(-1))


def first_passing(sets: Sets, k: int, verdicts: NDArray[Any]) -> NDArray[Any]:
    """(Q,): correctness of the first of k attempts that passes, or of the last if none does.

    `verdicts` (Q, C, N) are those of an environment, above 0 where an attempt passes.
    """
    passed = verdicts[..., :k] > 0
    return _correct_at(sets, np.where(passed.any(-1), passed.argmax(-1), k - 1))


def _correct_at(sets: Sets, at: NDArray[Any]) -> NDArray[Any]:
    """(Q,): correctness of the attempt at index `at`, shape (Q, C), averaged over chains."""
    return known_mean(np.take_along_axis(sets.correct, at[..., None], -1)[..., 0], 1)


AGGREGATORS: dict[str, Callable[[Sets, int], NDArray[Any]]] = {
    MAJORITY: lambda sets, k: by_set(majority, sets.answers, sets.correct, k=k),
    ANY: any_correct,
    "first": lambda sets, k: known_mean(sets.correct[..., 0], 1),
    "last": lambda sets, k: known_mean(sets.correct[..., k - 1], 1),
    RANDOM: lambda sets, k: known_mean(sets.correct[..., :k], (1, 2)),
    "logprob": best_logprob,
}
# An environment as a selector among parallel attempts.
SELECTORS: dict[str, Callable[[Sets, int], NDArray[Any]]] = {
    "weak": lambda sets, k: first_passing(sets, k, sets.passes_weak),
    "oracle": lambda sets, k: first_passing(sets, k, sets.correct),
}


def unique(sets: Sets, k: int) -> NDArray[Any]:
    """(Q,): number of distinct answers among the first k."""
    return by_set(lambda names: float(len(set(filter(None, names)))), sets.answers, k=k)


def entropy_nats(sets: Sets, k: int) -> NDArray[Any]:
    """(Q,): entropy in nats of the answers of the first k attempts that have one."""

    def of(names: NDArray[Any]) -> float:
        counts = np.array(list(Counter(filter(None, names)).values()), float)
        shares = counts / counts.sum() if counts.size else counts
        return float(-(shares * np.log(shares)).sum())

    return by_set(of, sets.answers, k=k)


def repeats(sets: Sets) -> NDArray[Any]:
    """(Q,): share of attempts 2..N whose answer is that of the attempt before."""
    same = (sets.answers[..., 1:] == sets.answers[..., :-1]) & (sets.answers[..., 1:] != "")
    return same.astype(float).mean((1, 2))


def later_accuracy(sets: Sets) -> NDArray[Any]:
    """(Q,): share of right answers among attempts 2..N, those that see a history."""
    return known_mean(sets.correct[..., 1:], (1, 2))


def transitions(sets: Sets) -> dict[str, NDArray[Any]]:
    """(Q,) each: shares of steps from right or wrong to right or wrong; the four add to 1.

    Steps from or to an answer that cannot be read are left out.
    """
    before, after = sets.correct[..., :-1] > 0, sets.correct[..., 1:] > 0
    unknown = np.isnan(sets.correct[..., :-1]) | np.isnan(sets.correct[..., 1:])
    ends = {"right": True, "wrong": False}
    return {
        f"{a} to {b}": known_mean(
            np.where(unknown, np.nan, (before == ends[a]) & (after == ends[b])), (1, 2)
        )
        for a in ends
        for b in ends
    }
