"""One look for every figure, and one way to save it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workflow_scripts.shared import files

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: distinguishable with every common colour-vision deficiency.
COLOURS = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#7F7F7F",
}
CYCLE = ("blue", "vermilion", "green", "purple", "orange", "sky", "black", "grey")
PUBLISHED = {"color": COLOURS["black"], "marker": "D", "markersize": 4, "linestyle": "none"}

# Here and not in a file of matplotlib's, so that a change of style re-runs the figures.
STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.color": "#E6E6E6",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "errorbar.capsize": 2,
    "pdf.fonttype": 42,
    "svg.hashsalt": "faultlines",
}

COLUMN_IN = 3.4  # one column of a two-column paper
PAGE_IN = 7.0  # both columns


def use_style() -> None:
    """Apply the project's style; call it once before making figures."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from cycler import cycler
    from matplotlib.font_manager import fontManager

    # Matplotlib's own fonts alone: a font of the same name on the machine gives other bytes.
    fontManager.ttflist.clear()
    for font in sorted(Path(matplotlib.get_data_path(), "fonts/ttf").glob("DejaVu*.ttf")):
        fontManager.addfont(font)

    cycle = cycler(color=[COLOURS[name] for name in CYCLE])
    plt.style.use(STYLE | {"axes.prop_cycle": cycle})


def save(figure: "Figure", png: str | Path) -> None:
    """Save `figure` as PNG at `png` and as vector PDF beside it, each whole or not at all.

    The same figure gives the same bytes: no dates are written into the files.
    """
    import matplotlib.pyplot as plt

    png = Path(png)
    for path, metadata in (
        (png, {"Software": None}),
        (png.with_suffix(".pdf"), {"CreationDate": None}),
    ):
        with files.atomic(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)
    plt.close(figure)


def mark_stand_in(axes: "Axes", text: str = "stand-in model") -> None:
    """Say on the panel itself that its model is a stand-in, not the paper's."""
    axes.annotate(
        text,
        xy=(1, 1),
        xytext=(-2, -2),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize="x-small",
        fontstyle="italic",
        color=COLOURS["grey"],
    )


def margins(rows: "pd.DataFrame") -> np.ndarray:
    """Distances of each score's interval from its value, shape (2, n), for error bars."""
    low = (rows["value"] - rows["ci_low"]).fillna(0.0).clip(lower=0)
    high = (rows["ci_high"] - rows["value"]).fillna(0.0).clip(lower=0)
    return np.stack([low.to_numpy(), high.to_numpy()])


def missing(axes: "Axes", text: str = "nobody took part") -> None:
    """Say in an empty panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])
