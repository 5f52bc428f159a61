"""Skills of an embedded model, measured on held-out conversations."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.models import chat, tokenizer_files
from workflow_scripts.models.corpora import arithmetic, sampling_words
from workflow_scripts.models.corpus import CORPUS
from workflow_scripts.shared import devices, job, progress, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import Row, exact, share, table

EXPERIMENT, UNITS = "embedded", "conversations"
ALL = "all"
DECIDED = ("lcg", "external")  # the sampling forms that have one right reply
PERCENTS = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)  # coins whose distribution is computed
ROWS = 64  # conversations per batch


def replies(
    model: Any,
    tokenizer: Any,
    conversations: Sequence[chat.Conversation],
    most_tokens: Sequence[int],
) -> list[str]:
    """Greedy replies, in batches of similar length; reply i has at most `most_tokens[i]` tokens."""
    prompts: list[list[int]] = [
        tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        for turns in conversations
    ]
    order = sorted(range(len(prompts)), key=lambda i: (most_tokens[i], len(prompts[i])))
    texts = [""] * len(prompts)
    starts = range(0, len(order), ROWS)
    for start in progress.track(starts, description="replies", unit="batch"):
        rows = order[start : start + ROWS]
        batch = tokenizer.pad({"input_ids": [prompts[i] for i in rows]}, return_tensors="pt")
        with torch.no_grad():
            made = model.generate(
                **batch.to(model.device), max_new_tokens=max(most_tokens[i] for i in rows)
            )
        made = made[:, batch["input_ids"].shape[1] :]
        decoded = tokenizer.batch_decode(made, skip_special_tokens=True)
        for i, text in zip(rows, decoded, strict=True):
            texts[i] = text
    return texts


def is_right(skill: str, reply: str, reference: str) -> bool:
    """Whether a reply is right: its final answer in arithmetic, otherwise an exact match."""
    if skill == "arithmetic":
        answer = arithmetic.answer_in(reply)
        return answer is not None and answer == arithmetic.answer_in(reference)
    return reply == reference


def distribution(
    model: Any,
    tokenizer: Any,
    prompt: str,
    options: Sequence[str],
) -> np.ndarray:
    """Probabilities of one-token replies to a prompt at temperature 1, shape (options,).

    They add to less than 1 if the model also gives other replies.
    """
    turns = [chat.user(prompt)]
    ids = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    with torch.no_grad():
        logits = model(ids.to(model.device)).logits[0, -1].double()
    tokens = [tokenizer.convert_tokens_to_ids(option) for option in options]
    return logits.softmax(-1)[tokens].cpu().numpy()


def total_variation(probabilities: np.ndarray, target: np.ndarray) -> float:
    """Half the L1 distance of two arrays of shape (options,).

    Probability that `probabilities` gives to no option counts as one more cell.
    """
    rest = 1 - probabilities.sum()
    return float((np.abs(probabilities - target).sum() + abs(rest)) / 2)


def accuracies(answers: pd.DataFrame) -> Iterator[Row]:
    """Score rows by skill, form and level, and over all levels and forms, with Wilson intervals.

    `answers` has the columns skill, form, level, seen and right.
    """
    facts = answers[answers["skill"] == "facts"]
    by_seen = facts.assign(level=[seen_band(int(seen)) for seen in facts["seen"]])
    views = [
        answers,
        answers.assign(level=ALL),
        answers.assign(level=ALL, form=ALL),
        by_seen[by_seen["form"] == "options"],
    ]
    done = set()
    for view in views:
        for key, rows in view.groupby(["skill", "form", "level"]):
            skill, form, level = map(str, key)
            if level and key not in done:
                done.add(key)
                where = {"skill": skill, "form": form, "level": level}
                hits = int(rows["right"].sum())
                yield share(EXPERIMENT, "accuracy", hits, len(rows), units=UNITS, **where)


def seen_band(times: int) -> str:
    """How often training states a fact, in bands whose width doubles: "seen 16-31"."""
    if times < 8:
        return "seen 0-7"
    low = 1 << (times.bit_length() - 1)
    return f"seen {low}-{2 * low - 1}"


def draws(model: Any, tokenizer: Any) -> Iterator[Row]:
    """Score rows of the exact distance between next-token distribution and stated distribution."""
    digits = np.full(10, 0.1)
    for style in ("plain", "paraphrase", "formula", "generator"):
        prompt = sampling_words.PROMPTS["digit"][style]
        found = distribution(model, tokenizer, prompt, [str(digit) for digit in range(10)])
        yield _distance("direct", f"digit, {style}", total_variation(found, digits))
    for percent in PERCENTS:
        found = distribution(model, tokenizer, sampling_words.bernoulli(percent), ["1", "0"])
        target = np.array([percent, 100 - percent]) / 100
        yield _distance("discrete", f"coin {percent}%", total_variation(found, target))


def _distance(form: str, level: str, value: float) -> Row:
    where = {"skill": "sampling", "form": form, "level": level}
    return exact(EXPERIMENT, "total_variation", value, 1, units="distributions", **where)


def scores(
    model: Any,
    tokenizer: Any,
    held_out: pd.DataFrame,
    name: str,
    seed: int,
) -> pd.DataFrame:
    """The skills table of a model: score rows by skill, form and level."""
    decided = held_out[(held_out["skill"] != "sampling") | held_out["form"].isin(DECIDED)]
    turns = [json.loads(messages) for messages in decided["messages"]]
    references = [conversation[-1]["content"] for conversation in turns]
    lengths = [len(ids) + 4 for ids in tokenizer(references)["input_ids"]]
    texts = replies(model, tokenizer, [conversation[:-1] for conversation in turns], lengths)
    rights = map(is_right, decided["skill"], texts, references)
    answers = decided.assign(right=list(rights))
    rows = [*accuracies(answers), *draws(model, tokenizer)]
    names = ["skill", "form", "level"]
    return table([rows], names, texts=names).assign(model=name, seed=seed)


def main(
    checkpoint: Sequence[str | Path],
    held_out: str | Path,
    skills: str | Path,
    model: str,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Evaluate a checkpoint, given by its files, and write its skills table."""
    from transformers import AutoModelForCausalLM

    folder = Path(checkpoint[0]).parent
    tokenizer = tokenizer_files.load(folder)
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    network.to(devices.for_tensors())
    found = scores(network, tokenizer, tables.read(held_out, CORPUS), model, seed)
    tables.write(found, skills, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
