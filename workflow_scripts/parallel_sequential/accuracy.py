"""Scores of the arms' accuracy (P1 to P3, P5, P7 to P9).

Gaps, aggregators, cost, padding, instructions, feedback, rejected repeats, foreign histories.
Every comparison is paired by question. `arms` maps each arm to its sets of attempts, of shape
(Q, C, N): questions, chains, attempts. `attempts` is N.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.parallel_sequential import metrics
from workflow_scripts.parallel_sequential.dialogue import FAILURES, INSTRUCTIONS
from workflow_scripts.parallel_sequential.metrics import (
    AGGREGATORS,
    ANY,
    MAIN,
    RANDOM,
    Sets,
    primary,
)
from workflow_scripts.parallel_sequential.rows import UNITS, Rows

NO_LOGPROBS = "no log-probabilities of the replies: the server gives none, or reply_logprobs is off"
Arms = dict[str, Sets]


def main_comparison(rows: Rows, arms: Arms, choices: pd.DataFrame, attempts: int) -> None:
    """P1 and P2: accuracy of both main arms under every aggregator at every k, and their gap."""
    pair = [arms[arm] for arm in MAIN]
    for name, aggregate in AGGREGATORS.items():
        if name == "logprob" and any(np.isnan(sets.logprobs).all() for sets in pair):
            where = {"aggregator": name, "k": attempts}
            rows.number("P2", "gap", math.nan, 0, UNITS, note=NO_LOGPROBS, **where)
            continue
        for k in range(1, attempts + 1):
            _pair(rows, name, k, *(aggregate(sets, k) for sets in pair))
    for k in sorted(choices["k"].unique()):
        own = choices[choices["k"] == k]
        means: Any = own.groupby(["arm", "question"])["correct"].mean()
        values = [means.loc[arm].reindex(arms[arm].questions).to_numpy(float) for arm in MAIN]
        _pair(rows, "chosen", int(k), *values)
    asked = choices[choices["request_id"] != ""]
    if len(asked):
        none = float((asked["answer"] == "").mean())
        rows.number("P2", "chose_no_candidate", none, len(asked), "choices", aggregator="chosen")


def _pair(rows: Rows, name: str, k: int, parallel: NDArray[Any], sequential: NDArray[Any]) -> None:
    """Accuracies and gap under one aggregator, from values of shape (Q,)."""
    experiment = "P1" if name == primary(rows.domain) else "P2"
    for arm, values in zip(MAIN, (parallel, sequential), strict=True):
        rows.share(experiment, "accuracy", values, arm=arm, aggregator=name, k=k)
    rows.difference(experiment, "gap", parallel, sequential, aggregator=name, k=k)


def failures(rows: Rows, frame: pd.DataFrame) -> None:
    """P1: shares of the attempts of each arm whose answer is not known, by reason.

    A reply that ended, or was cut off, without an answer solves nothing. An answer that cannot be
    read is neither right nor wrong.
    """
    for arm, own in frame.groupby("arm"):
        for failure in FAILURES:
            share = float((own["failure"] == failure).mean())
            rows.number("P1", "failed_share", share, len(own), "attempts", arm=arm, cell=failure)


def difficulty(rows: Rows, frame: pd.DataFrame) -> None:
    """P1: share of right attempts of both main arms at each level of difficulty."""
    main = frame[frame["arm"].isin(MAIN) & frame["accepted"]]
    means = main.groupby(["arm", "level", "question"])["correct"].mean()
    key: Any
    for key, values in means.groupby(level=["arm", "level"]):
        rows.share("P1", "level_accuracy", values.to_numpy(float), arm=key[0], cell=key[1])


def cost(rows: Rows, arms: Arms, attempts: int) -> None:
    """P1: tokens of the first k attempts, prompts included, and the gap at equal tokens.

    k sequential attempts are compared with as many parallel attempts as cost the same. Sequential
    prompts grow, so this is more than k; parallel attempts are exchangeable, so they are drawn from
    all chains of a question. Between two whole numbers of attempts the accuracy is interpolated.
    Where all chains together cost less than k sequential attempts, or tokens are not counted, there
    is no comparison.
    """
    aggregator = primary(rows.domain)
    aggregate = AGGREGATORS[aggregator]
    parallel, sequential = (arms[arm] for arm in MAIN)
    for arm in MAIN:
        by_question = arms[arm].tokens.cumsum(-1).mean(1)  # (Q, N)
        for k in range(1, attempts + 1):
            rows.mean("P1", "tokens", by_question[:, k - 1], arm=arm, k=k)
    pool = parallel.correct[0].size
    spent = metrics.known_mean(sequential.tokens.cumsum(-1), (0, 1))
    budgets = spent / metrics.known_mean(parallel.tokens, (0, 1, 2))  # in attempts
    for k, number in enumerate(np.maximum(budgets, 1.0), start=1):
        if not number <= pool:
            continue
        few, more = int(number), min(int(number) + 1, pool)
        there = (few + 1 - number) * metrics.pooled(parallel, aggregator, few, rows.seed)
        there = there + (number - few) * metrics.pooled(parallel, aggregator, more, rows.seed)
        where = {"aggregator": aggregator, "k": k}
        rows.number("P1", "attempts_equal_tokens", number, pool, "attempts", arm="parallel", k=k)
        rows.share("P1", "accuracy_equal_tokens", there, arm="parallel", **where)
        rows.difference("P1", "gap_equal_tokens", there, aggregate(sequential, k), **where)


def padding(rows: Rows, arms: Arms, frame: pd.DataFrame, attempts: int) -> None:
    """P3: parallel attempts after unrelated text, compared with both main arms."""
    aggregator = primary(rows.domain)
    longest = metrics.known_mean(arms["sequential"].history_tokens[..., -1], (0, 1))
    counted = frame["prompt_tokens"].where(frame["prompt_tokens"] > 0)
    bare = counted[frame["arm"] == "parallel"].mean()
    for arm, sets in arms.items():
        if not arm.startswith("padded-"):
            continue
        factor = arm.removeprefix("padded-")
        own = frame[frame["arm"] == arm]
        for name in dict.fromkeys((RANDOM, aggregator)):
            for k in range(1, attempts + 1):
                value = AGGREGATORS[name](sets, k)
                rows.share("P3", "accuracy", value, arm=arm, aggregator=name, k=k, cell=factor)
        for metric, name, other in (
            ("accuracy_change", RANDOM, "parallel"),
            ("remaining_gap", aggregator, "sequential"),
        ):
            pair = (AGGREGATORS[name](each, attempts) for each in (sets, arms[other]))
            rows.difference("P3", metric, *pair, arm=arm, k=attempts, cell=factor)
        length = (counted[own.index].mean() - bare) / longest if longest else float("nan")
        finished = (own["finish_reason"] == "stop").mean()
        for metric, share in (("padding_to_history", length), ("finished_share", finished)):
            rows.number("P3", metric, float(share), len(own), "attempts", arm=arm, cell=factor)


def instructions(rows: Rows, arms: Arms, attempts: int) -> None:
    """P5: the wordings that ask for another attempt."""
    plain = metrics.later_accuracy(arms["sequential"])
    for wording in INSTRUCTIONS:
        arm = "sequential" if wording == "plain" else wording
        if arm not in arms:
            continue
        sets = arms[arm]
        at = [("last", k) for k in range(1, attempts + 1)]
        for name, k in (*at, (primary(rows.domain), attempts)):
            value = AGGREGATORS[name](sets, k)
            rows.share("P5", "accuracy", value, arm=wording, aggregator=name, k=k)
        later = metrics.later_accuracy(sets)
        rows.share("P5", "later_accuracy", later, arm=wording)
        rows.share("P5", "repeat_rate", metrics.repeats(sets), arm=wording)
        if wording != "plain":
            rows.difference("P5", "later_accuracy_change", later, plain, arm=wording)


def feedback(rows: Rows, arms: Arms, attempts: int, levels: pd.Series) -> None:
    """P7: the last attempt of chains that an environment stops, over all and by difficulty.

    Compared with parallel attempts and with chains without feedback, of which the same environment
    selects the first that passes, and with the main aggregator of parallel attempts. `levels` maps
    a question to its level.
    """
    last = AGGREGATORS["last"]
    for k in range(1, attempts + 1):
        none = last(arms["sequential"], k)
        rows.share("P7", "accuracy", none, arm="none", aggregator="last", k=k)
    alone = AGGREGATORS[primary(rows.domain)](arms["parallel"], attempts)
    for name, select in metrics.SELECTORS.items():
        if name not in arms:
            continue
        for k in range(1, attempts + 1):
            guided, selected = last(arms[name], k), select(arms["parallel"], k)
            rows.share("P7", "accuracy", guided, arm=name, aggregator="last", k=k)
            rows.share("P7", "accuracy", selected, arm=f"parallel, {name}", k=k)
        unguided = select(arms["sequential"], attempts)
        level = levels.reindex(arms[name].questions).to_numpy()
        cells = ["", *(np.unique(level) if len(set(level)) > 1 else [])]
        for metric, other in (
            ("lead_same_feedback", selected),
            ("lead_without_feedback", alone),
            ("gain_from_feedback", unguided),
        ):
            for cell in cells:
                at = level == cell if cell else np.full(level.shape, True)
                where = {"arm": name, "k": attempts, "cell": cell}
                rows.difference("P7", metric, guided[at], other[at], **where)


def rejection(rows: Rows, arms: Arms, frame: pd.DataFrame, attempts: int) -> None:
    """P8: repeated answers redrawn or forbidden."""
    for arm in ("resample", "ban"):
        if arm not in arms:
            continue
        for name in dict.fromkeys((primary(rows.domain), ANY)):
            own, sequential, parallel = (
                AGGREGATORS[name](arms[each], attempts) for each in (arm, "sequential", "parallel")
            )
            where = {"arm": arm, "aggregator": name, "k": attempts}
            rows.share("P8", "accuracy", own, **where)
            rows.difference("P8", "gain_over_sequential", own, sequential, **where)
            rows.difference("P8", "lead_over_parallel", own, parallel, **where)
        rows.mean("P8", "unique", metrics.unique(arms[arm], attempts), arm=arm, k=attempts)
        rows.share("P8", "repeat_rate", metrics.repeats(arms[arm]), arm=arm)
        accepted = frame.loc[frame["arm"] == arm, "accepted"]
        share = float(1 - accepted.mean())
        rows.number("P8", "rejected_share", share, len(accepted), "draws", arm=arm)


def foreign(rows: Rows, frame: pd.DataFrame) -> None:
    """P9: accuracy and repeats of attempts 2..N that see the answers of another chain or model.

    Compared with attempts that see their own chain's answers, at the same questions.
    """
    columns = {"later_accuracy": "correct", "repeat_rate": "repeats_shown"}
    seen = frame[frame["attempt"] > 1]
    numbers = seen.assign(**{name: seen[name].astype(float) for name in columns.values()})
    by_question: Any = numbers.groupby(["arm", "question"])[list(columns.values())].mean()
    for arm in ("sequential", "other_seed", "other_model"):
        if arm not in by_question.index.get_level_values("arm"):
            continue
        own = by_question.loc[arm]
        base = by_question.loc["sequential"].reindex(own.index)
        for metric, column in columns.items():
            values, plain = own[column].to_numpy(), base[column].to_numpy()
            rows.share("P9", metric, values, arm=arm)
            if arm != "sequential":
                rows.difference("P9", f"{metric}_change", values, plain, arm=arm)
