"""Settings of the study that must fit each other, which a schema cannot check."""

import os
from collections.abc import Iterator
from typing import Any

from workflow_scripts.inference import chat, kinds
from workflow_scripts.shared.dialects import DIALECTS, dialects_that
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
        if path and not os.path.isfile(path):
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
    yield from _server_problems(config, models)


def _server_problems(config: dict[str, Any], models: dict[str, Any]) -> Iterator[str]:
    """Models on servers that cannot continue the reply whose start the English wording gives."""
    for name, spec in models.items():
        plain = kinds.kind(config, name) == kinds.BASE or not chat.templated(spec)
        if spec.get("engine") != "openai" or plain:
            continue
        found = dialect(config, spec)
        if not DIALECTS[found].open_turns:
            yield (
                f"models.{name}.server.dialect: found {found!r}, allowed in "
                f"studies.change_of_mind: {dialects_that('open_turns')} (others do not continue a "
                "started reply)"
            )
