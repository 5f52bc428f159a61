"""Intervals as small pictures: what was measured beside what was published, as SVG.

Colours come from the page's style sheet, so that the pictures follow its dark mode.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from workflow_scripts.shared.claims import Kind

WIDTH, HEIGHT, MARGIN = 240, 20, 8  # in units of the picture


@dataclass(frozen=True)
class Axis:
    """The range of values, in the measured quantity's unit, that a claim's pictures span."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value lies across the picture; values outside lie at its edge."""
        share = (value - self.low) / (self.high - self.low)
        return round(MARGIN + min(1.0, max(0.0, share)) * (WIDTH - 2 * MARGIN), 1)


def axis(entries: Sequence[Mapping[str, Any]]) -> Axis | None:
    """One axis for all measurements of a claim, its published number and its region's borders.

    None where nothing was measured.
    """
    measured = [entry["measured"] for entry in entries if entry["measured"]]
    if not measured:
        return None
    values = [each[key] for each in measured for key in ("value", "ci_low", "ci_high")]
    values += [number(entries[0]), *entries[0]["region"]]
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(known), max(known)
    room = 0.06 * (high - low) or 0.5 * abs(low) or 0.5
    return Axis(low - room, high + room)


def number(entry: Mapping[str, Any]) -> float | None:
    """The published number on the scale of the measured one; None where there is none.

    The paper may state a direction, or a number that another quantity is measured against, such as
    the error of a formula. A claim of the paper holds for the paper's own number, so a number
    outside of its region is on another scale.
    """
    value = (entry["published"] or {}).get("value")
    if value is None or isinstance(value, str):
        return None
    low, high = entry["region"]
    outside = (low is not None and value < low) or (high is not None and value > high)
    return None if outside and entry["kind"] == Kind.PAPER else float(value)


def bar(entry: Mapping[str, Any], across: Axis) -> str:
    """One measurement: region of the claim, interval, value, and the published number."""
    found = entry["measured"]
    low, high = entry["region"]
    left = MARGIN if low is None else across.at(low)
    right = WIDTH - MARGIN if high is None else across.at(high)
    middle = HEIGHT / 2
    parts = [
        f'<line class="axis" x1="{MARGIN}" y1="{middle}" x2="{WIDTH - MARGIN}" y2="{middle}"/>',
        f'<rect class="region" x="{left}" y="2" width="{max(right - left, 1.5):.1f}" '
        f'height="{HEIGHT - 4}"/>',
    ]
    ends = [found["ci_low"], found["ci_high"]]
    if not found["exact"] and ends != [None, None]:
        # An end that is not known is open: the interval goes on to the edge.
        x1 = across.at(ends[0]) if ends[0] is not None else 0
        x2 = across.at(ends[1]) if ends[1] is not None else WIDTH
        parts.append(f'<line class="interval" x1="{x1}" y1="{middle}" x2="{x2}" y2="{middle}"/>')
    if (published := number(entry)) is not None:
        x = across.at(published)
        parts.append(
            f'<path class="published" d="M{x} {middle - 6}l5 6l-5 6l-5 -6z"><title>published: '
            f"{published:g}</title></path>"
        )
    parts.append(f'<circle class="value" cx="{across.at(found["value"])}" cy="{middle}" r="4"/>')
    return (
        f'<svg class="bar" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="xMinYMid" '
        f'role="img" aria-label="{escape(_words(entry, published))}">{"".join(parts)}</svg>'
    )


def _words(entry: Mapping[str, Any], published: float | None) -> str:
    """The picture in words."""
    found = entry["measured"]
    ends = [
        f"{end:.4g}" if end is not None else "open" for end in (found["ci_low"], found["ci_high"])
    ]
    told = f"measured {found['value']:.4g}"
    told += "" if found["exact"] else f", interval {ends[0]} to {ends[1]}"
    return told + ("" if published is None else f"; published {published:.4g}")
