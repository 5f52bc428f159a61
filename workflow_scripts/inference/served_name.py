"""Which model answers: a server may know the model by another name, or serve another model."""

import re
import threading
from pathlib import Path
from typing import Any

from workflow_scripts.inference.transport import Unfit
from workflow_scripts.shared import files

# What a reply may name beyond what was asked: a date, a number of a version, a revision.
VERSION = r"-(?:\d{4}-\d{2}-\d{2}|\d{3,8})|@[\w.-]+"


def same(asked: str, answered: str) -> bool:
    """Whether a reply's name is that of the model asked for.

    Folders, a vendor's name before a slash, `.gguf`, `:latest` and case do not count. The reply may
    be more precise, by a date, a version or a revision: `gpt-4o-2024-08-06` for `gpt-4o`. It may
    not name a relative, as `gpt-4o-mini`.
    """
    bare = _bare(asked).removesuffix("-latest")
    found = _bare(answered)
    return (
        found == _bare(asked) or re.fullmatch(f"{re.escape(bare)}(?:{VERSION})?", found) is not None
    )


def _bare(name: str) -> str:
    last = re.split(r"[/\\]", name.strip().lower())[-1]
    return last.removesuffix(":latest").removesuffix(":free").removesuffix(".gguf")


class ServedName:
    """Checks the name in every reply, over all jobs and runs; thread-safe.

    `folder` keeps the first name. All replies must have that name, unless `server.answers_as` lists
    the names that are accepted.
    """

    def __init__(self, spec: dict[str, Any], folder: Path):
        self.asked: str = spec["source"]
        listed = spec["server"].get("answers_as")
        self.listed: list[str] | None = [listed] if isinstance(listed, str) else listed
        self.path = folder / "answers_as.txt"
        self._lock = threading.Lock()

    def known(self) -> str | None:
        """The name in the replies so far, or None."""
        return self.path.read_text(encoding="utf-8") if self.path.exists() else None

    def check(self, answered: Any) -> str | None:
        """Return the name that a reply states, None if none. Raises `Unfit` for another model."""
        if not isinstance(answered, str) or not answered:
            return None
        with self._lock:
            if self.listed is not None:
                if answered in self.listed:
                    return answered
                raise Unfit(
                    f"expected a reply of {' or '.join(map(repr, self.listed))} "
                    f"(server.answers_as), found one of {answered!r}"
                )
            if not same(self.asked, answered):
                raise Unfit(
                    f"asked for model {self.asked!r}, found a reply of {answered!r}. If that is "
                    f"this model's name on the server, add `answers_as: {answered!r}` under "
                    "`server`, and this reply counts; if not, correct `source` or the server"
                )
            first = self.known()
            if first is None:
                files.write_text(self.path, first := answered)
        if first != answered:
            raise Unfit(
                f"the replies so far are of {first!r}, this one of {answered!r}. Name one of them "
                f"as `source`, or accept both: `answers_as: [{first!r}, {answered!r}]`"
            )
        return answered
