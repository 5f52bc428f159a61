"""Checks of the study's settings that a schema cannot express."""

import os
from collections.abc import Iterator
from typing import Any

from workflow_scripts.models.registry import INSIDE, shown_inside


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting: its key, what was found, what is allowed."""
    section, models = config["parallel_sequential"], config["studies"]["parallel_sequential"]
    shown = shown_inside(config["models"], models)
    for name in section["copying"]["models"] or []:
        path = "parallel_sequential.copying.models"
        if name not in models:
            yield (
                f"{path}: found {name!r}, allowed: a model listed under studies.parallel_sequential"
            )
        elif name not in shown:
            engine = config["models"][name]["engine"]
            yield (
                f"{path}: {name!r} runs on engine {engine}; attention and ablation need engine "
                f"{INSIDE}"
            )
    for domain in ("math", "code"):
        path = section[domain]["file"]
        if path is not None and not os.path.isfile(path):
            yield f"parallel_sequential.{domain}.file: found {path}, which is not a file"
