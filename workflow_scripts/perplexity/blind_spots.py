"""Blind spots of perplexity: one-token edits that a model answers wrongly, hardly less certain.

A model copies strings, names the last digit of one and recalls values from a list. Every prompt
that it answers rightly is edited in one token, so that the right answer changes (lemma 3.1 says
that some such copy must fail, at almost the same log-perplexity), or, as a control, so that it does
not. Perplexities before and after are compared. No paper has these numbers.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.inference import engines
from workflow_scripts.perplexity import blind_scores, bounds, edited_answers, edits
from workflow_scripts.perplexity.edited_answers import Answer
from workflow_scripts.perplexity.edits import (
    ASIDE,
    CHANGE,
    CONTROL,
    COPIES,
    KINDS,
    Edit,
    Prompt,
)
from workflow_scripts.shared import files, job, progress, scores, seeds, tables
from workflow_scripts.shared.scores import Row

log = logging.getLogger(__name__)

DECIMALS = 4  # of the list of blind spots
LISTED = {  # its columns, by those of the table of edits
    "task": "task",
    "size": "size",
    "distance": "distance_nats",
    "prompt": "prompt",
    "change": "edit",
    "expected": "right_answer",
    "answer_before": "answer_before",
    "answer": "answer",
    "right_before": "right_nats_before",
    "right": "right_nats",
    "given_before": "given_nats_before",
    "given": "given_nats",
    "prompt_before": "prompt_nats_before",
    "prompt_after": "prompt_nats",
}


class Asker:
    """Asks one model prompts and edits of them; copies in one wording."""

    def __init__(self, engine: Any, wording: str, settings: Mapping[str, Any], floor: float):
        self.engine, self.wording, self.floor = engine, wording, floor
        self.prompts: int = settings["prompts"]
        self.edits: int | None = settings["edits"]

    def task(
        self, task: str, size: int, rng: np.random.Generator
    ) -> tuple[pd.DataFrame, list[Row]]:
        """Edits of the prompts of one size, one row each, and score rows of what was asked.

        Both are empty where the size does not fit the task or the model's context, or where the
        tokenizer merges the symbols however they are written.
        """
        most = edits.longest(task)
        if most is not None and size > most:
            return pd.DataFrame(), []
        prompts = edits.drawn(task, size, self.prompts, rng)
        way = edited_answers.way_of(self.engine, self.wording, prompts[0])
        if way is None or self._overlong(prompts[0].asked_for(CONTROL), way):
            return pd.DataFrame(), []
        right, unusable = dict.fromkeys(KINDS, 0), 0
        rows: list[dict[str, Any]] = []
        for item, prompt in enumerate(prompts):
            for kind in KINDS:
                shown = prompt.asked_for(kind)
                before, found, left_out = self._edited(shown, kind, way, rng)
                right[kind] += before
                unusable += left_out
                text = {"item": item, "prompt": shown.text(self.wording, way)}
                rows += [each | text for each in found]
        place: Row = {"task": task, "size": size}
        asked = [
            scores.share(
                "blind", "prompt_right", hits, len(prompts), units="prompts", edit=kind, **place
            )
            for kind, hits in right.items()
        ]
        total = len(rows) + unusable
        asked.append(scores.exact("blind", "unusable", unusable, total, units="edits", **place))
        return pd.DataFrame(rows), asked

    def _edited(
        self, prompt: Prompt, kind: str, way: str, rng: np.random.Generator
    ) -> tuple[bool, list[dict[str, Any]], int]:
        """Whether a prompt is answered rightly, its `edit_rows`, and how many edits are no use.

        A prompt whose symbols the tokenizer merges counts as one such edit.
        """
        base = edited_answers.spelt(self.engine, prompt, self.wording, way)
        if base is None:
            return False, [], 1
        asked = edited_answers.right_answer(self.engine, base, prompt.answer)
        if asked is None:
            return False, [], 0
        before, reference = asked
        drawn = edits.chosen(prompt, kind, self.edits, rng)
        spelt = [
            edited_answers.edited(self.engine, base, each.prompt, self.wording, way)
            for each in drawn
        ]
        pairs = [(e, s) for e, s in zip(drawn, spelt, strict=True) if s is not None]
        if not pairs:
            return True, [], len(drawn)
        changed, tokens = zip(*pairs, strict=True)
        expected = [each.prompt.answer for each in changed]
        after = edited_answers.answers(self.engine, tokens, expected, reference)
        found = edit_rows(prompt, before, changed, after, self.floor)
        return True, found, len(drawn) - len(pairs)

    def _overlong(self, prompt: Prompt, way: str) -> bool:
        base = edited_answers.spelt(self.engine, prompt, self.wording, way)
        return base is not None and len(base.prompt) + len(base.answer) > self.engine.context


def edit_rows(
    prompt: Prompt,
    before: Answer,
    changed: Sequence[Edit],
    after: Sequence[Answer],
    floor: float,
) -> list[dict[str, Any]]:
    """One row per edit of a prompt that is answered rightly: answers and scores before and after.

    `bound` is that of lemma 3.1 where its premises hold: the edit is in the copied string, the
    answer is the one before, and right symbols have more than 1/2, before and after, but for the
    edited one. NaN elsewhere.
    """
    were = {f"{name}_before": value for name, value in before.nats(floor).items()}
    size, half, rows = len(prompt.answer), np.log(0.5), []
    for edit, answer in zip(changed, after, strict=True):
        others = np.arange(size) != edit.at
        premises = (
            (prompt.task in COPIES and edit.kind == CHANGE)
            and answer.given == before.given
            and bool((before.log_right > half).all() and (answer.log_right[others] > half).all())
        )
        place = "digit before" if edit.at == ASIDE else f"symbol {edit.at + 1}"
        rows.append(
            {
                "task": prompt.task,
                "size": len(prompt.symbols),
                "edit": edit.kind,
                "change": f"{place}: {edit.old} to {edit.new}",
                "expected": "".join(map(str, edit.prompt.answer)),
                "answer_before": "".join(map(str, before.given)),
                "answer": "".join(map(str, answer.given)),
                "wrong": answer.given != edit.prompt.answer,
                "gap": answer.gap,
                "bound": float(bounds.corrected(size, answer.gap, floor)) if premises else np.nan,
                "other": answer.other,
                **were,
                **{f"{name}_after": value for name, value in answer.nats(floor).items()},
            }
        )
    return rows


def listed(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """The `most` wrong answers to changed prompts of the least distance, as `LISTED`."""
    if frame.empty:
        return pd.DataFrame(columns=list(LISTED.values()))
    own = frame[(frame["edit"] == CHANGE) & frame["wrong"]]
    own = own.assign(distance=blind_scores.distance(own, "right"))
    own = own.rename(columns={"right_after": "right", "given_after": "given"})
    order = own.sort_values(["distance", "task", "size", "item"], kind="stable")
    return order.head(most)[list(LISTED)].rename(columns=LISTED).round(DECIMALS)


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    asked: dict[str, Any],
    table: str,
    edited: str,
    csv: str,
    settings: dict[str, Any],
    floor: float,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write score rows of one model to `table`, every edit to `edited`, the nearest spots to `csv`.

    Copies are asked in the first wording of `asked`; `settings` is `perplexity.blind_spots` of the
    config.
    """
    batch_tokens = spec.get("batch_tokens", batch_tokens)
    engine: Any = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    asker = Asker(engine, asked["wordings"][0], settings, floor)
    frames, rows = [], []
    places = [(task, size) for task in settings["tasks"] for size in settings["sizes"]]
    for task, size in progress.track(places, description="blind spots", unit="size"):
        rng = seeds.generator(seed, "perplexity", "blind spots", task, size)
        found, counts = asker.task(task, size, rng)
        frames.append(found)
        rows += counts
    frame = pd.concat(frames, ignore_index=True)
    if frame.empty:
        log.warning("models.%s: no prompt is answered rightly, so none is edited", model)
    rows += blind_scores.rows(frame, settings["distance"], settings["distances"], seed)
    files.write_text(csv, listed(frame, settings["listed"]).to_csv(index=False))
    for each, path in ((frame, edited), (pd.DataFrame(rows), table)):
        tables.write(each.assign(model=model), path, provenance=provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
