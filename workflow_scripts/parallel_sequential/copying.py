"""P6: induction heads, and how much an earlier answer in the history is copied.

For each question a wrong answer (that of another question) is shown as the earlier one. Measured:
the log-probability of the same answer, right after the words that introduce an answer, with that
history and without; again with the strongest induction heads ablated, and with as many other heads
ablated. Reasoning models are asked without thoughts. Only the transformers engine gives attention
weights.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.inference import chat, engines
from workflow_scripts.parallel_sequential import dialogue, heads
from workflow_scripts.parallel_sequential.contracts import COPYING, QUESTIONS
from workflow_scripts.parallel_sequential.dialogue import MATH, Dialogue, Turn
from workflow_scripts.shared import job, progress, seeds, tables


def cases(questions: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """(question, text, wrong answer); the wrong answer is the next different one in the table."""
    math = questions[questions["domain"] == MATH]
    answers = list(math["answer"])
    for at, (name, text, own) in enumerate(
        zip(math["question"], math["text"], answers, strict=True)
    ):
        wrong = next((a for a in answers[at + 1 :] + answers[:at] if a != own), None)
        if wrong is not None:
            yield name, text, wrong


@dataclass(frozen=True)
class Prompts:
    """Token ids of prompts that end in an answer, and the positions of the answers.

    The answer follows without thoughts, so `spec` must not switch them on.
    """

    tokenizer: Any
    spec: dict[str, Any]
    speech: Dialogue

    def plain(self, text: str, answer: str) -> tuple[list[int], int]:
        """Ids of question and answer line, and the number of tokens of the answer at the end."""
        return self._ids(self.speech.question(text), answer)

    def after(self, text: str, answer: str) -> tuple[list[int], int]:
        """The same after a first attempt that gave the same answer."""
        return self._ids(self._asked_again(text, answer), answer)

    def earlier(self, text: str, answer: str) -> list[int]:
        """Positions of the earlier answer's tokens in the ids of `after`."""
        whole = chat.render(self.tokenizer, self.spec, self._asked_again(text, answer))
        start = whole.rindex(self.speech.stated(answer)) + len(self.speech.lead())
        return self._tokens(whole, start, start + len(answer))

    def _asked_again(self, text: str, answer: str) -> list[Turn]:
        turns = self.speech.question(text)
        return self.speech.again(turns, self.speech.stated(answer), "plain")

    def _ids(self, turns: list[Turn], answer: str) -> tuple[list[int], int]:
        begun = [*turns, {"role": "assistant", "content": self.speech.lead() + answer}]
        whole = chat.render(self.tokenizer, self.spec, begun)
        ids = self.tokenizer(whole, add_special_tokens=not chat.templated(self.spec))["input_ids"]
        return ids, len(self._tokens(whole, len(whole) - len(answer), len(whole)))

    def _tokens(self, text: str, start: int, end: int) -> list[int]:
        """Positions of the tokens in text[start:end], by the tokenizer's offsets."""
        found = self.tokenizer(
            text,
            add_special_tokens=not chat.templated(self.spec),
            return_offsets_mapping=True,
        )["offset_mapping"]
        return [place for place, (a, b) in enumerate(found) if a < end and b > start and b > a]


def gains(
    model: Any, prompts: Prompts, asked: list[tuple[str, str, str]]
) -> Iterator[dict[str, Any]]:
    """For each question the wrong answer's log-probability with and without history, and the gain.

    In nats, summed over the answer's tokens.
    """
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


def by_head(metric: str, unit: str, values: np.ndarray) -> Iterator[dict[str, Any]]:
    """One row per head from `values`, shape (layers, heads)."""
    for (layer, head), value in np.ndenumerate(values):
        where = {"metric": metric, "layer": layer, "head": head, "unit": unit}
        yield where | {"value": float(value)}


def attention_to_earlier(
    model: Any, prompts: Prompts, asked: list[tuple[str, str, str]]
) -> Iterator[dict[str, Any]]:
    """Each head's weight on the earlier answer's tokens, from the position before the next."""
    import torch

    for name, text, wrong in asked:
        ids, count = prompts.after(text, wrong)
        at = len(ids) - count - 1
        weights = heads.attentions(model, torch.tensor([ids]))[:, 0, :, at, :]
        seen = weights[..., prompts.earlier(text, wrong)].sum(-1)
        yield from by_head("attention_to_earlier", name, seen)


def measure(
    model: Any,
    prompts: Prompts,
    asked: list[tuple[str, str, str]],
    settings: dict[str, Any],
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """All rows of the table, without the model's name."""
    pool = sorted({token for _, text, wrong in asked for token in prompts.plain(text, wrong)[0]})
    special = set(prompts.tokenizer.all_special_ids)
    pool = [token for token in pool if token not in special]
    ids = heads.repeated(pool, settings["length"], settings["sequences"], rng)
    found = heads.induction_scores(heads.attentions(model, ids), settings["length"])
    for number, scores in enumerate(found):
        yield from by_head("induction_score", str(number), scores)
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
    table: str | Path,
    questions: str | Path,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    asked: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Measure one model and write its table.

    `asked` is what the model's kind is asked, and `settings` the section `copying` of the config.
    """
    engine: Any = engines.load(model, spec, checkpoint, attention="eager")
    sample = list(cases(tables.read(questions, QUESTIONS)))[: settings["questions"]]
    quiet = spec | {"thinking": False} if "thinking" in spec else spec
    prompts = Prompts(engine.tokenizer, quiet, dialogue.of(asked, MATH))
    rng = seeds.generator(seed, "copying", model)
    frame = pd.DataFrame(measure(engine.model, prompts, sample, settings, rng))
    frame = frame.assign(model=model).fillna({"ablated": "none", "draw": 0})
    tables.write(frame, table, COPYING, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
