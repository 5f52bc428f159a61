"""Settings of the study that must fit each other, which a schema cannot check."""

import os
from collections.abc import Iterator
from typing import Any

from workflow_scripts.inference import chat, forms, kinds
from workflow_scripts.shared.datasets import is_fetched
from workflow_scripts.shared.sources import dialect


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting of `change_of_mind`: key, what was found, what to do."""
    section = config["change_of_mind"]
    models = {name: config["models"][name] for name in config["studies"]["change_of_mind"]}
    counts, foils = section["questions"], section["foils"]
    trained = [name for name, spec in models.items() if spec["source"] == "train"]
    if foils["difficult"] >= foils["offset"]:
        yield (
            f"change_of_mind.foils.difficult: found {foils['difficult']}, allowed: less than "
            f"foils.offset = {foils['offset']}"
        )
    for name in section["answerers"]:
        if name in models:
            yield f"change_of_mind.answerers: found {name!r}, the name of a model; rename one"
    for key, path in section["files"].items():
        if path and not os.path.isfile(path) and not is_fetched(path):
            yield f"change_of_mind.files.{key}: found no file {path}"
    places = config["embedded"]["corpus"]["places"]
    if trained and not 0 < round(section["calibration_share"] * places) < places:
        yield (
            f"change_of_mind.calibration_share: found {section['calibration_share']}, allowed: a "
            f"share that divides embedded.corpus.places = {places} into two parts"
        )
    fitted = section["regressions"]["questions"]
    for key, found, source in (  # those that take the first questions of another task
        ("questions.controls", counts["controls"], "factorial"),
        ("regressions.questions", fitted, "four_options"),
        ("regressions.questions", fitted, "transfer"),
    ):
        if found > counts[source]:
            yield (
                f"change_of_mind.{key}: found {found}, allowed: at most questions.{source} = "
                f"{counts[source]}"
            )
    for name in models:
        yield from _choice_problems(config, name)


def _choice_problems(config: dict[str, Any], name: str) -> Iterator[str]:
    """Ways of taking options that the model's engine, server or kind does not allow."""
    told, spec = kinds.asked(config, "change_of_mind", name), config["models"][name]
    choices = told.get("choices", forms.LOGPROBS)
    path = f"models.{name}.asked.change_of_mind.choices"
    plain = told["kind"] == kinds.BASE or not chat.templated(spec)
    thinks = told["kind"] == kinds.REASONING and not kinds.switchable(config, name)
    if choices == forms.LOGPROBS and not kinds.starts_replies(config, name):
        yield (
            f"{path}: found {choices!r}, allowed with server dialect {dialect(config, spec)!r}: "
            "first_token or sampled (it continues no given beginning of a reply)"
        )
    if choices == forms.FIRST_TOKEN and (plain or thinks):
        why = "its replies are plain text" if plain else "its replies begin with thoughts"
        allowed = "logprobs or sampled" if plain else "sampled"
        yield f"{path}: found {choices!r}, allowed: {allowed} ({why})"
    if choices == forms.SAMPLED and config["change_of_mind"]["temperature"] == 0:
        yield (
            f"change_of_mind.temperature: found 0, allowed: more, since the confidence of {name!r} "
            "is the share of its sampled replies"
        )
