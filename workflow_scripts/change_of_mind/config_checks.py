"""What a schema cannot say of the study's settings."""

import os
from collections.abc import Iterator
from typing import Any


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line for each impossible setting of `change_of_mind`: key, what was found, the remedy."""
    section, models = config["change_of_mind"], config["studies"]["change_of_mind"]
    for name in section["foils"]["difficult_models"]:
        if name not in models:
            yield (
                f"change_of_mind.foils.difficult_models: found {name!r}, allowed: a model listed "
                "under studies.change_of_mind"
            )
    for name in section["answerers"]:
        if name in models:
            yield f"change_of_mind.answerers: {name!r} is the name of a model too; rename one"
    for key, path in section["files"].items():
        if path and not os.path.isfile(path):
            yield f"change_of_mind.files.{key}: no file {path}"
    wanted = section["regressions"]["questions"]
    for key in ("four_options", "transfer"):
        if section["questions"][key] < wanted:
            yield (
                f"change_of_mind.regressions.questions: found {wanted}, allowed: at most "
                f"{section['questions'][key]}, the questions of {key}"
            )
