"""Precision budget: the length at which rounding loses a count or a copy, predicted and observed.

A model counts and copies ones of growing length in float32. From the margins of its right replies
and units in the last place (`rounding_errors.py`) follows the length at which a format can lose
one, and that at which it is expected to. Then the model runs in the format, and the first length at
which its greedy reply changes is found. No paper has these numbers.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.glasses import half_products, model_gaps, rounding_errors
from workflow_scripts.glasses.changed_attention import Change, changed
from workflow_scripts.glasses.rounding_errors import REFERENCE, Errors, Format
from workflow_scripts.inference import agreement, digits, engines, placement
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.shared import job, progress, scores, tables
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval

log = logging.getLogger(__name__)

TASKS = ("count", "copy")  # of ones
QUANTILES = (0.5, 0.025, 0.975)


@dataclass(frozen=True)
class Reply:
    """A greedy reply in float32: prompt and reply as tokens, where the reply starts, if right."""

    task: str
    length: int
    tokens: list[int]
    start: int
    right: bool


def right(task: str, shown: str, text: str) -> bool:
    """Whether a reply counts the ones in `shown`, or repeats them, and gives no other number."""
    numbers = re.findall(r"\d+", text)
    return numbers == [str(len(shown)) if task == "count" else shown]


def replies(engine: Any, model: Any, wording: str, settings: Mapping[str, Any]) -> list[Reply]:
    """Greedy replies of `model`, in float32, for every task and length of the settings.

    Raises `EngineError` before anything is computed if a prompt or a reply exceeds the context.
    """
    prompts = model_gaps.Prompts(engine, wording)
    asked = []
    for task in TASKS:
        for length in sorted(settings["lengths"]):
            ids = prompts.tokens(task, model_gaps.sequence("ones", length, None))[0]
            # A copy takes a token per digit, a few more surround it.
            budget = settings["reply_tokens"] + (length if task == "copy" else 0)
            if len(ids) + budget > engine.context:
                item = f"glasses.budget.lengths: {length} digits"
                raise EngineError(
                    digits.overlong(engine.name, item, len(ids), budget, engine.context)
                )
            asked.append((task, length, ids, budget))
    found = []
    for task, length, ids, budget in progress.track(asked, description="float32", unit="reply"):
        row = torch.tensor([ids], device=model.device)
        with torch.inference_mode():
            whole = model.generate(
                row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=budget
            )
        tokens = whole[0].tolist()
        text = engine.tokenizer.decode(tokens[len(ids) :], skip_special_tokens=True)
        is_right = right(task, "1" * length, text)
        found.append(Reply(task, length, tokens, len(ids), is_right))
    return found


@contextmanager
def in_format(model: Any, each: Format) -> Iterator[Any]:
    """A copy of the model that computes in `each.dtype` and keeps its cache in `each.cache`."""
    own = placement.copied(model).to(getattr(torch, each.dtype))
    how = Change(stored=partial(rounding_errors.rounded, name=each.cache))
    with half_products.linear_layers(own), changed(own, how):
        yield own


def predictions(
    model: Any,
    asked: Sequence[Reply],
    formats: Sequence[Format],
    steps: int,
    replaced: Callable[[Any], AbstractContextManager[None]],
) -> pd.DataFrame:
    """One row per reply and format, from the float32 model alone.

    `probability` of losing the reply; `safe`: no rounding can lose it, to first order; `margin`,
    `spread`, `bound` and `units` are those of the step with the least margin.
    """
    rows = []
    for reply in progress.track(asked, description="margins", unit="reply"):
        found = rounding_errors.predicted(
            model, reply.tokens, reply.start, formats, steps, replaced=replaced
        )
        for each, errors in found.items():
            place = {"task": reply.task, "length": reply.length, **each._asdict()}
            rows.append(place | summary(errors))
    return pd.DataFrame(rows)


def summary(errors: Sequence[Errors]) -> dict[str, Any]:
    """What the steps of one reply, with the least margin first, say together."""
    least = errors[0]
    survives = np.prod([1 - each.probability() for each in errors])
    return {
        "margin": least.margin,
        "spread": least.spread,
        "bound": least.bound,
        "units": least.units,
        "probability": float(1 - survives),
        "safe": all(each.margin + each.shift > each.bound for each in errors),
    }


def observed(model: Any, asked: Sequence[Reply], formats: Sequence[Format]) -> pd.DataFrame:
    """One row per reply and format: whether the greedy reply of the model in it is another one.

    A format that the model does not run in is named in the log and left out.
    """
    rows: list[dict[str, Any]] = []
    # Without a reply nothing would run in the format.
    for each in progress.track(formats if asked else (), description="formats", unit="format"):
        try:
            with in_format(model, each) as own, torch.inference_mode():
                for reply in asked:
                    logits = rounding_errors.run(own, reply.tokens)
                    kept = rounding_errors.unchanged(logits, reply.tokens, reply.start)
                    place = {"task": reply.task, "length": reply.length, **each._asdict()}
                    rows.append(place | {"lost": not kept})
        except (RuntimeError, TypeError) as error:
            if not model_gaps.unsupported(error):
                raise
            log.warning("the model does not run in %s (%s)", each, error)
    return pd.DataFrame(rows, columns=["task", "length", *Format._fields, "lost"])


def first_loss(lengths: Sequence[int], probability: Sequence[float]) -> Interval:
    """The length at which a first reply is lost: median and ends of the central 95 %.

    Replies at the ascending `lengths` (G,) are lost with `probability` (G,), independently. An end
    that lies beyond the longest length is NaN.
    """
    lost = 1 - np.cumprod(1 - np.asarray(probability, dtype=float))
    at = np.searchsorted(lost, QUANTILES)
    padded = np.append(np.asarray(lengths, dtype=float), np.nan)
    middle, low, high = padded[at].tolist()
    return Interval(middle, low, high, len(lengths))


def task_rows(own: pd.DataFrame, longest: int, **where: Any) -> list[Row]:
    """Scores of one task in one format; `own` has the right replies in float32, by length."""
    rows: list[Row] = []
    lengths = own["length"].to_list()
    for each in own.to_dict("records"):
        at = where | {"length": each["length"]}
        for metric in ("margin", "spread", "bound", "units", "probability"):
            value = each[metric]
            if np.isfinite(value):
                rows.append(scores.exact("budget", metric, value, 1, units="replies", **at))
        rows.append(scores.exact("budget", "lost", each["lost"], 1, units="replies", **at))
    n, place = len(own), where | {"units": "replies"}
    found = first_loss(lengths, own["probability"].to_list())
    row = scores.interval("budget", "predicted_length", found, **place)
    row["ci_low"] = None if np.isnan(found.low) else found.low  # also where the median is not
    rows.append(row)
    for metric, holds in (("possible_length", ~own["safe"]), ("lost_length", own["lost"])):
        if holds.any():
            first = own.loc[holds, "length"].min()
            rows.append(scores.exact("budget", metric, first, n, **place))
        else:
            rows.append(scores.absent("budget", metric, f"not by {longest}", **place))
    safe = own[own["safe"]]
    rows.append(scores.exact("budget", "safe_replies", len(safe), n, **place))
    if len(safe):
        broken = int(safe["lost"].sum())
        rows.append(scores.exact("budget", "safe_lost", broken, len(safe), **place))
    rows.append(scores.exact("budget", "expected_losses", own["probability"].sum(), n, **place))
    rows.append(scores.exact("budget", "losses", own["lost"].sum(), n, **place))
    return rows


def budget_rows(asked: Sequence[Reply], told: pd.DataFrame, seen: pd.DataFrame) -> list[Row]:
    """Scores from the replies, what was `predicted` of them and what was `observed`.

    Only replies that are right in float32 count: the others are the model's own errors.
    """
    rows = [
        scores.exact(
            "budget", "right", reply.right, 1, units="replies", task=reply.task,
            length=reply.length, precision=REFERENCE, cache=REFERENCE,
        )
        for reply in asked
    ]  # fmt: skip
    keys = ["task", "length", *Format._fields]
    joined = told.merge(seen, on=keys) if len(told) else told
    if joined.empty:
        return rows
    longest = max(reply.length for reply in asked)
    for (task, dtype, cache), own in joined.groupby(["task", *Format._fields], sort=False):
        where = {"task": task, "precision": dtype, "cache": cache}
        rows += task_rows(own.sort_values("length"), longest, **where)
    return rows


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    asked: dict[str, Any],
    table: str,
    settings: dict[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Write the scores of one model; `settings` is `glasses.budget` of the config."""
    engine: Any = engines.load(model, spec, checkpoint, attention="eager")
    agreement.reproduces(engine, "glasses", changed(engine.model, Change()))
    net = placement.copied(engine.model).float().requires_grad_(True)
    formats = [Format(**each) for each in settings["formats"]]
    every = replies(engine, net, asked["wording"], settings)
    known = [reply for reply in every if reply.right]
    if not known:
        log.warning("models.%s: no count or copy is right in float32, nothing to lose", model)
    told = predictions(
        net, known, formats, settings["steps"], lambda seen: changed(net, Change(stored=seen.keep))
    )
    seen = observed(net, known, formats)
    rows = budget_rows(every, told, seen)
    tables.write(pd.DataFrame(rows).assign(model=model), table, provenance=provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
