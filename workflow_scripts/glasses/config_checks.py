"""What a schema cannot say of the study's settings."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.models.registry import inside_problems


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line for each impossible setting of `glasses`: key, what was found, the remedy.

    A length is refused here where no tokenizer could make it fit: a digit is a token, a sum shows
    two signs an item. What the words around it take is known with the model; then the first rule
    of the study checks every prompt.
    """
    yield from inside_problems(config, "glasses", "hidden states")
    section, models = config["glasses"], config["models"]
    tasks = section["tasks"]
    room = tasks["reply_tokens"]
    needs = {
        "gaps.lengths.most": section["gaps"]["lengths"]["most"] * 4 // 3,
        "tasks.copy_lengths": max(tasks["copy_lengths"]) + room,
        "tasks.count_lengths": 2 * max(tasks["count_lengths"]) - 1 + room,
    }
    for name in config["studies"]["glasses"]:
        limit = models[name].get("max_context")
        for key, tokens in needs.items():
            if limit is not None and tokens > limit:
                yield (
                    f"glasses.{key}: needs at least {tokens} tokens, models.{name}.max_context is "
                    f"{limit}; shorten the lengths, or take the model out of studies.glasses"
                )
    for name, grid in (
        *(
            (name, section["stack"][name])
            for name in ("independent", "projected", "depth", "cures")
        ),
        ("lengths", section["gaps"]["lengths"]),
    ):
        if grid["least"] >= grid["most"]:
            yield (
                f"glasses.{'gaps' if name == 'lengths' else 'stack'}.{name}.least: found "
                f"{grid['least']}, allowed: less than most = {grid['most']}"
            )
