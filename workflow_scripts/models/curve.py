"""The learning curve of an embedded model, and its accuracy by how often a fact was seen."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.shared import figure_text, figures, job, tables
from workflow_scripts.shared.schemas import SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SKILLS = {
    "arithmetic": "blue",
    "choices": "orange",
    "copying": "green",
    "facts": "vermilion",
    "sampling": "purple",
}


def draw_losses(axes: "Axes", curve: pd.DataFrame) -> None:
    """Held-out loss of each skill over training tokens, and the training loss of the mixture."""
    millions = curve["tokens"] / 1e6
    axes.plot(millions, curve["loss"], color=figures.COLOURS["grey"], ls="--", label="training mix")
    for skill, colour in SKILLS.items():
        axes.plot(millions, curve[f"loss_{skill}"], color=figures.COLOURS[colour], label=skill)
    axes.set_yscale("log")
    axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5], minor=False)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlabel("training tokens (millions)")
    axes.set_ylabel("loss (nats per reply token)")
    axes.set_title("Learning curve, held-out conversations")
    axes.legend(ncols=2)


def draw_repetition(axes: "Axes", skills: pd.DataFrame) -> None:
    """Accuracy on two-option questions by how often the corpus states the fact."""
    rows = skills[(skills["form"] == "options") & skills["level"].str.startswith("seen ")].copy()
    rows["from"] = rows["level"].str.extract(r"(\d+)").astype(int)
    rows = rows.sort_values("from")
    at = np.arange(len(rows))
    errors = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
    axes.errorbar(at, rows["value"], errors, fmt="o", color=figures.COLOURS["vermilion"])
    axes.axhline(0.5, color=figures.COLOURS["grey"], ls=":", lw=1)
    axes.annotate("chance", (0, 0.5), (0, 3), textcoords="offset points", fontsize="x-small")
    axes.set_xticks(at, rows["level"].str.removeprefix("seen ").str.replace("-", "–"), rotation=30)
    axes.set_ylim(0.3, 1.02)
    axes.set_xlabel("conversations about the fact in the corpus")
    axes.set_ylabel("accuracy (95 % Wilson interval)")
    axes.set_title("Two-option questions")


def main(curve: str | Path, skills: str | Path, png: str | Path) -> None:
    """Draw the figure from the learning curve and the skills table; its PDF goes beside `png`."""
    import matplotlib.pyplot as plt

    figures.use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(figures.PAGE_IN, 2.7), width_ratios=(3, 2))
    draw_losses(left, tables.read(curve))
    draw_repetition(right, tables.read(skills, SCORES))
    figure_text.note(figure, "stand-in model")
    figures.save(figure, png)


if __name__ == "__main__":
    job.run(snakemake, main)
