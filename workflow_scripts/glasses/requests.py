"""E1, E2 and E5 as requests: copying, counting, order of the prompt.

Columns beside the shared ones: `experiment`; `task`; `prompting`; `family` of a copied sequence;
`length` in digits, ones or words; `truth`. Greedy decoding, as the paper's is not known. Before
anything is asked, every prompt is held against the context of every model of the study.
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

from workflow_scripts.glasses import words
from workflow_scripts.inference import digits
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import job, provenance, schemas, seeds, tables

log = logging.getLogger(__name__)

Row = dict[str, Any]
COPYING = (  # experiment, family, prompting
    ("E1a", "edge", "plain"),
    ("E1b", "edge", "hint"),
    ("E1c", "alternating", "plain"),
    ("E1c", "blocks", "plain"),
)
RANDOM_TASKS = ("bits", "word")
COUNTING = ("sum", "ones", *RANDOM_TASKS)
ORDERS = (
    "last",
    "type1",
    "type2",
)  # ask after the sequence (paper's words), before it, answer first


def ask(item: str, text: str, tokens: int, seed: int, **conditions: Any) -> Row:
    turns = [{"role": "user", "content": text}]
    return inference.request(
        item, messages=turns, n=1, temperature=0.0, max_tokens=tokens, seed=seed, **conditions
    )


def copies(name: str, settings: dict[str, Any], seed: int) -> Iterator[Row]:
    """E1: the last and the first element, which are always 0."""
    wording = words.WORDINGS[name]
    for experiment, family, prompting in COPYING:
        for side in ("last", "first"):
            for length in settings["copy_lengths"]:
                shown = words.copied(family, side, length)
                for wrapper in range(len(wording.wrappers)):
                    yield ask(
                        f"{experiment}/{family}/{side}/{length}/{wrapper}",
                        words.prompt(wording, side, shown, prompting, wrapper),
                        settings["reply_tokens"],
                        seed,
                        experiment=experiment,
                        task=side,
                        prompting=prompting,
                        family=family,
                        length=length,
                        truth=0,
                    )


def orders(name: str, settings: dict[str, Any], seed: int) -> Iterator[Row]:
    """E5: the last element, asked for in three orders."""
    wording = words.WORDINGS[name]
    for order in ORDERS:
        for length in settings["copy_lengths"]:
            shown = words.copied("edge", "last", length)
            for wrapper in range(len(wording.wrappers)):
                yield ask(
                    f"E5/{order}/{length}/{wrapper}",
                    words.prompt(wording, order, shown, "plain", wrapper),
                    settings["reply_tokens"],
                    seed,
                    experiment="E5",
                    task=order,
                    prompting="plain",
                    family="edge",
                    length=length,
                    truth=0,
                )


def counts(name: str, settings: dict[str, Any], seed: int) -> Iterator[Row]:
    """E2 (and E3 where the model is Gemma 7B): four tasks, three promptings."""
    wording = words.WORDINGS[name]
    for task in COUNTING:
        draws = settings["draws"] if task in RANDOM_TASKS else 1
        asked = "ones" if task == "bits" else task
        for length in settings["count_lengths"]:
            for draw in range(draws):
                rng = seeds.generator(seed, "glasses", task, length, draw)
                shown, truth = words.counted(task, length, rng)
                for prompting in words.PROMPTINGS:
                    for wrapper in range(len(wording.wrappers)):
                        yield ask(
                            f"E2/{task}/{prompting}/{length}/{draw}/{wrapper}",
                            words.prompt(wording, asked, shown, prompting, wrapper),
                            settings["reply_tokens"],
                            seed,
                            experiment="E2",
                            task=task,
                            prompting=prompting,
                            family="",
                            length=length,
                            truth=truth,
                        )


def refuse_overlong(rows: list[Row], models: dict[str, dict[str, Any]]) -> None:
    """Raise `EngineError` for a prompt that some model's context cannot hold.

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
        # The longest text first: where one does not fit, that is the one to name.
        asked.sort(key=lambda row: -len(row["messages"]))
        digits.refuse_overlong(name, spec, tokenizer, limit, asked)


def main(
    path: str,
    settings: dict[str, Any],
    models: dict[str, dict[str, Any]],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    name = settings["wording"]
    rows = [*copies(name, settings, seed), *orders(name, settings, seed)]
    rows += counts(name, settings, seed)
    refuse_overlong(rows, models)
    tables.write(inference.table(rows), path, schemas.REQUESTS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with job.running(snakemake):
        main(
            snakemake.output.requests,
            dict(snakemake.params.settings),
            dict(snakemake.params.models),
            snakemake.params.seed,
            provenance.of(snakemake),
        )
