"""Checks of the study's settings that a schema cannot express."""

from collections.abc import Iterator
from typing import Any


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting: the key, what was found, what is allowed."""
    sizes = config["example_study"]["sizes"]
    if len(set(sizes)) < 2:
        yield f"example_study.sizes: found {sizes}, allowed: at least two different sizes"
