"""What the study asks of a model: tokens that pass through it (E4, E5, adaptive temperature)."""

from pathlib import Path
from string import ascii_uppercase
from typing import Any

from workflow_scripts.shared import seeds, user_files
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.workload import Count, Part, sampled

WAYS = 5  # of weighting attention that answer the same lists


def workload(config: dict[str, Any], name: str, count: Count) -> list[Part]:
    """The lists of numbers that fit the context, and the text; lists with letters."""
    from workflow_scripts.softmax.models import number_prompt

    settings = config["softmax"]["models"]
    rng = seeds.generator(config["seed"], "softmax", "numbers")
    prompts = []
    for items in settings["numbers"]:
        drawn = rng.integers(0, settings["largest"] + 1, (settings["prompts"], items)).tolist()
        turns = [[{"role": "user", "content": number_prompt(numbers)}] for numbers in drawn]
        if count.context is None or max(map(count.turns, turns)) <= count.context:
            prompts += turns
    text = Path(settings["text"])
    text = text if text.exists() else ROOT / text
    tokens = min(count.text(user_files.text(text)), settings["text_tokens"])
    tokens = tokens if count.context is None else min(tokens, count.context)
    asked = len(prompts) + 1
    return [
        Part("softmax_models", asked, asked, scored_tokens=sampled(prompts, count.turns) + tokens),
        adaptive(config, count),
    ]


def adaptive(config: dict[str, Any], count: Count) -> Part:
    """The lists with letters, as often as they pass through the model.

    Not counted: the passes with one layer changed, as many as the model has layers.
    """
    from workflow_scripts.softmax import lists

    settings = config["softmax"]["adaptive"]
    rng = seeds.generator(config["seed"], "softmax", "adaptive", "workload")
    asked = tokens = 0
    betas, steps = settings["betas"]["count"], settings["steps"]
    for sizes, number, passes in (
        (settings["items"], settings["prompts"], WAYS),
        (settings["items"], settings["atlas_prompts"], 1),
        # A step passes forwards once and backwards at twice the cost.
        (settings["fit_items"], settings["fit_prompts"], 1 + betas + 3 * steps),
    ):
        for task in lists.QUESTIONS:
            for items in sizes:
                lines, at = lists.drawn(task, items, ascii_uppercase[: lists.CLASSES], rng)
                length = count.text("".join(lists.text(task, lines, at)))
                if count.context is None or length <= count.context:
                    asked += number
                    tokens += number * passes * length
    return Part("softmax_adaptive_models", asked, asked, scored_tokens=tokens)
