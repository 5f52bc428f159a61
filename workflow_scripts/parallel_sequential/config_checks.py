"""What a schema cannot say of the study's settings."""

import os
from collections.abc import Iterator
from typing import Any


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line for each impossible setting of the study: key, what was found, the remedy."""
    section, models = config["parallel_sequential"], config["studies"]["parallel_sequential"]
    for name in section["copying"]["models"]:
        path = "parallel_sequential.copying.models"
        if name not in models:
            yield (
                f"{path}: found {name!r}, allowed: a model listed under studies.parallel_sequential"
            )
        elif (engine := config["models"][name].get("engine", "transformers")) != "transformers":
            yield (
                f"{path}: {name!r} runs on engine {engine}; attention and ablation need the inside "
                "of the model, so engine transformers"
            )
    for domain in ("math", "code"):
        path = section[domain]["file"]
        if path is not None and not os.path.isfile(path):
            yield f"parallel_sequential.{domain}.file: there is no file {path}"
