"""Whether a run followed a paper's protocol, by the settings of the paper that are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workflow_scripts.shared.claims import Evidence


@dataclass(frozen=True)
class Setting:
    """One setting: its value in this run and in the paper, and the place in the paper.

    `compare` says what following the paper takes: the same value, or at least the paper's (seeds,
    items). Settings that the paper does not state do not belong here.
    """

    name: str
    run: Any
    paper: Any
    compare: Literal["equal", "at least"] = "equal"
    source: str = ""

    @property
    def followed(self) -> bool:
        """Whether the run has the paper's setting."""
        if self.compare == "at least":
            return bool(self.run >= self.paper)
        return _plain(self.run) == _plain(self.paper)

    @property
    def text(self) -> str:
        """The difference in words: "steps 250 of 10,000", "width 64, not 128"."""
        joint = " of " if self.compare == "at least" else ", not "
        return f"{self.name} {_shown(self.run)}{joint}{_shown(self.paper)}"


@dataclass(frozen=True)
class Protocol:
    """The evidence that a run gives, and what it reduced ("" for the paper's own protocol)."""

    evidence: Evidence
    reduced: str = ""


def evidence(*settings: Setting) -> Protocol:
    """The paper's own protocol if every setting was followed, else a reduced one that names each.

    Raises `ValueError` without settings: nothing would have been checked.
    """
    if not settings:
        raise ValueError("protocol: expected the settings of the paper that are known, found none")
    differ = [setting.text for setting in settings if not setting.followed]
    if not differ:
        return Protocol(Evidence.PROTOCOL)
    return Protocol(Evidence.REDUCED, "; ".join(differ))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (tuple, range)) else value


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10000 else str(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_shown, value))
    return str(value)
