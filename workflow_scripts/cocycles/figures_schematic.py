"""Figures that explain: the trace of one run, how arguments and messages flow, state machines."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.cocycles import structures
from workflow_scripts.cocycles.messages import NAMES, PAIRS
from workflow_scripts.shared.figures import COLOURS, PAGE_IN
from workflow_scripts.shared.readings import select

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


def node(axes: "Axes", place: tuple[float, float], text: str, colour: str, **style: Any) -> None:
    from matplotlib.patches import Circle

    face = style.pop("face", "white")
    axes.add_patch(
        Circle(place, RADIUS, facecolor=face, edgecolor=COLOURS[colour], zorder=3, **style)
    )
    axes.text(*place, text, ha="center", va="center", fontsize=7, zorder=4)


def arrow(
    axes: "Axes",
    start: tuple[float, float],
    end: tuple[float, float],
    colour: str = "black",
    bend: float = 0.0,
    shrink: float = 13.0,
) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": COLOURS[colour],
            "connectionstyle": f"arc3,rad={bend}",
            "shrinkA": shrink,
            "shrinkB": shrink,
            "linewidth": 1.1,
        },
        zorder=2,
    )


def bare(axes: "Axes", x: tuple[float, float], y: tuple[float, float]) -> None:
    axes.set_xlim(*x)
    axes.set_ylim(*y)
    axes.set_aspect("equal")
    axes.axis("off")


def trace(scores: pd.DataFrame) -> "Figure":
    """F1: three moments of an asynchronous shortest-path network."""
    import matplotlib.pyplot as plt

    rows = select(scores, experiment="trace")
    frames = sorted(rows["delivery"].dropna().unique())
    figure, panels = plt.subplots(1, len(frames), figsize=(PAGE_IN, 1.6))
    for axes, frame in zip(panels, frames, strict=True):
        now = rows[rows["delivery"] == frame]
        for pair in PAIRS:
            (x0, y0), (x1, y1) = PLACES[pair[0]], PLACES[pair[1]]
            axes.plot([x0, x1], [y0, y1], color="#DDDDDD", linewidth=1.5, zorder=1)
        moved = set(now[now["metric"] == "moved"]["place"])
        states = now[now["metric"] == "state"].set_index("place")["value"]
        for name in NAMES:
            heard = states[name]
            text = f"{name}\n" + ("∞" if pd.isna(heard) else f"{heard:g}")
            colour = "vermilion" if name in moved else "black"
            node(axes, PLACES[name], text, colour, linewidth=1.6 if name in moved else 0.8)
        messages = now[now["metric"] == "message"].groupby("place")["value"]
        for pair, values in messages:
            start, end = PLACES[str(pair)[0]], PLACES[str(pair)[1]]
            arrow(axes, start, end, "blue", bend=0.18)
            way = np.asarray(end) - np.asarray(start)
            length = float(np.linalg.norm(way))
            across = np.array([way[1], -way[0]]) / length * (0.09 * length + 0.12)
            x, y = (np.asarray(start) * 0.5 + np.asarray(end) * 0.5 + across).tolist()
            text = ", ".join(f"{value:g}" for value in sorted(values))
            style = {"fontsize": 6, "color": COLOURS["blue"], "ha": "center", "va": "center"}
            axes.text(x, y, text, zorder=5, **style)
        axes.set_title(f"after {int(frame)} deliveries", fontsize=7)
        bare(axes, (-0.3, 3.6), (-0.36, 1.76))
    return figure


def boxes(axes: "Axes", names: list[tuple[float, float, str]], width: float = 1.35) -> None:
    from matplotlib.patches import FancyBboxPatch

    for x, y, text in names:
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - 0.24),
                width,
                0.48,
                boxstyle="round,pad=0.02",
                facecolor="#F4F4F4",
                edgecolor=COLOURS["black"],
                linewidth=0.8,
            )
        )
        axes.text(x, y, text, ha="center", va="center", fontsize=7)


def flow(scores: pd.DataFrame) -> "Figure":
    """Where arguments and messages go: gather and scatter, and the node that keeps its state."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN, 1.5), width_ratios=(1.45, 1))
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
    left.set_title("a  one step of a message-passing network")
    bare(left, (-0.8, 6.65), (-1.3, 1.5))
    boxes(right, [(0.0, 0.0, "edge $\\psi$"), (2.6, 0.0, "node, state $s$")], 1.75)
    arrow(right, (0.9, 0.12), (1.7, 0.12), shrink=0)
    right.text(1.3, 0.2, "$m$", ha="center", va="bottom", fontsize=7)
    arrow(right, (2.2, 0.28), (3.0, 0.28), bend=-1.6, shrink=0)
    right.text(2.6, 1.12, "$s \\leftarrow m \\bullet s$", ha="center", va="bottom", fontsize=7)
    arrow(right, (2.6, -0.26), (0.0, -0.26), bend=-0.35, shrink=0)
    right.text(
        1.3, -0.84, "argument $\\delta_m(s)$, to the edges out", ha="center", va="top", fontsize=7
    )
    right.set_title("b  a node that keeps its state")
    bare(right, (-0.95, 3.6), (-1.3, 1.5))
    return figure


def machines(scores: pd.DataFrame) -> "Figure":
    """Appendix A: a door that opens and closes, and a counter mod 3 that carries."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE_IN * 0.8, 1.9))
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
    left.set_title("a  a door: messages act, nothing is sent")
    bare(left, (-0.6, 2.2), (-0.7, 0.9))
    angles = np.pi / 2 - 2 * np.pi * np.arange(3) / 3
    places = [(0.75 * float(np.cos(t)), 0.75 * float(np.sin(t))) for t in angles]
    for state, place in enumerate(places):
        node(right, place, str(state), "black")
        after = (state + 1) % 3
        carried = int(structures.carry(np.array(1), np.array(state), 3))
        colour = "vermilion" if carried else "black"
        arrow(right, place, places[after], colour, bend=-0.2)
        middle = (np.asarray(place) + np.asarray(places[after])) / 2 * (2.6, 2.0)
        right.text(
            *middle,
            f"+1, sends {carried}",
            ha="center",
            va="center",
            fontsize=7,
            color=COLOURS[colour],
        )
    right.set_title("b  a counter mod 3: $\\delta$ is the carry")
    bare(right, (-1.7, 1.7), (-1.15, 1.1))
    return figure


def loop(axes: "Axes", place: tuple[float, float], text: str) -> None:
    """An arrow from a state to itself."""
    x, y = place
    axes.annotate(
        "",
        (x + 0.1, y + RADIUS),
        (x - 0.1, y + RADIUS),
        arrowprops={
            "arrowstyle": "-|>",
            "color": COLOURS["black"],
            "connectionstyle": "arc3,rad=-1.8",
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )
    axes.text(x, y + RADIUS + 0.34, text, ha="center", va="bottom", fontsize=7)
