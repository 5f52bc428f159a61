"""Checks of the study's settings that its schema cannot express."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.inference import forms, kinds
from workflow_scripts.models.registry import inside_problems


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting of `glasses`: key, what was found, the remedy.

    A length is refused here where no tokenizer could make it fit: a digit is one token, an item of
    a sum two. How many tokens the surrounding words take depends on the model; rule
    `glasses_requests` checks every whole prompt.
    """
    yield from inside_problems(config, "glasses", "hidden states")
    section, models = config["glasses"], config["models"]
    tasks = section["tasks"]
    for name in config["studies"]["glasses"]:
        asked = kinds.asked(config, "glasses", name)
        room = forms.budget(asked, asked["reply_tokens"])
        needs = {
            "gaps.lengths": max(section["gaps"]["lengths"]) * 4 // 3,
            "budget.lengths": 2 * max(section["budget"]["lengths"])
            + section["budget"]["reply_tokens"],
            "tasks.copy_lengths": max(tasks["copy_lengths"]) + room,
            "tasks.order_lengths": max(tasks["order_lengths"]) + room,
            "tasks.count_lengths": 2 * max(tasks["count_lengths"]) - 1 + room,
        }
        limit = models[name].get("max_context")
        for key, tokens in needs.items():
            if limit is not None and tokens > limit:
                yield (
                    f"glasses.{key}: needs at least {tokens} tokens, but models.{name}.max_context "
                    f"is {limit}; shorten the lengths, or take the model out of studies.glasses"
                )
    for name in ("projected", "depth", "cures"):
        grid = section["stack"][name]
        if grid["least"] >= grid["most"]:
            yield (
                f"glasses.stack.{name}.least: found {grid['least']}, allowed: less than most = "
                f"{grid['most']}"
            )
