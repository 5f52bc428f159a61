"""Checks of the study's settings that a schema cannot express."""

import os
from collections.abc import Iterator
from typing import Any


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting: its key, what was found, what is allowed."""
    section, models = config["parallel_sequential"], config["studies"]["parallel_sequential"]
    for name in section["copying"]["models"] or []:
        path = "parallel_sequential.copying.models"
        if name not in models:
            yield (
                f"{path}: found {name!r}, allowed: a model listed under studies.parallel_sequential"
            )
        elif (engine := config["models"][name].get("engine", "transformers")) != "transformers":
            yield (
                f"{path}: {name!r} runs on engine {engine}; attention and ablation need engine "
                "transformers"
            )
    for domain in ("math", "code"):
        path = section[domain]["file"]
        if path is not None and not os.path.isfile(path):
            yield f"parallel_sequential.{domain}.file: found {path}, which is not a file"
