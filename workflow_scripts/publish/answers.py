"""Which claims hold for which model: a picture, a table of agreements, and one page per model.

Only models that the workflow did not train have answers. An answer comes from the interval alone,
whatever the paper's own models do; the scorecard's verdict is about the paper's models.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd

from workflow_scripts.publish.scorecard import (
    PLURALS,
    TEMPLATES,
    about,
    measured_text,
    published_text,
    records,
)
from workflow_scripts.shared import figures, files, job, sources, tables
from workflow_scripts.shared.claims import Answer, Kind
from workflow_scripts.shared.figures import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In this order: of several answers of one model to one claim, the first counts.
ORDER = (Answer.FAILS, Answer.UNCLEAR, Answer.HOLDS, Answer.NOT_MEASURED)
LOOKS = {  # colour, and a sign for readers who do not see it
    Answer.HOLDS: (COLOURS["green"], "+"),
    Answer.FAILS: (COLOURS["vermilion"], "–"),
    Answer.UNCLEAR: (COLOURS["yellow"], "?"),
    Answer.NOT_MEASURED: ("#E6E6E6", ""),
}
ROW_IN, COLUMN_IN = 0.13, 0.2  # size of a cell


def matrix(scorecard: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """The answer of each model to each claim about language models.

    Index (study, id), one column per model. A claim that was measured on a model under several
    conditions fails if it fails under one, and holds if it holds under all that decide.
    """
    claims = scorecard[scorecard["about_models"]]
    index = pd.MultiIndex.from_frame(claims[["study", "id"]].drop_duplicates())
    found = pd.DataFrame(str(Answer.NOT_MEASURED), index=index, columns=list(models))
    answered = claims[claims["answer"].notna() & claims["model"].isin(models)]
    for (study, claim, model), rows in answered.groupby(["study", "id", "model"]):
        given = set(rows["answer"])
        found.loc[(study, claim), model] = next(str(each) for each in ORDER if each in given)
    return found


def kinds(scorecard: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The kind of each claim, by study and id."""
    named = scorecard.drop_duplicates(["study", "id"])
    keys = zip(named["study"], named["id"], strict=True)
    return dict(zip(keys, named["kind"], strict=True))


def agreement(answers: pd.DataFrame, kind: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """In how many models each claim holds, fails, is unclear or was not measured.

    Columns: study, id, kind, models, then one count per answer.
    """
    counts = pd.DataFrame(
        {str(answer): (answers == answer).sum(axis=1) for answer in Answer}, index=answers.index
    )
    counts.insert(0, "kind", [kind[key] for key in answers.index])
    counts.insert(1, "models", answers.shape[1])
    return counts.reset_index()


def picture(answers: pd.DataFrame, kind: Mapping[tuple[str, str], str]) -> "Figure":
    """Models by claims, one panel per study, coloured by the answer.

    What is no claim of a paper has its kind beside its id.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    studies = list(dict.fromkeys(answers.index.get_level_values("study")))
    across = min(3, max(1, len(studies)))
    lines = -(-max(1, len(studies)) // across)
    sizes = [int((answers.index.get_level_values("study") == study).sum()) for study in studies]
    tallest = [max(sizes[line * across : (line + 1) * across] or [1]) for line in range(lines)]
    height = sum(ROW_IN * size + 0.9 for size in tallest)
    width = max(figures.PAGE_IN, across * (COLUMN_IN * answers.shape[1] + 0.8))
    figure, axes = plt.subplots(
        lines,
        across,
        figsize=(width, height + 0.4),
        squeeze=False,
        height_ratios=[size + 6 for size in tallest],
    )
    for panel in axes.flat[len(studies) :]:
        panel.set_visible(False)
    for number, (panel, study) in enumerate(zip(axes.flat, studies, strict=False)):
        own = answers.loc[study]
        names = {claim: _named(claim, kind[study, claim]) for claim in own.index}
        _panel(panel, own.rename(index=names), tallest[number // across])
        panel.set_title(study)
    patches = [
        Patch(facecolor=colour, label=f"{answer} ({sign})" if sign else str(answer))
        for answer, (colour, sign) in LOOKS.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))
    return figure


def _named(claim: str, kind: str) -> str:
    """The id of a claim, with its kind unless it is a claim of a paper."""
    return claim if kind == Kind.PAPER else f"{claim} ({kind})"


def _panel(panel: "Axes", answers: pd.DataFrame, rows: int) -> None:
    """One study's answers; `rows` is the number of claims that the panel has room for."""
    for row, values in enumerate(answers.to_numpy()):
        for column, answer in enumerate(values):
            colour, sign = LOOKS[Answer(answer)]
            panel.add_patch(_cell(column, row, colour))
            panel.text(column, row, sign, ha="center", va="center", fontsize=6)
    panel.set_xlim(-0.5, answers.shape[1] - 0.5)
    panel.set_ylim(rows - 0.5, -0.5)
    panel.xaxis.tick_top()
    panel.set_xticks(range(answers.shape[1]), answers.columns, rotation=60, ha="left", fontsize=6)
    panel.set_yticks(range(len(answers)), answers.index, fontsize=6)
    panel.tick_params(length=0)
    panel.grid(False)
    for spine in panel.spines.values():
        spine.set_visible(False)


def _cell(column: int, row: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="white")


def page(model: str, spec: Mapping[str, Any], scorecard: pd.DataFrame) -> dict[str, Any]:
    """What the page of one model shows: its answers by study, with numbers, and what is missing."""
    claims = scorecard[scorecard["about_models"]]
    own = claims[(claims["model"] == model) & claims["answer"].notna()]
    measured = [
        row
        | {"published": published_text(row), "measured": measured_text(row), "about": _about(row)}
        | {"mark": _mark(row)}
        for row in records(own[own["answer"] != Answer.NOT_MEASURED])
    ]
    answered = set(own["study"] + " " + own["id"])
    without = own[own["answer"] == Answer.NOT_MEASURED]
    others = claims[~(claims["study"] + " " + claims["id"]).isin(answered)]
    missing = [
        {key: row[key] for key in ("study", "id", "statement")}
        | {"mark": _mark(row), "why": _why(row)}
        for row in records(pd.concat([without, others]).drop_duplicates(["study", "id"]))
    ]
    return {
        "model": model,
        "settings": _settings(spec),
        "counts": _counts(matrix(scorecard, [model])[model], kinds(scorecard)),
        "measured": measured,
        "missing": missing,
        "studies": list(dict.fromkeys(row["study"] for row in measured)),
        "scale": ", ".join(scorecard["scale"].unique()),
    }


def _counts(
    answers: "pd.Series[str]", kind: Mapping[tuple[str, str], str]
) -> dict[str, dict[str, int]]:
    """Number of claims per answer, by the kind of claim; claims of the papers come first."""
    of_kind = [kind[key] for key in answers.index]
    shown = [each for each in Kind if each is Kind.PAPER or each in of_kind]
    return {
        PLURALS[each]: {
            str(answer): sum(
                k == each and a == answer for k, a in zip(of_kind, answers, strict=True)
            )
            for answer in Answer
        }
        for each in shown
    }


def _mark(row: Mapping[str, Any]) -> str:
    """The kind of a claim as it stands before the statement; "" for a claim of a paper."""
    return "" if row["kind"] == Kind.PAPER else f"*{row['kind']}*: "


def _settings(spec: Mapping[str, Any]) -> dict[str, str]:
    """What the page says about the model's entry: no address, key or folder of this machine."""
    source = spec["source"]
    local = sources.local_path(dict(spec))
    named = Path(local).name if local else source
    if isinstance(source, dict) and "package" in source:
        named = f"{source['file']} of package {source['package']}"
    shown = {"source": named, "engine": "transformers", "dtype": "float32"}
    shown |= {key: spec[key] for key in ("revision", "engine", "dtype", "thinking") if key in spec}
    return {key: str(value) for key, value in shown.items()}


def _about(row: Mapping[str, Any]) -> str:
    return about(dict(row) | {"model": None})


def _why(row: Mapping[str, Any]) -> str:
    """Why a claim was not measured on a model: the measurement's reason, or that of the claim."""
    if row["answer"] == Answer.NOT_MEASURED or row["value"] is None:
        return row["reason"] or "not part of this run"
    return "not measured on this model in this run"


def render(content: Mapping[str, Any]) -> tuple[str, str]:
    """The page as Markdown and as self-contained HTML."""
    from markdown_it import MarkdownIt

    loader = jinja2.FileSystemLoader(TEMPLATES)
    options: dict[str, Any] = {"undefined": jinja2.StrictUndefined, "trim_blocks": True}
    plain = jinja2.Environment(loader=loader, **options)
    plain.filters["cell"] = lambda text: str(text).replace("|", r"\|").replace("\n", " ")
    markdown = plain.get_template("model_page.md.j2").render(content)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    safe = jinja2.Environment(loader=loader, autoescape=True, **options)
    html = safe.get_template("model_page.html.j2").render(title=content["model"], body=body)
    return markdown, html


def main(
    scorecard: str,
    png: str,
    table: str,
    pages: Sequence[str],
    shown: Sequence[str],
    models: Mapping[str, Mapping[str, Any]],
) -> None:
    """Draw the picture and write the table of agreements and one page per model.

    `models` maps each model that was not trained here to its entry in the config; `pages` holds the
    Markdown files and `shown` the HTML files, in the order of `models`.
    """
    card = tables.read(scorecard)
    answers = matrix(card, list(models))
    figures.use_style()
    kind = kinds(card)
    figures.save(picture(answers, kind), png)
    files.write_text(table, agreement(answers, kind).to_csv(index=False))
    for (name, spec), markdown_file, html_file in zip(models.items(), pages, shown, strict=True):
        markdown, html = render(page(name, spec, card))
        files.write_text(markdown_file, markdown)
        files.write_text(html_file, html)


if __name__ == "__main__":
    job.run(snakemake, main)
