"""Checks of the study's settings that a schema cannot express."""

import os
from collections.abc import Iterator
from typing import Any

from workflow_scripts.shared.datasets import is_fetched


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting: its key, what was found, what is allowed."""
    section = config["parallel_sequential"]
    for domain in ("math", "code"):
        path = section[domain]["file"]
        if path and not os.path.isfile(path) and not is_fetched(path):
            yield f"parallel_sequential.{domain}.file: found {path}, which is not a file"
