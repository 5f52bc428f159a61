"""Replies as a study read them: the prompt, the reply, and what became of it.

Each study that asks models for text has a module `replies.py` with a function `read(paths, asked)`.
It takes the study's tables of one model (`by_name`) and what the study asks of the model
(`kinds.asked`), and returns a table that fits `schemas.READINGS`.
"""

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workflow_scripts.shared.fingerprint import PACKAGE, ROOT

if TYPE_CHECKING:
    import pandas as pd


class Reader(Protocol):
    """`replies.read` of a study."""

    def __call__(self, paths: Mapping[str, str], asked: Mapping[str, Any]) -> "pd.DataFrame":
        """One row per reply, as in `schemas.READINGS`."""
        ...


def studies() -> list[str]:
    """The studies that ask models for text."""
    modules = sorted((ROOT / PACKAGE).glob("*/replies.py"))
    return [
        path.parent.name for path in modules if path.parent.name not in ("inference", "publish")
    ]


def reader(study: str) -> Reader:
    """The function that reads a study's replies."""
    return importlib.import_module(f"{PACKAGE}.{study}.replies").read


def by_name(paths: Iterable[str], model: str) -> dict[str, str]:
    """The tables by their names: `requests` for both `requests/<model>` and `<model>/requests`."""
    named = {}
    for path in map(Path, paths):
        named[path.parent.name if path.stem == model else path.stem] = str(path)
    return named


def prompt(messages: str | None, text: str | None) -> str:
    """A request's prompt as text: its chat turns, each after its role, or the bare text."""
    if not messages:
        return text or ""
    turns = json.loads(messages)
    return "\n\n".join(f"[{turn['role']}]\n{turn['content']}" for turn in turns)


def conditions(frame: "pd.DataFrame", names: Sequence[str]) -> list[str]:
    """The named columns of each row as `name value`, without those that are empty."""
    empty = ("", "-1", "nan", "None", "<NA>")
    columns = [[str(value) for value in frame[name]] for name in names]
    return [
        ", ".join(
            f"{name} {value}"
            for name, value in zip(names, values, strict=True)
            if value not in empty
        )
        for values in zip(*columns, strict=True)
    ]
