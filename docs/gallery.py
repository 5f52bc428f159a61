"""Write what the documentation shows of a default run, from the results in the current folder.

    .venv/bin/python docs/gallery.py              # after a default run
    .venv/bin/python docs/gallery.py overnight    # after a run of preset overnight, or a part
    .venv/bin/python docs/gallery.py instruments  # after a run of preset real, or a part

The first writes docs/figures/ (small copies of figures), docs/gallery.md,
docs/reference_scorecard.md, and in each page of docs/studies/ the part between the marks `result`
and `end`. The second writes a page docs/overnight/<study>.md for each study that was run. The third
copies the figures of our own instruments that the run has drawn to docs/instruments/.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import jinja2
import pandas as pd
import yaml

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(ROOT)]

import pictures  # noqa: E402

from workflow_scripts.publish import scorecard as lines  # noqa: E402
from workflow_scripts.shared import files, tables  # noqa: E402
from workflow_scripts.shared.claims import Kind  # noqa: E402

MARKS = ("<!-- result: docs/gallery.py writes it from a default run. -->", "<!-- end -->")
WIDTH_PX = 1000  # of a figure over both columns; narrower ones are smaller in proportion
PAGE_PX = 1400  # of such a figure as drawn


class Shown(NamedTuple):
    """What is shown of a study: figures, the first one on its page, and claims on its page."""

    figures: tuple[str, ...]
    claims: tuple[str, ...]


STUDIES = {
    "softmax": Shown(("accuracy", "entropy", "temperature"), ("S2", "S7", "S6b", "S9a")),
    "stochasticity": Shown(("histograms", "styles", "power"), ("1", "2", "4b", "9")),
    "parallel_sequential": Shown(("accuracy", "padding", "induction"), ("1a", "3a", "4b", "5a")),
    "change_of_mind": Shown(("change_rate", "updates", "posterior"), ("3a", "4", "6a", "9c")),
    "perplexity": Shown(("theory", "copying", "isoperplexity"), ("C1b", "C7b", "C7c", "C9b")),
    "glasses": Shown(("encodings", "precision", "gaps"), ("G3c", "G3d", "G8", "G12")),
    "optimizers": Shown(("forgetting", "changes", "sparsity"), ("O1b", "O3e", "O3g", "O7c")),
    "cocycles": Shown(("residuals", "degrees", "tasks"), ("C5a", "C9b", "L1", "L3a")),
    "transnar": Shown(("scores", "ablations", "reasoners"), ("N1a", "N6", "X1", "X2")),
}


# The figure of an overnight run that compares its own measurements with published ones.
OVERNIGHT = {
    "softmax": "accuracy",
    "perplexity": "correlation",
    "optimizers": "forgetting",
    "cocycles": "tasks",
}

# Page of an instrument of ours -> its study and figure.
INSTRUMENTS = {
    "exact_laws": ("stochasticity", "exact"),
    "stopping": ("parallel_sequential", "stopping"),
    "adaptive": ("softmax", "adaptive"),
    "precision_budget": ("glasses", "budget"),
    "certificate": ("cocycles", "certificate"),
    "blind_spots": ("perplexity", "blind_spots"),
    "collisions": ("stochasticity", "collisions"),
}


def caption(study: str, figure: str) -> str:
    """The caption of a figure in the report, as Markdown, with the settings of config.yaml."""
    text = (ROOT / f"resources/captions/{study}/{figure}.rst").read_text(encoding="utf-8")
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    snakemake = SimpleNamespace(config=config)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    rendered = environment.from_string(text).render(snakemake=snakemake)
    return " ".join(rendered.replace("``", "`").split())


def picture(study: str, figure: str, up: str) -> str:
    """The image and the caption; `up` leads from the page to docs/."""
    text = caption(study, figure)
    title = re.sub(r"[*`\[\]]", "", text).split(". ")[0].split(":")[0]
    return f"![{study}, {figure}: {title}]({up}figures/{study}/{figure}.png)\n\n{text}\n"


def result(study: str, table: pd.DataFrame) -> str:
    """The result of a study: its figure, counts by verdict, and some claims with their numbers."""
    shown = STUDIES[study]
    rows = table[(table["study"] == study) & (table["kind"] == Kind.PAPER)]
    counts = {verdict: n for verdict, n in lines.tally(rows).items() if n}
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    scale = ", ".join(rows["scale"].unique())
    parts = [
        "## Result",
        picture(study, shown.figures[0], "../"),
        f"Verdicts on the paper's claims in a run of scale {scale}: {verdicts}. Some of them, and "
        "controls:",
        "| claim | statement | published | measured | verdict |\n|---|---|---|---|---|\n"
        + "".join(
            _line(row) for row in pictures.examples(table, [(study, c) for c in shown.claims])
        ),
        f"[More figures](../gallery.md#{study}) · [all claims](../reference_scorecard.md#{study})"
        " · "
        f"[what is run, and what differs](../../workflow_scripts/{study}/README.md)",
    ]
    return "\n\n".join(part.strip() for part in parts)


def _line(row: dict[str, Any]) -> str:
    cells = [row["id"], row["statement"], lines.published_text(row), lines.measured_text(row)]
    cells[3] += lines.about(row)
    return "| " + " | ".join(str(c).replace("|", "\\|") for c in [*cells, row["verdict"]]) + " |\n"


def write_page(path: Path, text: str) -> None:
    """Replace a page."""
    with files.atomic(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def write_result(page: Path, text: str) -> None:
    """Replace what is between the marks of a page. Raises `LookupError` if they are missing."""
    start, end = MARKS
    before, found, rest = page.read_text(encoding="utf-8").partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise LookupError(f"{page}: expected the lines {start!r} and {end!r}, found none")
    write_page(page, f"{before}{start}\n\n{text}\n\n{end}{after}")


def gallery() -> str:
    """The page of figures, by study."""
    parts = [
        "# Figures",
        "From a default run on two cores. Each study draws more, in `results/<study>/figures/`, as "
        "PDF and PNG. Black diamonds are published values. A model has the same colour in all "
        "figures. Stand-ins were trained by the workflow and decide nothing about the papers'.",
    ]
    for study, shown in STUDIES.items():
        parts += [f"## {study}", f"[The study](studies/{study}.md)"]
        parts += [picture(study, figure, "") for figure in shown.figures]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def reference(table: pd.DataFrame) -> str:
    """The scorecard of the run as a page."""
    body = lines.markdown(table).partition("\n")[2].strip()
    return (
        "# Reference scorecard\n\nEvery claim in a default run on two cores; "
        "[read the scorecard](scorecard.md) explains the columns. `make run` compares its own "
        f"numbers with those of such a run.\n\n{body}\n"
    )


def overnight(study: str, rows: pd.DataFrame) -> str:
    """The page of one study of an overnight run: all its claims, and a figure."""
    figure = OVERNIGHT[study]
    body = lines.markdown(rows).partition("\n")[2].strip()
    return (
        f"# Overnight: {study}\n\nEvery claim of the study in a run of preset "
        f"[overnight](../../presets/overnight.yaml) on two cores; "
        "[what came out](../results.md#overnight), [how to read the columns](../scorecard.md).\n\n"
        f"![{study}, {figure}]({study}.png)\n\n{body}\n"
    )


def write_overnight(run: Path = Path("results")) -> None:
    """Write a page for each study of the run in `run`. Raises `FileNotFoundError`."""
    table = tables.read(run / "scorecard.parquet")
    for study, rows in table[table["study"].isin(list(OVERNIGHT))].groupby("study", sort=False):
        page = DOCS / f"overnight/{study}.md"
        page.parent.mkdir(exist_ok=True)
        drawn = run / str(study) / f"figures/{OVERNIGHT[str(study)]}.png"
        pictures.small(drawn, page.with_suffix(".png"), WIDTH_PX / PAGE_PX)
        write_page(page, overnight(str(study), rows))


def write_instruments(run: Path = Path("results")) -> None:
    """Copy the figures of the instruments that the run in `run` has drawn.

    Raises `FileNotFoundError` if it has none.
    """
    drawn = {
        page: path
        for page, (study, figure) in INSTRUMENTS.items()
        if (path := run / study / f"figures/{figure}.png").is_file()
    }
    if not drawn:
        wanted = ", ".join(f"{study}/figures/{figure}" for study, figure in INSTRUMENTS.values())
        raise FileNotFoundError(f"{run}: expected a figure among {wanted}, found none")
    (DOCS / "instruments").mkdir(exist_ok=True)
    for page, path in drawn.items():
        pictures.small(path, DOCS / f"instruments/{page}.png", WIDTH_PX / PAGE_PX)


def main(run: Path = Path("results")) -> None:
    """Write what a default run in `run` shows. Raises `FileNotFoundError`."""
    table = tables.read(run / "scorecard.parquet")
    shutil.rmtree(DOCS / "figures", ignore_errors=True)
    for study, shown in STUDIES.items():
        for figure in shown.figures:
            path = DOCS / f"figures/{study}/{figure}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pictures.small(run / study / f"figures/{figure}.png", path, WIDTH_PX / PAGE_PX)
        write_result(DOCS / f"studies/{study}.md", result(study, table))
    write_page(DOCS / "gallery.md", gallery())
    write_page(DOCS / "reference_scorecard.md", reference(table))


if __name__ == "__main__":
    written = {"default": main, "overnight": write_overnight, "instruments": write_instruments}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", nargs="?", choices=written, default="default")
    written[parser.parse_args().run]()
