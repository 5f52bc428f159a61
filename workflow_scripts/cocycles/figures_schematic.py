"""Explanatory figures: the trace of a run, the flow of arguments and messages, state machines."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.cocycles import structures
from workflow_scripts.cocycles.figures_common import Data
from workflow_scripts.cocycles.measurements import pick
from workflow_scripts.cocycles.messages import NAMES, PAIRS
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, panel_grid, panel_letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLACES = {
    "a": (0.0, 0.7),
    "b": (1.1, 1.4),
    "c": (1.1, 0.0),
    "u": (2.2, 1.4),
    "d": (2.2, 0.0),
    "e": (3.3, 0.7),
}
RADIUS = 0.19
Point = tuple[float, float]


def node(axes: "Axes", place: Point, text: str, colour: str, **style: Any) -> None:
    """A circle with a text in it."""
    from matplotlib.patches import Circle

    edge = COLOURS[colour]
    axes.add_patch(Circle(place, RADIUS, facecolor="white", edgecolor=edge, zorder=3, **style))
    axes.text(*place, text, ha="center", va="center", fontsize=7, zorder=4)


def arrow(
    axes: "Axes",
    start: Point,
    end: Point,
    colour: str = "black",
    bend: float = 0.0,
    shrink: float = 13.0,
) -> None:
    """An arrow between two points, that ends `shrink` points before each."""
    shape = {"arrowstyle": "-|>", "connectionstyle": f"arc3,rad={bend}", "linewidth": 1.1}
    shape |= {"color": COLOURS[colour], "shrinkA": shrink, "shrinkB": shrink}
    axes.annotate("", end, start, arrowprops=shape, zorder=2)


def bare(axes: "Axes", x: Point, y: Point) -> None:
    """Show the ranges `x` and `y` without axes, at equal scale."""
    axes.set_xlim(*x)
    axes.set_ylim(*y)
    axes.set_aspect("equal")
    axes.axis("off")


def trace(data: Data) -> "Figure":
    """F1: three moments of an asynchronous shortest-path network."""
    rows = pick(data.scores, experiment="trace")
    frames = sorted(rows["delivery"].dropna().unique())
    figure, panels = panel_grid(len(frames), PAGE_IN, 1.6)
    for axes, frame in zip(panels, frames, strict=True):
        now = pick(rows, delivery=frame)
        for ends in PAIRS:
            (x0, y0), (x1, y1) = (PLACES[name] for name in ends)
            axes.plot([x0, x1], [y0, y1], color="#DDDDDD", linewidth=1.5, zorder=1)
        moved = set(pick(now, metric="moved")["place"])
        states = pick(now, metric="state").set_index("place")["value"].to_dict()
        for name in NAMES:
            known = f"{states[name]:g}" if name in states else "∞"
            colour, width = ("vermilion", 1.6) if name in moved else ("black", 0.8)
            node(axes, PLACES[name], f"{name}\n{known}", colour, linewidth=width)
        for pair, values in pick(now, metric="message").groupby("place")["value"]:
            start, end = (PLACES[name] for name in str(pair))
            arrow(axes, start, end, "blue", bend=0.18)
            way = np.asarray(end) - np.asarray(start)
            length = float(np.linalg.norm(way))
            across = np.array([way[1], -way[0]]) / length * (0.09 * length + 0.12)
            x, y = (np.asarray(start) * 0.5 + np.asarray(end) * 0.5 + across).tolist()
            sent = ", ".join(f"{value:g}" for value in sorted(values))
            style: dict[str, Any] = {"color": COLOURS["blue"], "ha": "center", "va": "center"}
            axes.text(x, y, sent, zorder=5, fontsize=6, **style)
        axes.set_title(f"after {int(frame)} deliveries", fontsize=7)
        bare(axes, (-0.3, 3.6), (-0.36, 1.76))
    return figure


def boxes(axes: "Axes", names: list[tuple[float, float, str]], width: float = 1.35) -> None:
    """Boxes with texts, each at its centre (x, y)."""
    from matplotlib.patches import FancyBboxPatch

    style: dict[str, Any] = {"facecolor": "#F4F4F4", "edgecolor": COLOURS["black"]}
    style |= {"boxstyle": "round,pad=0.02", "linewidth": 0.8}
    for x, y, text in names:
        axes.add_patch(FancyBboxPatch((x - width / 2, y - 0.24), width, 0.48, **style))
        axes.text(x, y, text, ha="center", va="center", fontsize=7)


def flow(_data: Data) -> "Figure":
    """The flow of arguments and messages: gather and scatter, and the node that keeps its state."""
    figure, (left, right) = panel_grid(2, PAGE_IN, 1.5, width_ratios=(1.45, 1))
    places = [
        (0.0, 0.0, "senders"),
        (1.95, 0.0, "arguments\nof an edge"),
        (3.9, 0.0, "messages"),
        (5.85, 0.0, "receivers"),
    ]
    boxes(left, places)
    for (x0, y0, _), (x1, _, _), text in zip(
        places, places[1:], ("gather", "$\\psi$", "scatter, ⊕"), strict=False
    ):
        arrow(left, (x0 + 0.7, y0), (x1 - 0.7, y0), shrink=0)
        left.text((x0 + x1) / 2, 0.38, text, ha="center", va="bottom", fontsize=7)
    bare(left, (-0.8, 6.65), (-1.3, 1.5))
    boxes(right, [(0.0, 0.0, "edge $\\psi$"), (2.6, 0.0, "node, state $s$")], 1.75)
    arrow(right, (0.9, 0.12), (1.7, 0.12), shrink=0)
    right.text(1.3, 0.2, "$m$", ha="center", va="bottom", fontsize=7)
    arrow(right, (2.2, 0.28), (3.0, 0.28), bend=-1.6, shrink=0)
    right.text(2.6, 1.12, "$s \\leftarrow m \\bullet s$", ha="center", va="bottom", fontsize=7)
    arrow(right, (2.6, -0.26), (0.0, -0.26), bend=-0.35, shrink=0)
    right.text(
        1.3, -0.84, "argument $\\delta_m(s)$, to outgoing edges", ha="center", va="top", fontsize=7
    )
    bare(right, (-0.95, 3.6), (-1.3, 1.5))
    titles = ("one step of a message-passing network", "a node that keeps its state")
    panel_letters((left, right), titles)
    return figure


def machines(_data: Data) -> "Figure":
    """Appendix A: a door that opens and closes, and a counter mod 3 that carries."""
    figure, (left, right) = panel_grid(2, PAGE_IN * 0.8, 1.9)
    _, act = structures.door()
    names, labels = ("open", "closed"), ("no-op", "open", "close")
    places = [(0.0, 0.0), (1.6, 0.0)]
    for state, place in enumerate(places):
        node(left, place, names[state], "black")
        stay = [labels[m] for m in range(3) if act[m, state] == state]
        loop(left, place, ", ".join(stay))
        go = [labels[m] for m in range(3) if act[m, state] != state]
        other = places[1 - state]
        arrow(left, place, other, bend=-0.3)
        y = 0.36 if state == 0 else -0.36
        left.text(0.8, y, ", ".join(go), ha="center", va="center", fontsize=7)
    bare(left, (-0.6, 2.2), (-0.7, 0.9))
    angles = np.pi / 2 - 2 * np.pi * np.arange(3) / 3
    places = [(0.75 * float(np.cos(t)), 0.75 * float(np.sin(t))) for t in angles]
    for state, place in enumerate(places):
        node(right, place, str(state), "black")
        after = (state + 1) % 3
        carried = int(structures.carry(np.array(1), np.array(state), 3))
        colour = "vermilion" if carried else "black"
        arrow(right, place, places[after], colour, bend=-0.2)
        x, y = (np.asarray(place) + np.asarray(places[after])) / 2 * (2.6, 2.0)
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": COLOURS[colour]}
        right.text(x, y, f"+1, sends {carried}", fontsize=7, **style)
    bare(right, (-1.7, 1.7), (-1.15, 1.1))
    titles = ("a door: messages act, nothing is sent", "a counter mod 3: $\\delta$ is the carry")
    panel_letters((left, right), titles)
    return figure


def loop(axes: "Axes", place: Point, text: str) -> None:
    """An arrow from a state to itself."""
    x, y = place
    arrow(axes, (x - 0.1, y + RADIUS), (x + 0.1, y + RADIUS), bend=-1.8, shrink=0)
    axes.text(x, y + RADIUS + 0.34, text, ha="center", va="bottom", fontsize=7)
