"""E1, E2 and E5 as requests: copying, counting, order of the prompt.

Columns besides the shared ones: `experiment`; `task`; `prompting`; `family` of a copied sequence;
`length` in digits or counted items; `truth`. Decoding is greedy, as the paper does not state its
own. Every prompt is checked against the context of every model of the study before any is sent.
"""

import json
import logging
from collections.abc import Iterator
from itertools import product
from typing import Any

from workflow_scripts.glasses import prompts
from workflow_scripts.inference import digits
from workflow_scripts.inference import requests as inference
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
    item: str, asked: str, shown: str, settings: dict[str, Any], seed: int, **conditions: Any
) -> Iterator[Request]:
    """The question `asked` about `shown`, once per wrapper of the wording; greedy, one sample."""
    wording = prompts.WORDINGS[settings["wording"]]
    for wrapper in range(len(wording.wrappers)):
        text = prompts.prompt(wording, asked, shown, conditions["prompting"], wrapper)
        yield inference.request(
            f"{item}/{wrapper}",
            messages=[{"role": "user", "content": text}],
            temperature=0.0,
            max_tokens=settings["reply_tokens"],
            seed=seed,
            **conditions,
        )


def copies(settings: dict[str, Any], seed: int) -> Iterator[Request]:
    """E1: the last and the first element. E5: the last, in three orders. All of them are 0."""
    for experiment, family, prompting, tasks in COPYING:
        lengths = settings["order_lengths" if experiment == "E5" else "copy_lengths"]
        for task, length in product(tasks, lengths):
            side = "first" if task == "first" else "last"
            place = task if experiment == "E5" else f"{family}/{task}"
            where: Request = {"experiment": experiment, "task": task, "prompting": prompting}
            where |= {"family": family, "length": length, "truth": 0}
            shown = prompts.copied(family, side, length)
            yield from ask(f"{experiment}/{place}/{length}", task, shown, settings, seed, **where)


def counts(settings: dict[str, Any], seed: int) -> Iterator[Request]:
    """E2 (and E3 where the model is Gemma 7B): four tasks, three promptings."""
    for task in COUNTING:
        draws = settings["draws"] if task in RANDOM_TASKS else 1
        asked = "ones" if task == "bits" else task
        for length, draw in product(settings["count_lengths"], range(draws)):
            rng = seeds.generator(seed, "glasses", task, length, draw)
            shown, truth = prompts.counted(task, length, rng)
            for prompting in prompts.PROMPTINGS:
                item = f"E2/{task}/{prompting}/{length}/{draw}"
                where: Request = {"experiment": "E2", "task": task, "prompting": prompting}
                where |= {"family": "", "length": length, "truth": truth}
                yield from ask(item, asked, shown, settings, seed, **where)


def refuse_overlong(rows: list[Request], models: dict[str, dict[str, Any]]) -> None:
    """Raise `EngineError` for a prompt that does not fit the context of one of the models.

    Also names in the log each model whose tokenizer merges digits. `models` maps a name to its
    `spec` and `checkpoint`; only tokenizers and configs are loaded.
    """
    from transformers import AutoConfig, AutoTokenizer

    for name, model in models.items():
        spec, at = model["spec"], {}
        if "revision" in spec:
            at["revision"] = spec["revision"]
        tokenizer = AutoTokenizer.from_pretrained(model["checkpoint"], **at)
        config = AutoConfig.from_pretrained(model["checkpoint"], **at).get_text_config()
        digits.report(digits.inspect(tokenizer, name), name)
        limits = [getattr(config, "max_position_embeddings", None), spec.get("max_context")]
        limit = min((limit for limit in limits if limit), default=1 << 20)
        asked = [row | {"turns": json.loads(row["messages"])} for row in rows]
        # The longest text first, so that the error names it.
        asked.sort(key=lambda row: -len(row["messages"]))
        digits.refuse_overlong(name, spec, tokenizer, limit, asked)


def main(
    requests: str,
    settings: dict[str, Any],
    models: dict[str, dict[str, Any]],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the requests of the study; `settings` is `glasses.tasks` of the config."""
    rows = [*copies(settings, seed), *counts(settings, seed)]
    refuse_overlong(rows, models)
    tables.write(inference.table(rows), requests, schemas.REQUESTS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
