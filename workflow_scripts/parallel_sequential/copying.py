"""P6: induction heads, and how an earlier answer in the history draws the next one to itself.

For each question an answer that is wrong (that of another question) is shown as the earlier one.
Measured: the log-probability that the next answer is the same, with that history and without, both
after the words that lead to an answer; and the same without the strongest induction heads, and
without as many other heads. White-box, so on the transformers engine only.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.inference import chat, engines
from workflow_scripts.parallel_sequential import dialogue, heads
from workflow_scripts.parallel_sequential.contracts import COPYING, QUESTIONS
from workflow_scripts.parallel_sequential.dialogue import MATH, Dialogue, Turn
from workflow_scripts.shared import job, progress, provenance, seeds, tables


def cases(questions: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """(question, text, wrong answer): the next question's answer that differs from the own one."""
    math = questions[questions["domain"] == MATH]
    answers = list(math["answer"])
    for at, (name, text, own) in enumerate(
        zip(math["question"], math["text"], answers, strict=True)
    ):
        wrong = next((a for a in answers[at + 1 :] + answers[:at] if a != own), None)
        if wrong is not None:
            yield name, text, wrong


class Prompts:
    """Token ids of prompts that end in an answer, and where the answers stand."""

    def __init__(self, tokenizer: Any, spec: dict[str, Any], speech: Dialogue):
        self.tokenizer, self.spec, self.speech = tokenizer, spec, speech

    def plain(self, text: str, answer: str) -> tuple[list[int], int]:
        """Ids of question and answer line, and how many tokens at the end are the answer."""
        return self._ids(self.speech.question(text), answer)

    def after(self, text: str, answer: str) -> tuple[list[int], int]:
        """The same behind a first attempt that gave the same answer."""
        turns = self.speech.question(text)
        return self._ids(self.speech.again(turns, self.speech.stated(answer), "plain"), answer)

    def earlier(self, text: str, answer: str) -> list[int]:
        """Places of the earlier answer's tokens in the ids of `after`."""
        turns = self.speech.question(text)
        turns = self.speech.again(turns, self.speech.stated(answer), "plain")
        whole = chat.render(self.tokenizer, self.spec, turns)
        start = whole.rindex(self.speech.stated(answer)) + len(self.speech.lead())
        return self._tokens(whole, start, start + len(answer))

    def _ids(self, turns: list[Turn], answer: str) -> tuple[list[int], int]:
        whole = chat.render(self.tokenizer, self.spec, turns) + self.speech.lead() + answer
        ids = self.tokenizer(whole, add_special_tokens=not chat.templated(self.spec))["input_ids"]
        return ids, len(self._tokens(whole, len(whole) - len(answer), len(whole)))

    def _tokens(self, text: str, start: int, end: int) -> list[int]:
        """Places of the tokens that lie in text[start:end], by the tokenizer's own offsets."""
        found = self.tokenizer(
            text,
            add_special_tokens=not chat.templated(self.spec),
            return_offsets_mapping=True,
        )["offset_mapping"]
        return [place for place, (a, b) in enumerate(found) if a < end and b > start and b > a]


def gains(
    model: Any, prompts: Prompts, asked: list[tuple[str, str, str]]
) -> Iterator[dict[str, Any]]:
    """For each question log p of the wrong answer with the history, without it, and the gain."""
    for name, text, wrong in asked:
        after, count = prompts.after(text, wrong)
        plain, alone = prompts.plain(text, wrong)
        seen = heads.continuation_logprob(model, after, count)
        unseen = heads.continuation_logprob(model, plain, alone)
        for metric, value in (
            ("logprob_with_history", seen),
            ("logprob_without_history", unseen),
            ("copying_gain", seen - unseen),
        ):
            yield {"metric": metric, "unit": name, "value": value}


def attention_to_earlier(
    model: Any, prompts: Prompts, asked: list[tuple[str, str, str]]
) -> Iterator[dict[str, Any]]:
    """Each head's weight on the earlier answer's tokens, from the place that gives the answer."""
    import torch

    for name, text, wrong in asked:
        ids, count = prompts.after(text, wrong)
        at = len(ids) - count - 1
        weights = heads.attentions(model, torch.tensor([ids]))[:, 0, :, at, :]
        seen = weights[..., prompts.earlier(text, wrong)].sum(-1)
        for (layer, head), value in np.ndenumerate(seen):
            yield {
                "metric": "attention_to_earlier",
                "layer": layer,
                "head": head,
                "unit": name,
                "value": float(value),
            }


def measure(
    model: Any,
    prompts: Prompts,
    asked: list[tuple[str, str, str]],
    settings: dict[str, Any],
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """All rows of the table but the model's name."""
    pool = sorted({token for _, text, wrong in asked for token in prompts.plain(text, wrong)[0]})
    special = set(prompts.tokenizer.all_special_ids)
    pool = [token for token in pool if token not in special]
    ids = heads.repeated(pool, settings["length"], settings["sequences"], rng)
    found = heads.induction_scores(heads.attentions(model, ids), settings["length"])
    for (row, layer, head), value in np.ndenumerate(found):
        where = {"metric": "induction_score", "layer": layer, "head": head, "unit": str(row)}
        yield where | {"value": float(value)}
    yield from attention_to_earlier(model, prompts, asked)
    yield from gains(model, prompts, asked)
    ranked = sorted(np.ndindex(found.shape[1:]), key=lambda at: -found.mean(0)[at])
    count = min(settings["ablated_heads"], len(ranked) // 2)
    top, rest = ranked[:count], ranked[count:]
    drawn = [
        [rest[i] for i in rng.choice(len(rest), count, replace=False)]
        for _ in range(settings["random_draws"])
    ]
    ways = [("induction", 0, top), *(("random", draw, gone) for draw, gone in enumerate(drawn))]
    for ablated, draw, gone in progress.track(ways, description="ablations"):
        with heads.without(model, [(layer, head) for layer, head in gone]):
            for row in gains(model, prompts, asked):
                yield row | {"ablated": ablated, "draw": draw}


def main(
    path: str | Path,
    questions: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Measure one model and write its table."""
    engine: Any = engines.load(model, spec, checkpoint, attention="eager")
    asked = list(cases(tables.read(questions, QUESTIONS)))[: settings["questions"]]
    prompts = Prompts(engine.tokenizer, spec, dialogue.of(spec, MATH))
    rng = seeds.generator(seed, "copying", model)
    frame = pd.DataFrame(measure(engine.model, prompts, asked, settings, rng))
    frame = frame.assign(model=model).fillna({"ablated": "none", "draw": 0})
    tables.write(frame, path, COPYING, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with job.running(snakemake):
        main(
            snakemake.output.table,
            snakemake.input.questions,
            snakemake.wildcards.model,
            snakemake.params.spec,
            snakemake.params.checkpoint,
            dict(snakemake.params.settings),
            snakemake.params.seed,
            provenance.of(snakemake),
        )
