"""Accuracy of the arms: curves, gaps, aggregators, cost, padding, instructions, feedback, repeats
rejected, histories of others (P1 to P3, P5, P7 to P9). Everything is paired by question."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.parallel_sequential import measures
from workflow_scripts.parallel_sequential.dialogue import CODE, INSTRUCTIONS
from workflow_scripts.parallel_sequential.measures import AGGREGATORS, ANY, MAJORITY, RANDOM, Sets
from workflow_scripts.parallel_sequential.scoring import Rows

# What an arm's set of attempts is worth by itself: the vote in mathematics; programs, which have
# hidden tests instead of an answer to vote on, by whether one of them is right.
PRIMARY = {CODE: ANY}
Arms = dict[str, Sets]


def primary(domain: str) -> str:
    return PRIMARY.get(domain, MAJORITY)


def main_comparison(rows: Rows, arms: Arms, choices: pd.DataFrame, attempts: int) -> None:
    """P1 and P2: both arms under every aggregator at every k, and the gap between them."""
    pair = (arms["parallel"], arms["sequential"])
    for name, aggregate in AGGREGATORS.items():
        if name == "logprob" and any(np.isnan(sets.logprobs).all() for sets in pair):
            continue
        for k in range(1, attempts + 1):
            _pair(rows, name, k, *(aggregate(sets, k) for sets in pair))
    for k in sorted(choices["k"].unique()):
        own = choices[choices["k"] == k]
        means: Any = own.groupby(["arm", "question"])["correct"].mean()
        values = [
            means.loc[arm].reindex(arms[arm].questions).to_numpy(float)
            for arm in ("parallel", "sequential")
        ]
        _pair(rows, "chosen", int(k), *values)
    named = choices[choices["request_id"] != ""]
    if len(named):
        none = float((named["answer"] == "").mean())
        rows.exact("P2", "chose_no_candidate", none, len(named), aggregator="chosen")


def _pair(rows: Rows, name: str, k: int, parallel: NDArray[Any], sequential: NDArray[Any]) -> None:
    experiment = "P1" if name == primary(rows.domain) else "P2"
    for arm, values in (("parallel", parallel), ("sequential", sequential)):
        rows.mean(experiment, "accuracy", values, arm=arm, aggregator=name, k=k)
    rows.mean(experiment, "gap", parallel - sequential, aggregator=name, k=k)


def difficulty(rows: Rows, frame: pd.DataFrame) -> None:
    """P1: the share of right attempts of both arms at each level of difficulty."""
    main = frame[frame["arm"].isin(["parallel", "sequential"]) & frame["accepted"]]
    means = main.groupby(["arm", "level", "question"])["correct"].mean()
    key: Any
    for key, values in means.groupby(level=["arm", "level"]):
        arm, level = key
        rows.mean("P1", "level_accuracy", values.to_numpy(float), arm=arm, cell=level)


def cost(rows: Rows, arms: Arms, attempts: int) -> None:
    """Tokens of the first k attempts, prompts included, and the gap at equal tokens: parallel
    accuracy read off between its own k at what the sequential attempts cost."""
    aggregate = AGGREGATORS[primary(rows.domain)]
    spent = {}
    for arm in ("parallel", "sequential"):
        each = arms[arm].tokens.cumsum(-1).mean(1)  # (Q, N)
        spent[arm] = each.mean(0)
        for k in range(1, attempts + 1):
            rows.mean("P1", "tokens", each[:, k - 1], arm=arm, k=k)
    curve = np.stack([aggregate(arms["parallel"], k) for k in range(1, attempts + 1)], -1)
    for k in range(1, attempts + 1):
        budget = spent["sequential"][k - 1]
        if spent["parallel"][0] <= budget <= spent["parallel"][-1]:
            there = np.array([np.interp(budget, spent["parallel"], line) for line in curve])
            gap = there - aggregate(arms["sequential"], k)
            rows.mean("P1", "gap_equal_tokens", gap, k=k, aggregator=primary(rows.domain))


def padding(rows: Rows, arms: Arms, frame: pd.DataFrame, attempts: int) -> None:
    """P3: parallel attempts behind unrelated text, against the same without and the sequential."""
    aggregate = AGGREGATORS[primary(rows.domain)]
    longest = arms["sequential"].history_tokens[..., -1].mean()
    bare = frame.loc[frame["arm"] == "parallel", "prompt_tokens"].mean()
    for arm, sets in arms.items():
        if not arm.startswith("padded-"):
            continue
        factor = arm.removeprefix("padded-")
        own = frame[frame["arm"] == arm]
        for name in dict.fromkeys((RANDOM, primary(rows.domain))):
            for k in range(1, attempts + 1):
                value = AGGREGATORS[name](sets, k)
                rows.mean("P3", "accuracy", value, arm=arm, aggregator=name, k=k, cell=factor)
        change = AGGREGATORS[RANDOM](sets, attempts) - AGGREGATORS[RANDOM](
            arms["parallel"], attempts
        )
        rows.mean("P3", "accuracy_change", change, arm=arm, k=attempts, cell=factor)
        left = aggregate(sets, attempts) - aggregate(arms["sequential"], attempts)
        rows.mean("P3", "remaining_gap", left, arm=arm, k=attempts, cell=factor)
        ratio = (own["prompt_tokens"].mean() - bare) / longest if longest else float("nan")
        rows.exact("P3", "padding_to_history", float(ratio), len(own), arm=arm, cell=factor)
        whole = float((own["finish_reason"] == "stop").mean())
        rows.exact("P3", "finished_share", whole, len(own), arm=arm, cell=factor)


def later(sets: Sets) -> NDArray[Any]:
    """(Q,): share of right attempts from the second on, the first that see a history."""
    return sets.correct[..., 1:].mean((1, 2))


def instructions(rows: Rows, arms: Arms, attempts: int) -> None:
    """P5: the wordings that ask for another attempt."""
    plain = arms["sequential"]
    for wording in INSTRUCTIONS:
        arm = "sequential" if wording == "plain" else wording
        if arm not in arms:
            continue
        sets = arms[arm]
        for k in range(1, attempts + 1):
            value = AGGREGATORS["last"](sets, k)
            rows.mean("P5", "accuracy", value, arm=wording, aggregator="last", k=k)
        value = AGGREGATORS[primary(rows.domain)](sets, attempts)
        rows.mean("P5", "accuracy", value, arm=wording, aggregator=primary(rows.domain), k=attempts)
        rows.mean("P5", "later_accuracy", later(sets), arm=wording)
        rows.mean("P5", "repeat_rate", measures.repeats(sets), arm=wording)
        if wording != "plain":
            rows.mean("P5", "later_accuracy_change", later(sets) - later(plain), arm=wording)


def feedback(rows: Rows, arms: Arms, attempts: int) -> None:
    """P7: the last attempt of chains that an environment stops, beside parallel attempts of which
    the same environment picks the first that it passes, and beside those without it."""
    for k in range(1, attempts + 1):
        none = AGGREGATORS["last"](arms["sequential"], k)
        rows.mean("P7", "accuracy", none, arm="none", aggregator="last", k=k)
    for name, pick in measures.VERDICTS.items():
        if name not in arms:
            continue
        for k in range(1, attempts + 1):
            guided = AGGREGATORS["last"](arms[name], k)
            picked = pick(arms["parallel"], k)
            rows.mean("P7", "accuracy", guided, arm=name, aggregator="last", k=k)
            rows.mean("P7", "accuracy", picked, arm=f"parallel, {name}", k=k)
            if k == attempts:
                rows.mean("P7", "lead_same_feedback", guided - picked, arm=name, k=k)
                alone = AGGREGATORS[primary(rows.domain)](arms["parallel"], k)
                rows.mean("P7", "lead_without_feedback", guided - alone, arm=name, k=k)


def rejection(rows: Rows, arms: Arms, frame: pd.DataFrame, attempts: int) -> None:
    """P8: repeats drawn again, or forbidden."""
    for arm in ("resample", "ban"):
        if arm not in arms:
            continue
        for name in dict.fromkeys((primary(rows.domain), ANY)):
            aggregate = AGGREGATORS[name]
            values = [aggregate(arms[each], attempts) for each in (arm, "sequential", "parallel")]
            more = {"arm": arm, "aggregator": name, "k": attempts}
            rows.mean("P8", "accuracy", values[0], **more)
            rows.mean("P8", "gain_over_sequential", values[0] - values[1], **more)
            rows.mean("P8", "lead_over_parallel", values[0] - values[2], **more)
        rows.mean("P8", "unique", measures.unique(arms[arm], attempts), arm=arm, k=attempts)
        rows.mean("P8", "repeat_rate", measures.repeats(arms[arm]), arm=arm)
        own = frame[frame["arm"] == arm]
        rows.exact("P8", "rejected_share", float(1 - own["accepted"].mean()), len(own), arm=arm)


def foreign(rows: Rows, frame: pd.DataFrame) -> None:
    """P9: accuracy and repeats behind a history of others, from the second attempt on, beside the
    arm's own history at the same questions and attempts."""
    seen = frame[frame["attempt"] > 1]
    columns = ["correct", "repeats_shown"]
    numbers = seen.assign(**{name: seen[name].astype(float) for name in columns})
    by_question: Any = numbers.groupby(["arm", "question"])[columns].mean()
    for arm in ("sequential", "other_seed", "other_model"):
        if arm not in by_question.index.get_level_values("arm"):
            continue
        own = by_question.loc[arm]
        base = by_question.loc["sequential"].reindex(own.index)
        for metric, column in (("later_accuracy", "correct"), ("repeat_rate", "repeats_shown")):
            rows.mean("P9", metric, own[column].to_numpy(), arm=arm)
            if arm != "sequential":
                change = (own[column] - base[column]).to_numpy()
                rows.mean("P9", f"{metric}_change", change, arm=arm)
