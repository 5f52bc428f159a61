"""Settings of the study that the schema cannot check."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.models.registry import inside_problems


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting of `softmax`: key, what was found, what to do."""
    yield from inside_problems(config, "softmax", "attention weights and logits")
