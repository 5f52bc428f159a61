"""From replies to numbers, and from numbers to what E1, E2 and E5 say about a model."""

import re
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from workflow_scripts.glasses.rows import Row, exact, interval
from workflow_scripts.glasses.words import MARKER
from workflow_scripts.inference import replies
from workflow_scripts.shared import seeds
from workflow_scripts.shared.statistics import bootstrap, bootstrap_mean, proportion

MOST_DIGITS = 4  # of a count; a longer string of digits is a copied sequence
ROUND = 10  # answers that are multiples of this are round
FAR = 100  # lengths from which the paper sees answers pile up


def number(reply: str, thinks: bool = False) -> int | None:
    """The number that a reply gives: the first after the last marker, else the last of all.

    None where there is none, or where a model that thinks has not come to its end.
    """
    text = replies.spoken(reply, thinks)
    if text is None:
        return None
    _, marker, after = text.rpartition(MARKER)
    found = re.findall(r"\d+", after if marker else text)
    if not found:
        return None
    digits = found[0] if marker else found[-1]
    return int(digits) if len(digits) <= MOST_DIGITS else None


def read(
    requests: pd.DataFrame, responses: pd.DataFrame, thinking: dict[str, bool]
) -> pd.DataFrame:
    """One row a reply: its request's conditions, `model`, `given` (NaN if unreadable), `right`."""
    columns = ["request_id", "experiment", "task", "prompting", "family", "length", "truth"]
    joined = responses.merge(requests[columns], on="request_id", validate="many_to_one")
    joined["given"] = [
        np.nan if (found := number(text, thinking[model])) is None else float(found)
        for text, model in zip(joined["text"], joined["model"], strict=True)
    ]
    joined["right"] = joined["given"] == joined["truth"]
    return joined


def share(experiment: str, metric: str, hits: pd.Series, **where: Any) -> Row:
    return interval(experiment, metric, proportion(int(hits.sum()), len(hits)), **where)


def copying(frame: pd.DataFrame, seed: int) -> list[Row]:
    """E1 and E5, one model: accuracy by length and over all, first error, and what changes it."""
    rows: list[Row] = []
    chosen = frame[frame["experiment"] != "E2"]
    keys = ["experiment", "task", "prompting", "family"]
    for key, group in chosen.groupby(keys):
        where: dict[str, Any] = dict(zip(keys, key, strict=True))
        name = where.pop("experiment")
        for length, here in group.groupby("length"):
            rows.append(share(name, "accuracy", here["right"], length=length, **where))
        rows.append(share(name, "accuracy_all", group["right"], **where))
        wrong = group.loc[~group["right"], "length"]
        first = float(wrong.min()) if len(wrong) else np.nan
        rows.append(exact(name, "first_error_length", first, len(group), **where))
        longest = group[group["length"] >= group["length"].max() / 2]
        rows.append(share(name, "accuracy_longest", longest["right"], **where))
    for metric, first_of, second_of in (
        ("first_over_last", ("E1a", "first", "edge"), ("E1a", "last", "edge")),
        ("hint_gain", ("E1b", "last", "edge"), ("E1a", "last", "edge")),
        ("alternating_gain", ("E1c", "last", "alternating"), ("E1a", "last", "edge")),
        ("blocks_gain", ("E1c", "last", "blocks"), ("E1a", "last", "edge")),
        ("order_difference", ("E5", "type1", "edge"), ("E5", "type2", "edge")),
    ):
        sides = [_right(chosen, *which) for which in (first_of, second_of)]
        difference = sides[0] - sides[1]
        found = bootstrap_mean(difference, seeds.derive(seed, "glasses", metric))
        rows.append(interval(first_of[0], metric, found))
    return rows


def _right(frame: pd.DataFrame, experiment: str, task: str, family: str) -> np.ndarray:
    """1 for right and 0 for wrong, in the order of the requests: by length, then wrapper."""
    rows = frame[frame["experiment"] == experiment]
    rows = rows[(rows["task"] == task) & (rows["family"] == family)]
    return rows["right"].to_numpy(float)


def counting(frame: pd.DataFrame, seed: int, trained: int | None) -> list[Row]:
    """E2, one model: errors by length, their trend, answers, and where these pile up.

    `trained` is the greatest count that a stand-in model was taught, None for other models.
    """
    rows: list[Row] = []
    chosen = frame[frame["experiment"] == "E2"]
    for (task, prompting), group in chosen.groupby(["task", "prompting"]):
        where = {"task": str(task), "prompting": str(prompting)}
        stream = seeds.derive(seed, "glasses", "E2", *where.values())
        readable = group.dropna(subset=["given"])
        error = readable["given"] - readable["truth"]
        for length, here in readable.assign(error=error).groupby("length"):
            for metric, values in (
                ("absolute_error", here["error"].abs()),
                ("signed_error", here["error"]),
            ):
                found = bootstrap_mean(values, stream)
                rows.append(interval("E2", metric, found, length=length, **where))
        for length, here in group.groupby("length"):
            rows.append(share("E2", "accuracy", here["right"], length=length, **where))
        rows.append(share("E2", "accuracy_all", group["right"], **where))
        rows.append(share("E2", "unreadable", group["given"].isna(), **where))
        if trained is not None:
            for name, part in (
                ("accuracy_within", group[group["length"] <= trained]),
                ("accuracy_beyond", group[group["length"] > trained]),
            ):
                if len(part):
                    rows.append(share("E2", name, part["right"], **where))
        rows += trend(readable["length"], error.abs(), stream, where)
        rows += pile(readable, trained, where)
    everything = {"task": "all", "prompting": "all"}
    return rows + pile(chosen.dropna(subset=["given"]), trained, everything)


def trend(lengths: pd.Series, errors: pd.Series, seed: int, where: dict[str, Any]) -> list[Row]:
    """Spearman's correlation of absolute error and length, none where either does not vary."""
    if lengths.nunique() < 2 or errors.nunique() < 2:
        return []

    def statistic(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        """Correlation of the ranks along the last axis; 0 where one side does not vary."""
        ranks = [rankdata(side, axis=-1) for side in np.broadcast_arrays(x, y)]
        a, b = (each - each.mean(-1, keepdims=True) for each in ranks)
        norm = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
        return np.divide((a * b).sum(-1), norm, out=np.zeros_like(norm), where=norm > 0)

    found = bootstrap(
        (lengths.to_numpy(float), errors.to_numpy(float)), statistic, seed, resamples=300
    )
    return [interval("E2", "error_trend", found, **where)]


def pile(frame: pd.DataFrame, trained: int | None, where: dict[str, Any]) -> list[Row]:
    """Histogram of the answers; the most frequent one; round answers; answers within training."""
    if frame.empty:
        return []
    counts = frame["given"].value_counts()
    rows = [
        exact("E2", "answers", count, len(frame), answer=value, **where)
        for value, count in counts.items()
    ]
    top = counts.index[0]
    rows.append(exact("E2", "top_answer", top, len(frame), **where))
    rows.append(share("E2", "top_share", frame["given"] == top, **where))
    far = frame[frame["length"] >= FAR]
    if len(far):
        # Truths off the round values only: there a round answer is an error.
        off = far[far["truth"] % ROUND != 0]
        if len(off):
            rows.append(share("E2", "round_share", off["given"] % ROUND == 0, **where))
        hundred = far["given"] == FAR
        rows.append(share("E2", "hundred_share", hundred, **where))
    if trained is not None:
        beyond = frame[frame["truth"] > trained]
        if len(beyond):
            rows.append(share("E2", "within_trained", beyond["given"] <= trained, **where))
    return rows
