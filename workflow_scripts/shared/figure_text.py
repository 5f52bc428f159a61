"""Text in figures: notes above the panels, and values in the cells of an image."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

NOTE = "note"  # identifies the legend that holds the notes of a figure


def note(figure: "Figure", text: str, item: str = "") -> None:
    """A note above all panels, at the right, where it covers no data; the same one once.

    Notes of one `text` share a line that ends in their items: "stand-ins: a, b".
    """
    lines: dict[str, list[str]] = {}
    above = next((legend for legend in figure.legends if legend.get_gid() == NOTE), None)
    for line in above.get_title().get_text().splitlines() if above else ():
        head, _, known = line.partition(": ")
        lines[head] = known.split(", ") if known else []
    items = lines.setdefault(text, [])
    if item and item not in items:
        items.append(item)
    shown = "\n".join(f"{head}: {', '.join(own)}" if own else head for head, own in lines.items())
    if above:
        above.get_title().set_text(shown)
        return
    style: dict[str, Any] = {"title_fontsize": "x-small", "alignment": "right"}
    figure.legend([], [], title=shown, loc="outside upper right", **style).set_gid(NOTE)


def ink(background: Any) -> str:
    """Black or white, whichever has more contrast on a colour; its transparency is on white.

    Contrast as in WCAG 2.2, from the relative luminance.
    """
    from matplotlib.colors import to_rgba

    *channels, alpha = to_rgba(background)
    red, green, blue = (1 - alpha + alpha * channel for channel in channels)
    luminance = 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)
    return "black" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "white"


def _linear(channel: float) -> float:
    """A channel of sRGB, 0 to 1, as light."""
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def write_cells(image: "AxesImage", texts: Any, **style: Any) -> None:
    """Write `texts`, shape (rows, columns), into the cells of `image`, in readable ink."""
    values: Any = image.get_array()
    alpha = 1.0 if image.get_alpha() is None else image.get_alpha()
    for place, text in np.ndenumerate(np.asarray(texts, dtype=object)):
        cell = values[place]
        empty = np.ma.is_masked(cell) or np.isnan(cell)
        colour = "black" if empty else ink((*image.cmap(image.norm(cell))[:3], alpha))
        own = {"fontsize": style["fontsize"](text)} if callable(style.get("fontsize")) else {}
        image.axes.text(
            place[1], place[0], text, ha="center", va="center", **{"color": colour} | style | own
        )
