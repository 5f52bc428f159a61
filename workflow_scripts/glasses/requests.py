"""E1, E2 and E5 as requests: copying, counting, order of the prompt.

Columns besides the shared ones: `experiment`; `task`; `prompting`; `family` of a copied sequence;
`length` in digits or counted items; `truth`. Decoding is greedy, as the paper does not state its
own. Every prompt is checked against the model's context before any is sent. Wording and budget
follow from the model's kind; a base model gets worked examples and stop strings.
"""

import json
import logging
from collections.abc import Iterator
from itertools import product
from typing import Any

from workflow_scripts.glasses import prompts
from workflow_scripts.inference import digits, forms
from workflow_scripts.inference import requests as inference
from workflow_scripts.inference.checkpoint import UNLIMITED, context, loading, revision
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.models import tokenizer_files
from workflow_scripts.shared import job, schemas, seeds, tables

log = logging.getLogger(__name__)

Request = dict[str, Any]
# Place of the question: after the sequence, before it, or before it with the answer form first.
ORDERS = ("last", "type1", "type2")
COPYING: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    # experiment, family, prompting, tasks
    ("E1a", "edge", "plain", ("last", "first")),
    ("E1b", "edge", "hint", ("last", "first")),
    ("E1c", "zero_first", "plain", ("last",)),
    ("E1c", "one_first", "plain", ("last",)),
    ("E5", "edge", "plain", ORDERS),
)
RANDOM_TASKS = ("bits", "word")
COUNTING = ("sum", "ones", *RANDOM_TASKS)


def ask(
    item: str, question: str, shown: str, asked: dict[str, Any], seed: int, **conditions: Any
) -> Iterator[Request]:
    """The `question` about `shown`, once per wrapper of the wording; greedy, one sample.

    `asked` is what the model is asked by its kind (`kinds.asked`).
    """
    wording, kind = prompts.WORDINGS[asked["wording"]], asked["kind"]
    for wrapper in range(len(wording.wrappers)):
        text = prompts.prompt(wording, question, shown, conditions["prompting"], wrapper)
        yield inference.request(
            f"{item}/{wrapper}",
            messages=[*forms.opening(kind, "counted"), {"role": "user", "content": text}],
            temperature=0.0,
            max_tokens=forms.budget(asked, asked["reply_tokens"]),
            stop=forms.stop(kind),
            seed=seed,
            **conditions,
        )


def copies(settings: dict[str, Any], asked: dict[str, Any], seed: int) -> Iterator[Request]:
    """E1: the last and the first element. E5: the last, in three orders. All of them are 0."""
    for experiment, family, prompting, tasks in COPYING:
        lengths = settings["order_lengths" if experiment == "E5" else "copy_lengths"]
        for task, length in product(tasks, lengths):
            side = "first" if task == "first" else "last"
            place = task if experiment == "E5" else f"{family}/{task}"
            where: Request = {"experiment": experiment, "task": task, "prompting": prompting}
            where |= {"family": family, "length": length, "truth": 0}
            shown = prompts.copied(family, side, length)
            yield from ask(f"{experiment}/{place}/{length}", task, shown, asked, seed, **where)


def counts(settings: dict[str, Any], asked: dict[str, Any], seed: int) -> Iterator[Request]:
    """E2 (and E3 where the model is Gemma 7B): four tasks, three promptings."""
    for task in COUNTING:
        draws = settings["draws"] if task in RANDOM_TASKS else 1
        question = "ones" if task == "bits" else task
        for length, draw in product(settings["count_lengths"], range(draws)):
            rng = seeds.generator(seed, "glasses", task, length, draw)
            shown, truth = prompts.counted(task, length, rng)
            for prompting in prompts.PROMPTINGS:
                item = f"E2/{task}/{prompting}/{length}/{draw}"
                where: Request = {"experiment": "E2", "task": task, "prompting": prompting}
                where |= {"family": "", "length": length, "truth": truth}
                yield from ask(item, question, shown, asked, seed, **where)


def rows(settings: dict[str, Any], asked: dict[str, Any], seed: int) -> list[Request]:
    """The requests of the study to one model."""
    return [*copies(settings, asked, seed), *counts(settings, asked, seed)]


def refuse_overlong(
    requests: list[Request], name: str, spec: dict[str, Any], checkpoint: str, asked: dict[str, Any]
) -> None:
    """Raise `EngineError` for a prompt that does not fit the model's context with its reply.

    Also says in the log if the tokenizer merges digits. Only tokenizer and config are loaded.
    """
    from transformers import AutoConfig

    at = revision(spec)
    with loading(name, checkpoint):
        tokenizer = tokenizer_files.load(checkpoint, **at)
        config = AutoConfig.from_pretrained(checkpoint, trust_remote_code=False, **at)
    digits.report(digits.inspect(tokenizer, name), name)
    limit = context(config.get_text_config(), spec) or UNLIMITED
    turns = [row | {"turns": json.loads(row["messages"])} for row in requests]
    # The longest text first, so that the error names it.
    turns.sort(key=lambda row: -len(row["messages"]))
    try:
        digits.refuse_overlong(name, spec, tokenizer, limit, turns)
    except EngineError as error:
        keys = "thought_tokens or reply_tokens" if asked["thinks"] else "reply_tokens"
        remedy = f"or lower {keys} under models.{name}.asked.glasses"
        raise EngineError(f"glasses.tasks: {error}, {remedy}") from error


def main(
    requests: str,
    model: str,
    settings: dict[str, Any],
    spec: dict[str, Any],
    checkpoint: str,
    asked: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the requests to one model; `settings` is `glasses.tasks` of the config."""
    every = rows(settings, asked, seed)
    refuse_overlong(every, model, spec, checkpoint, asked)
    tables.write(inference.table(every), requests, schemas.REQUESTS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
