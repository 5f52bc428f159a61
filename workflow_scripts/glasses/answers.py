"""From replies to numbers, and the scores of E1, E2 and E5 for one model."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from workflow_scripts.glasses.prompts import MARKER
from workflow_scripts.inference import numbers, replies
from workflow_scripts.shared import scores, seeds
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import bootstrap, bootstrap_mean, share_difference

EXACT_TASKS = ("sum", "ones", "word")  # the right answer is the length
READ = 0.9  # share of the replies that must be read, or the others could change the verdict
ROUND = 10  # multiples of this are round answers
FAR = 100  # length from which answers pile up in the paper
FAILING = 300  # digits from which the last element is copied wrongly in the paper (figure 2a)
LAST = 0.8  # of the longest length: 1,200 of 1,500 digits, from where both orders fail (figure 11)
DIFFERENCES = (  # metric, and the two arms: experiment, task, family
    ("first_over_last", ("E1a", "first", "edge"), ("E1a", "last", "edge")),
    ("hint_gain", ("E1b", "last", "edge"), ("E1a", "last", "edge")),
    ("zero_first_gain", ("E1c", "last", "zero_first"), ("E1a", "last", "edge")),
    ("one_first_gain", ("E1c", "last", "one_first"), ("E1a", "last", "edge")),
    ("type2_gain", ("E5", "type2", "edge"), ("E5", "type1", "edge")),
)


def number(reply: str, thinks: bool = False, finish: str = "stop") -> int | None:
    """The number that a reply gives; None if it states none, or did not end by itself (`finish`).

    None, too, if a model that `thinks` did not finish its thoughts.
    """
    if finish in replies.LOST or replies.spoken(reply, thinks) is None:
        return None
    return numbers.count(reply, MARKER)


def read(
    requests: pd.DataFrame, responses: pd.DataFrame, thinking: dict[str, bool]
) -> pd.DataFrame:
    """One row per reply: its request's conditions, `model`, `given` and `right`.

    `right` is 1 or 0. Both are NaN for a reply that was not read: it is no wrong answer.
    """
    columns = ["request_id", "experiment", "task", "prompting", "family", "length", "truth"]
    joined = responses.merge(requests[columns], on="request_id", validate="many_to_one")
    found = [
        number(text, thinking[model], finish)
        for text, model, finish in zip(
            joined["text"], joined["model"], joined["finish_reason"], strict=True
        )
    ]
    joined["given"] = pd.Series(found, index=joined.index, dtype=float)
    right = (joined["given"] == joined["truth"]).astype(float)
    joined["right"] = right.where(joined["given"].notna())
    return joined


def _share(experiment: str, metric: str, hits: pd.Series, **where: Any) -> Row:
    """The share of hits among the replies that were read: `hits` is NaN for the others."""
    known = hits.dropna()
    if known.empty:
        where["note"] = "no reply could be read"
    return scores.share(experiment, metric, int(known.sum()), len(known), units="replies", **where)


def _unread(*parts: pd.Series) -> str:
    """Why replies decide nothing: too many could not be read (NaN in one of the parts); else ""."""
    read = min(float(part.notna().mean()) for part in parts)
    if read >= READ:
        return ""
    return f"only {read:.0%} of the replies could be read, needed: {READ:.0%}"


def copying(frame: pd.DataFrame, seed: int) -> list[Row]:
    """E1 and E5: accuracy by length and over all lengths, first error, and differences.

    Where both arms of a difference are always right, or always wrong, the row's note says so.
    """
    rows: list[Row] = []
    chosen = frame[frame["experiment"] != "E2"]
    keys = ["experiment", "task", "prompting", "family"]
    for key, group in chosen.groupby(keys):
        where: dict[str, Any] = dict(zip(keys, key, strict=True))
        for length, here in group.groupby("length"):
            rows.append(_share(metric="accuracy", hits=here["right"], length=length, **where))
        longest = group[group["length"] >= LAST * group["length"].max()]
        first = group.loc[group["right"] == 0, "length"].min()  # NaN where all are right
        rows += [
            _share(
                metric="accuracy_all", hits=group["right"], note=_unread(group["right"]), **where
            ),
            _share(
                metric="accuracy_longest",
                hits=longest["right"],
                note=_unread(longest["right"]),
                **where,
            ),
            _share(metric="unreadable", hits=group["right"].isna(), **where),
            scores.number(
                metric="first_error_length", value=first, n=len(group), units="replies", **where
            ),
        ]
    for metric, first_of, second_of in DIFFERENCES:
        arms = [_right(chosen, *of) for of in (first_of, second_of)]
        stream = seeds.derive(seed, "glasses", metric)
        both = ~np.isnan(arms[0] - arms[1])
        if not both.any():
            note = "no pair of replies could be read"
            rows.append(scores.absent(first_of[0], metric, note, units="pairs of replies"))
            continue
        found = bootstrap_mean((arms[0] - arms[1])[both], stream, bounds=(-1, 1))
        note = _unread(*map(pd.Series, arms)) or _undecided(*(arm[both] for arm in arms))
        rows.append(
            scores.interval(first_of[0], metric, found, units="pairs of replies", note=note)
        )
    last = chosen[(chosen["experiment"] == "E1a") & (chosen["task"] == "last")]
    far = last["length"] >= FAILING
    every = last.loc[~far, "right"], last.loc[far, "right"]
    short, long = (part.dropna() for part in every)
    if len(short) and len(long):
        drop = share_difference(int(short.sum()), len(short), int(long.sum()), len(long))
        note = _unread(*every) or _undecided(short.to_numpy(float), long.to_numpy(float))
        rows.append(scores.interval("E1a", "last_drop", drop, units="replies", note=note))
    return rows


def _undecided(first: np.ndarray, second: np.ndarray) -> str:
    """Why the difference of two arms' replies, (n,) and (m,), is not measured; else empty."""
    for value, name in ((0.0, "none"), (1.0, "all")):
        if (first == value).all() and (second == value).all():
            return f"both arms have {name} of the replies right: no difference can be measured"
    return ""


def _right(frame: pd.DataFrame, experiment: str, task: str, family: str) -> np.ndarray:
    """1 for right, 0 for wrong, NaN for unread, shape (requests,): by length, then wrapper."""
    rows = frame[frame["experiment"] == experiment]
    rows = rows[(rows["task"] == task) & (rows["family"] == family)]
    return rows["right"].to_numpy(float)


def counting(frame: pd.DataFrame, seed: int, trained: int | None) -> list[Row]:
    """E2: errors by length, their trend, the answers, and where these pile up.

    `trained` is the greatest count that a stand-in model was trained on, None for other models.
    """
    rows: list[Row] = []
    chosen = frame[frame["experiment"] == "E2"]
    for (task, prompting), group in chosen.groupby(["task", "prompting"]):
        where = {"task": str(task), "prompting": str(prompting)}
        stream = seeds.derive(seed, "glasses", "E2", *where.values())
        readable = group.dropna(subset=["given"])
        error = readable["given"] - readable["truth"]
        for length, own in error.groupby(readable["length"]):
            for metric, values in (("absolute_error", own.abs()), ("signed_error", own)):
                found = bootstrap_mean(values, stream)
                rows.append(
                    scores.interval("E2", metric, found, units="replies", length=length, **where)
                )
        for length, here in group.groupby("length"):
            rows.append(_share("E2", "accuracy", here["right"], length=length, **where))
        parts = {"accuracy_all": group}
        if trained is not None:
            parts["accuracy_within"] = group[group["length"] <= trained]
            parts["accuracy_beyond"] = group[group["length"] > trained]
        rows += [
            _share("E2", name, part["right"], **where) for name, part in parts.items() if len(part)
        ]
        rows.append(_share("E2", "unreadable", group["given"].isna(), **where))
        note = _unread(group["given"])
        rows += trend(readable["length"], error.abs(), stream, where, note)
        rows += pile(group, trained, where)
    # Figure 4 pools the tasks whose right answer is the length.
    pooled = chosen[chosen["task"].isin(EXACT_TASKS)]
    for name, part in pooled.groupby("prompting"):
        rows += pile(part, trained, {"task": "all", "prompting": str(name)})
    return rows


def trend(
    lengths: pd.Series, errors: pd.Series, seed: int, where: dict[str, Any], note: str = ""
) -> list[Row]:
    """Spearman's correlation of `errors` and `lengths`, (n,) each; none where one is constant.

    `note` says why the correlation decides nothing, if it does not.
    """
    if lengths.nunique() < 2 or errors.nunique() < 2:
        return []

    def statistic(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        """Correlation of the ranks of (..., n) along the last axis; 0 where one is constant."""
        ranks = [rankdata(side, axis=-1) for side in np.broadcast_arrays(x, y)]
        a, b = (each - each.mean(-1, keepdims=True) for each in ranks)
        norm = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
        return np.divide((a * b).sum(-1), norm, out=np.zeros_like(norm), where=norm > 0)

    columns = (lengths.to_numpy(float), errors.to_numpy(float))
    found = bootstrap(columns, statistic, seed, resamples=300, bounds=(-1, 1))
    return [scores.interval("E2", "error_trend", found, units="replies", note=note, **where)]


def pile(frame: pd.DataFrame, trained: int | None, where: dict[str, Any]) -> list[Row]:
    """Histogram of the answers, the most frequent, round ones, and those within training.

    `frame` holds all replies; those that were not read (no `given`) do not count. Where they are
    too many, the shares say in their note that they decide nothing.
    """
    every, frame = frame, frame.dropna(subset=["given"])
    if frame.empty:
        return []
    n, note = len(frame), _unread(every["given"])
    counts = frame["given"].value_counts()
    rows = [
        scores.exact("E2", "answers", count, n, units="replies", answer=value, **where)
        for value, count in counts.items()
    ]
    top = counts.index[0]
    rows.append(scores.number("E2", "top_answer", top, n, units="replies", **where))
    rows.append(_share("E2", "top_share", frame["given"] == top, **where))
    far = frame[frame["length"] >= FAR]
    # Only truths that are not round: a round answer to one of them is an error.
    off = far[far["truth"] % ROUND != 0]
    for metric, part, hits in (
        ("round_share", off, off["given"] % ROUND == 0),
        ("hundred_share", far, far["given"] == FAR),
    ):
        if len(part):
            rows.append(_share("E2", metric, hits, note=note, **where))
    beyond = frame[frame["truth"] > trained] if trained is not None else frame[:0]
    if len(beyond):
        rows.append(_share("E2", "within_trained", beyond["given"] <= trained, note=note, **where))
    return rows
