"""A drawing of the architecture."""

from typing import TYPE_CHECKING

from workflow_scripts.shared.figures import COLOURS, PAGE_IN
from workflow_scripts.transnar.figures_common import Data

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOXES = (  # left, bottom, width, text, colour
    (0.2, 1.9, 1.7, "graph of\nthe sample", "grey"),
    (2.7, 1.9, 2.2, "reasoner, frozen:\nlast step", "vermilion"),
    (5.7, 2.3, 2.0, "vectors of nodes", "sky"),
    (5.7, 1.5, 2.0, "vectors of edges", "purple"),
    (0.2, 0.2, 1.7, "CLRS-Text", "grey"),
    (2.7, 0.2, 2.2, "self-attention\nof the decoder", "black"),
    (5.7, 0.2, 2.0, "cross-attention\n+ gate tanh(a)", "blue"),
    (8.4, 0.2, 1.5, "next token", "green"),
)
ARROWS = (  # start, end, curvature
    ((1.9, 2.2), (2.7, 2.2), 0.0),
    ((4.9, 2.3), (5.7, 2.6), 0.0),
    ((4.9, 2.1), (5.7, 1.8), 0.0),
    ((1.9, 0.5), (2.7, 0.5), 0.0),
    ((4.9, 0.5), (5.7, 0.5), 0.0),
    ((7.7, 0.5), (8.4, 0.5), 0.0),
    ((6.4, 1.5), (6.4, 0.8), 0.0),
    ((7.7, 2.6), (7.2, 0.8), -0.45),
)
HEIGHT = 0.6  # of a box


def architecture(_: Data) -> "Figure":
    """Figures 2 and 3 of the paper: the frozen and the trained parts, and their coupling."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    figure, axes = plt.subplots(figsize=(PAGE_IN, 2.2))
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 3)
    axes.axis("off")
    for left, bottom, width, text, colour in BOXES:
        box = FancyBboxPatch(
            (left, bottom),
            width,
            HEIGHT,
            boxstyle="round,pad=0.02,rounding_size=0.08",
            facecolor="white",
            edgecolor=COLOURS[colour],
            linewidth=1.2,
        )
        axes.add_patch(box)
        middle = (left + width / 2, bottom + HEIGHT / 2)
        axes.text(*middle, text, ha="center", va="center", fontsize=7.5)
    for start, end, curvature in ARROWS:
        bent = f"arc3,rad={curvature}"
        style = {"arrowstyle": "->", "linewidth": 0.9, "connectionstyle": bent}
        axes.annotate("", end, start, arrowprops=style)
    axes.text(6.7, -0.12, "after every layer", fontsize=7, ha="center", color="0.35")
    return figure
