"""What a schema cannot say of the study's settings."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.models.registry import inside_problems


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line for each impossible setting of `softmax`: key, what was found, the remedy."""
    yield from inside_problems(config, "softmax", "attention weights and logits")
