"""The style of all figures, the colours of models, and the drawing of a rule's figures."""

import colorsys
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow_scripts.shared import files, job
from workflow_scripts.shared.figure_text import note

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
# The symbol of published values in all figures, and of nothing else.
PUBLISHED = {"color": COLOURS["black"], "marker": "D", "markersize": 4, "linestyle": "none"}

# Here rather than in a matplotlib style file, so that a change of style re-runs the figures.
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
MISSING_CHARACTERS = 26  # in a line of a panel that is empty; panels may be a third of a page wide


def use_style() -> None:
    """Apply the project's style; call it once before drawing figures."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from cycler import cycler
    from matplotlib.font_manager import fontManager

    # Only matplotlib's own fonts: a font of the same name on the machine would give other bytes.
    fontManager.ttflist.clear()
    fonts = Path(matplotlib.get_data_path(), "fonts/ttf")
    for font in [*sorted(fonts.glob("DejaVu*.ttf")), fonts / "cmsy10.ttf"]:  # cmsy10 has the prime
        fontManager.addfont(font)

    cycle = cycler(color=[COLOURS[name] for name in CYCLE])
    plt.style.use(STYLE | {"axes.prop_cycle": cycle})


def save(figure: "Figure", png: str | Path) -> None:
    """Save `figure` as PNG at `png` and as vector PDF beside it, each whole or not at all.

    The same figure gives the same bytes: no dates are written into the files. The layout is
    computed once, because it takes as long as drawing.
    """
    import matplotlib.pyplot as plt

    png = Path(png)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for path, metadata in (
        (png, {"Software": None}),
        (png.with_suffix(".pdf"), {"CreationDate": None}),
    ):
        with files.atomic(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)
    plt.close(figure)


def run(snakemake: Any, read: Callable[..., Any], *modules: ModuleType) -> None:
    """Run a study's `figures.py` as a job: draw every PNG that the rule declares.

    `read` takes the rule's inputs and settings by name and returns what the figures are drawn
    from. The figure `name.png` is drawn by the function `name` of one of the `modules`. Where
    the data have `models`, a figure says which of them it leaves out.
    """
    with job.running(snakemake):
        use_style()
        data = read(**job.arguments(snakemake, read))
        for png in snakemake.output.png:
            figure = drawing(Path(png).stem, modules)(data)
            if isinstance(models := getattr(data, "models", None), Models):
                name_absent(figure, models)
            save(figure, png)


def name_absent(figure: "Figure", models: "Models") -> None:
    """Say which models the figure leaves out, if it names some of them but not all.

    A model without rows for a figure would otherwise disappear from it without a word.
    """
    from matplotlib.text import Text

    texts = "\n".join(text.get_text() for text in figure.findobj(Text))
    named = [name for name in models.names if _names(texts, name)]
    absent = [name for name in models.names if name not in named]
    if named:
        for name in absent:
            note(figure, "no values in this run", name)


def _names(text: str, model: str) -> bool:
    """Whether a text has a model's name, not only a longer name that contains it."""
    return bool(re.search(rf"(?<![\w.-]){re.escape(model)}(?![\w-]|\.\w)", text))


def drawing(name: str, modules: Sequence[ModuleType]) -> "Callable[[Any], Figure]":
    """The function of this name in one of the modules. Raises `LookupError` if there is none."""
    named = [getattr(module, name, None) for module in modules]
    found = [
        function
        for function, module in zip(named, modules, strict=True)
        if callable(function) and function.__module__ == module.__name__
    ]
    if len(found) != 1:
        known = ", ".join(module.__name__ for module in modules)
        raise LookupError(f"figure {name}: expected one function {name} in {known}")
    return found[0]


# Tol's muted palette, for models only: COLOURS are for conditions, so that a model's colour has one
# meaning in the whole report.
MODEL_HUES = ("#332288", "#882255", "#999933", "#44AA99", "#CC6677", "#661100")


@dataclass(frozen=True)
class Models:
    """The models of a figure, in the config's order, with one colour each in the whole report.

    `places` maps a model's name to its place among all models of the config; `stand_ins` are those
    that the workflow trained itself.
    """

    places: Mapping[str, int]
    stand_ins: frozenset[str]

    @classmethod
    def of(cls, models: Mapping[str, Mapping[str, Any]]) -> "Models":
        """From the setting `models` of a figure rule: name to {place, stand_in}."""
        return cls(
            {name: entry["place"] for name, entry in models.items()},
            frozenset(name for name, entry in models.items() if entry["stand_in"]),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The models, in the config's order."""
        return tuple(self.places)

    def label(self, model: str) -> str:
        """The model's name, marked where it is a stand-in."""
        return f"{model} (stand-in)" if model in self.stand_ins else model

    def colour(self, model: str) -> str:
        """The model's colour, different for each place: six hues, then darker and lighter ones."""
        return model_colour(self.places[model])

    def title(self, axes: "Axes", model: str, text: str = "", **style: Any) -> None:
        """The title of a panel about one model: its name in its colour, then `text`."""
        axes.set_title(f"{model}{text}", color=self.colour(model), **style)
        self.mark(axes, model)

    def row(self, axes: "Axes", model: str, label: str) -> None:
        """The model's name, in its colour, left of the y label of the first panel of a row."""
        axes.set_ylabel(label)
        place: dict[str, Any] = {"xycoords": axes.yaxis.label, "textcoords": "offset points"}
        axes.annotate(
            model, xy=(0, 0.5), xytext=(-2, 0), ha="right", va="center", rotation=90,
            color=self.colour(model), fontsize=STYLE["axes.titlesize"], **place,
        )  # fmt: skip
        self.mark(axes, model)

    def mark(self, axes: "Axes", model: str) -> None:
        """Note above the panels that the model of one of them is a stand-in, if it is."""
        if model in self.stand_ins:
            figure: Any = axes.get_figure(root=True)
            note(figure, "stand-in models", model)


def model_colour(place: int) -> str:
    """A colour, as #RRGGBB, for the model at a place in the config; no two places share one."""
    turn, hue = divmod(place, len(MODEL_HUES))
    base = MODEL_HUES[hue]
    red, green, blue = (int(base[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue_, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    # Darker, lighter, then darker and lighter still: 1, -1/3, +1/3, -1/2, +1/2, -3/5, …
    step = (turn + 1) // 2
    away = step / (step + 2)
    target = 0.0 if turn % 2 else 1.0
    mixed = colorsys.hls_to_rgb(hue_, lightness + (target - lightness) * away, saturation)
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in mixed)


def margins(rows: "pd.DataFrame") -> np.ndarray:
    """Distances of each score's interval from its value, shape (2, n), for error bars."""
    low = (rows["value"] - rows["ci_low"]).fillna(0.0).clip(lower=0)
    high = (rows["ci_high"] - rows["value"]).fillna(0.0).clip(lower=0)
    return np.stack([low.to_numpy(), high.to_numpy()])


def line(axes: "Axes", rows: "pd.DataFrame", x: str, *, band: bool = True, **style: Any) -> None:
    """Values over the column `x`, ascending, with their intervals as a band.

    `style` goes to `Axes.plot` and names a `color`.
    """
    rows = rows.sort_values(x)
    at, value, low, high = (
        rows[name].to_numpy(float, na_value=np.nan) for name in (x, "value", "ci_low", "ci_high")
    )
    axes.plot(at, value, **style)
    if band:
        axes.fill_between(at, low, high, color=style["color"], alpha=0.15, linewidth=0)


def panel_grid(
    count: int, width_in: float, height_in: float, across: int = 4, **more: Any
) -> "tuple[Figure, list[Axes]]":
    """A figure with `count` panels (at least one), at most `across` in a row of `height_in`."""
    import matplotlib.pyplot as plt

    count = max(count, 1)
    columns = min(count, across)
    rows = -(-count // columns)
    size = (width_in, height_in * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **more)
    for spare in axes.flat[count:]:
        spare.set_visible(False)
    return figure, list(axes.flat[:count])


def legend_below(
    figure: "Figure", panels: "Axes | Sequence[Axes]", columns: int, **style: Any
) -> None:
    """One legend below all panels, with each label of the given panels once.

    `style` goes to `Figure.legend`; with `handlelength=3` dashed lines are recognisable.
    """
    given = panels if isinstance(panels, Sequence) else [panels]
    pairs = [axes.get_legend_handles_labels() for axes in given]
    unique = {
        label: handle
        for handles, labels in pairs
        for handle, label in zip(handles, labels, strict=True)
    }
    style |= {"ncols": columns}
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", **style)


def panel_letters(panels: "Sequence[Axes]", titles: Sequence[str]) -> None:
    """Titles "a  …", "b  …" for the panels."""
    for number, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        axes.set_title(f"{chr(ord('a') + number)}  {title}")


def missing(axes: "Axes", text: str = "not measured in this run") -> None:
    """State in an empty panel why it is empty."""
    text = "\n".join(textwrap.fill(line, MISSING_CHARACTERS) for line in text.splitlines())
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])
