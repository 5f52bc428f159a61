"""Draw the pictures of the README.

    .venv/bin/python docs/pictures.py stages   # docs/stages.svg
    .venv/bin/python docs/pictures.py run      # docs/scorecard.png

The last one shows the results in the current folder; use those of a default run. docs/gallery.py
copies the figures.
"""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from workflow_scripts.publish import scorecard as lines  # noqa: E402
from workflow_scripts.publish.scorecard import VERDICTS  # noqa: E402
from workflow_scripts.shared import files, tables  # noqa: E402
from workflow_scripts.shared.claims import Kind  # noqa: E402
from workflow_scripts.shared.figures import COLOURS, use_style  # noqa: E402

INK, SOFT, LINE = "#1B1F24", "#5B6470", "#C9CFD6"
FILLS = {"models": "#E7F1F8", "study": "#E6F4EF", "publish": "#FBF1E2"}

# The stages: name, description, column, row. Rows count from the top, columns from the left.
BOXES = {
    "corpus": ("generated text", 0, 0, "models"),
    "models": ("trained, or yours", 1, 0, "models"),
    "requests": ("prompts", 0, 1, "study"),
    "responses": ("each one is kept", 1, 1, "study"),
    "training": ("or simulation", 1, 2, "study"),
    "scores": ("one number per row", 2, 1, "study"),
    "claims": ("with verdicts", 3, 1, "study"),
    "figures": ("PDF and PNG", 3, 2, "study"),
    "scorecard": ("every claim", 4, 1, "publish"),
    "report": ("one HTML file", 5, 1, "publish"),
    "archive": ("one zip to publish", 6, 1, "publish"),
}
ARROWS = (
    ("corpus", "models"),
    ("models", "responses"),
    ("requests", "responses"),
    ("responses", "scores"),
    ("training", "scores"),
    ("scores", "claims"),
    ("scores", "figures"),
    ("claims", "scorecard"),
    ("scorecard", "report"),
    ("figures", "report"),
    ("report", "archive"),
)
WIDTH, HEIGHT, STEP_X, STEP_Y = 1.62, 0.62, 1.98, 1.05  # of a box, and from one to the next


def centre(name: str) -> tuple[float, float]:
    """The centre of a stage's box."""
    _, column, row, _ = BOXES[name]
    return column * STEP_X, -row * STEP_Y


def stages(path: Path = DOCS / "stages.svg") -> None:
    """Draw how data flows through the workflow, as a small SVG with the same bytes each time."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    figure, axes = plt.subplots(figsize=(9.6, 2.55), layout="none")
    axes.set_position((0, 0, 1, 1))
    left, right, bottom, top = -1.0, 6 * STEP_X + 1.0, -2 * STEP_Y - 0.5, 0.8
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    bands = (
        ("models", "language models", -0.93, STEP_X + 0.93, -0.42, 0.72),
        ("study", "each of the nine studies", -0.93, 3 * STEP_X + 0.93, bottom + 0.06, -0.58),
        ("publish", "all studies", 4 * STEP_X - 0.93, right - 0.07, -STEP_Y - 0.46, -0.32),
    )
    for kind, label, x0, x1, y0, y1 in bands:
        shape = FancyBboxPatch(
            (x0 + 0.08, y0 + 0.08),
            x1 - x0 - 0.16,
            y1 - y0 - 0.16,
            boxstyle="round,pad=0.08",
            facecolor=FILLS[kind],
            edgecolor="none",
        )
        axes.add_patch(shape)
        if kind == "study":
            axes.text(x0 + 0.12, y0 + 0.1, label, va="bottom", fontsize=8, color=SOFT)
        else:
            axes.text(x0 + 0.12, y1 - 0.1, label, va="top", fontsize=8, color=SOFT)
    for name, (caption, _, _, _) in BOXES.items():
        x, y = centre(name)
        box = FancyBboxPatch(
            (x - WIDTH / 2 + 0.05, y - HEIGHT / 2 + 0.05),
            WIDTH - 0.1,
            HEIGHT - 0.1,
            boxstyle="round,pad=0.05",
            facecolor="white",
            edgecolor=LINE,
            linewidth=0.8,
        )
        axes.add_patch(box)
        axes.text(x, y + 0.1, name, ha="center", va="center", fontsize=10, color=INK, weight="bold")
        axes.text(x, y - 0.15, caption, ha="center", va="center", fontsize=7.5, color=SOFT)
    for start, end in ARROWS:
        (x0, y0), (x1, y1) = centre(start), centre(end)
        style = {"arrowstyle": "-|>", "color": SOFT, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
        if x0 == x1:
            tail, head = (x0, y0 - HEIGHT / 2), (x1, y1 + HEIGHT / 2)
        elif y1 > y0:  # from the side of a lower box up into the next one
            tail, head = (x0 + WIDTH / 2, y0), (x1 - (end == "scores") * 0.3, y1 - HEIGHT / 2)
            style["connectionstyle"] = "angle,angleA=0,angleB=90,rad=8"
        elif y1 < y0:  # from the bottom of a box into a lower one
            tail, head = (x0 + 0.3, y0 - HEIGHT / 2), (x1 - WIDTH / 2, y1)
            style["connectionstyle"] = "angle,angleA=90,angleB=0,rad=8"
        else:
            tail, head = (x0 + WIDTH / 2, y0), (x1 - WIDTH / 2, y1)
        axes.annotate("", head, tail, arrowprops=style)
    with files.atomic(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    plt.close(figure)


# Claims shown with their numbers: decided by trained networks, by theory, and not by a stand-in.
EXAMPLES = (
    ("softmax", "S7"),
    ("glasses", "G3c"),
    ("transnar", "N1a"),
    ("cocycles", "L3a"),
    ("change_of_mind", "3a"),
)
HUES = {
    "supported": COLOURS["green"],
    "contradicted": COLOURS["vermilion"],
    "inconclusive": COLOURS["orange"],
    "not tested": "#D5DAE0",
}


def examples(scorecard: pd.DataFrame, wanted: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The first row of each wanted claim. Raises `LookupError` naming a missing claim."""
    found = []
    for study, claim in wanted:
        rows = scorecard[(scorecard["study"] == study) & (scorecard["id"] == claim)]
        if rows.empty:
            raise LookupError(f"expected claim {claim} of {study} in the scorecard, found none")
        found += lines.records(rows.head(1))
    return found


def scorecard(
    table: pd.DataFrame, path: Path, wanted: Sequence[tuple[str, str]] = EXAMPLES
) -> None:
    """Draw the verdicts by study, and some claims with their published and measured values.

    Controls, misreadings, extensions, claims of our own and errata are left out.
    """
    import matplotlib.pyplot as plt

    table = table[table["kind"] == Kind.PAPER]
    studies = list(table["study"].unique())
    counts = {study: lines.tally(table[table["study"] == study]) for study in studies}
    figure = plt.figure(figsize=(9.6, 0.3 * len(studies) + 1.2), layout="none")
    left = figure.add_axes((0.145, 0.12, 0.30, 0.70))
    left.set(xlim=(0, 1), ylim=(len(studies) - 0.5, -0.5))
    left.axis("off")
    for row, study in enumerate(studies):
        total = sum(counts[study].values())
        start = 0.0
        for verdict in VERDICTS:
            share = counts[study][verdict] / total
            left.barh(row, share, left=start, height=0.72, color=HUES[verdict], linewidth=0)
            if share > 0.04:
                ink = SOFT if verdict == "not tested" else "white"
                number = counts[study][verdict]
                left.text(start + share / 2, row, number, ha="center", va="center", fontsize=7.5,
                          color=ink, weight="bold")  # fmt: skip
            start += share
        left.text(-0.02, row, study, ha="right", va="center", fontsize=8.5, color=INK)
    scale = ", ".join(table["scale"].unique())
    claims = table.groupby("study")["id"].nunique().sum()
    title = f"{claims} claims of {len(studies)} papers, {len(table)} verdicts (scale: {scale})"
    figure.text(0.012, 0.93, title, fontsize=10, color=INK, weight="bold", va="center")
    keys = [plt.Rectangle((0, 0), 1, 1, color=HUES[verdict]) for verdict in VERDICTS]
    figure.legend(keys, VERDICTS, loc="lower left", bbox_to_anchor=(0.06, 0.0), ncols=4,
                  fontsize=7.5, handlelength=0.8, columnspacing=1.0, handletextpad=0.4)  # fmt: skip
    right = figure.add_axes((0.485, 0.02, 0.51, 0.86))
    right.set(xlim=(0, 1), ylim=(len(wanted), 0))
    right.axis("off")
    for place, row in enumerate(examples(table, wanted)):
        _example(right, place, row)
    with files.atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, metadata={"Software": None})
    plt.close(figure)


def _example(axes: "Axes", place: int, row: dict[str, Any]) -> None:
    """One claim: study and id with the statement, then published, measured, verdict."""
    statement = textwrap.wrap(f"{row['statement']}", 84)[:2]
    name = f"{row['study']} {row['id']}"
    axes.plot([0, 1], [place, place], color=LINE, linewidth=0.6)
    axes.text(0, place + 0.10, name, fontsize=7.5, color=INK, weight="bold", va="top")
    axes.text(1, place + 0.10, row["verdict"], fontsize=7.5, color=_dark(row["verdict"]),
              weight="bold", va="top", ha="right")  # fmt: skip
    axes.text(0, place + 0.32, "\n".join(statement), fontsize=7.5, color=INK, va="top")
    model = f", {row['model']}" if row["model"] else ""
    numbers = f"published {lines.published_text(row)} · measured {lines.measured_text(row)}{model}"
    below = place + 0.37 + 0.18 * len(statement)
    axes.text(0, below, numbers, fontsize=7, color=SOFT, va="top")


def _dark(verdict: str) -> str:
    return SOFT if verdict == "not tested" else HUES[verdict]


def small(png: Path, path: Path, share: float) -> None:
    """A figure as a small PNG with few colours, `share` of its size in pixels."""
    from PIL import Image

    with Image.open(png) as image:
        size = (round(image.width * share), round(image.height * share))
        less = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        # By default Pillow spends colours where most pixels are, and merges those of thin lines.
        less = less.quantize(128, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    with files.atomic(path) as temporary:
        less.save(temporary, format="png", optimize=True)


def from_run(run: Path = Path("results")) -> None:
    """Draw docs/scorecard.png from a run's results."""
    scorecard(tables.read(run / "scorecard.parquet"), DOCS / "scorecard.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the pictures of the README.")
    parser.add_argument("picture", choices=["stages", "run"])
    use_style()
    {"stages": stages, "run": from_run}[parser.parse_args().picture]()
