"""Which claims hold for which model: a picture, a table of agreements, and one page per model.

Only models that the workflow did not train have answers. An answer comes from the interval alone,
whatever the paper's own models do; the scorecard's verdict is about the paper's models.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd
import pyarrow.parquet as pq

from workflow_scripts.inference import probe_facts
from workflow_scripts.publish import spent
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

    sizes = answers.groupby(level="study", sort=False).size()
    columns = _columns({str(study): int(size) for study, size in sizes.items()})
    head = 5 + max((len(name) for name in answers.columns), default=0) // 2  # in rows
    heights = [sum(sizes[study] + head for study in column) for column in columns]
    width = max(figures.PAGE_IN, len(columns) * (COLUMN_IN * answers.shape[1] + 0.8))
    figure = plt.figure(figsize=(width, ROW_IN * max(heights) + 0.4))
    grid = figure.add_gridspec(1, len(columns))
    for place, (column, height) in enumerate(zip(columns, heights, strict=True)):
        # The layout gives the room of titles and names first; the ratios divide the rest.
        ratios = [*(sizes[study] for study in column), max(max(heights) - height, 1e-3)]
        inner = grid[place].subgridspec(len(ratios), 1, height_ratios=ratios)
        for line, study in enumerate(column):
            panel = figure.add_subplot(inner[line])
            own = answers[answers.index.get_level_values("study") == study].droplevel("study")
            labels = [_named(claim, kind[study, claim]) for claim in own.index]
            _panel(panel, own.set_axis(labels, axis=0))
            panel.set_title(study)
    patches = [
        Patch(facecolor=colour, label=f"{answer} ({sign})" if sign else str(answer))
        for answer, (colour, sign) in LOOKS.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))
    return figure


def _columns(sizes: Mapping[str, int]) -> list[list[str]]:
    """The studies in at most three columns of similar height, in their order in each column."""
    columns: list[list[str]] = [[] for _ in range(min(3, len(sizes)))]
    for study in sorted(sizes, key=lambda study: -sizes[study]):
        min(columns, key=lambda column: sum(sizes[each] + 10 for each in column)).append(study)
    order = list(sizes)
    columns = [sorted(column, key=order.index) for column in columns]
    return sorted(columns, key=lambda column: order.index(column[0]))


def _named(claim: str, kind: str) -> str:
    """The id of a claim, with its kind unless it is a claim of a paper."""
    return claim if kind == Kind.PAPER else f"{claim} ({kind})"


def _panel(panel: "Axes", answers: pd.DataFrame) -> None:
    """One study's answers, one row per claim and one column per model."""
    for row, values in enumerate(answers.to_numpy()):
        for column, answer in enumerate(values):
            colour, sign = LOOKS[Answer(answer)]
            panel.add_patch(_cell(column, row, colour))
            panel.text(column, row, sign, ha="center", va="center", fontsize=6)
    panel.set_xlim(-0.5, answers.shape[1] - 0.5)
    panel.set_ylim(len(answers) - 0.5, -0.5)
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


def page(
    model: str,
    spec: Mapping[str, Any],
    scorecard: pd.DataFrame,
    cost: pd.DataFrame,
    wall_s: Mapping[str, float | None],
    left_out: Sequence[str] = (),
    server: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the page of one model shows: its answers by study, with numbers, and what is missing.

    `cost` is the table of `spent.table`; `wall_s` maps each study that lists the model to the wall
    time of its jobs in seconds; `left_out` are the studies that are not part of the run; `server`
    is the probe of the model's server, if it is on one.
    """
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
        | {"mark": _mark(row), "why": _why(row, row["study"] in wall_s)}
        for row in records(pd.concat([without, others]).drop_duplicates(["study", "id"]))
    ]
    return {
        "model": model,
        "settings": _settings(spec),
        "counts": _counts(matrix(scorecard, [model])[model], kinds(scorecard)),
        "measured": measured,
        "missing": missing,
        "studies": list(dict.fromkeys(row["study"] for row in measured)),
        "cost": _cost(cost, wall_s),
        "replies": _replies(cost),
        "left_out": list(left_out),
        "server": [] if server is None else probe_facts.table(server["facts"]),
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
    shown = {"source": named_source(spec), "engine": "transformers", "dtype": "float32"}
    keys = ("kind", "revision", "engine", "dtype", "thinking")
    shown |= {key: spec[key] for key in keys if key in spec}
    return {key: str(value) for key, value in shown.items()}


def precision_of(spec: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """The model's entry, with the dtypes of its replies in tables `paths` where it says `auto`."""
    if spec.get("dtype") != "auto":
        return dict(spec)
    tables_with = [path for path in paths if "dtype" in pq.read_schema(path).names]
    found = [pd.read_parquet(path, columns=["dtype"])["dtype"] for path in tables_with]
    used = sorted(set(pd.concat(found))) if found else []
    return {**spec, "dtype": ", ".join(["auto", *used])}


def named_source(spec: Mapping[str, Any]) -> str:
    """Where a model comes from, without a folder of this machine."""
    source = spec["source"]
    if isinstance(source, dict) and "package" in source:
        return f"{source['file']} of package {source['package']}"
    local = sources.local_path(dict(spec))
    return Path(local).name if local else str(source)


def _about(row: Mapping[str, Any]) -> str:
    return about(dict(row) | {"model": None})


def _why(row: Mapping[str, Any], listed: bool) -> str:
    """Why a claim was not measured on a model: the measurement's reason, or that of the claim.

    `listed` says whether the claim's study lists the model.
    """
    if not listed:
        return f"the model is not listed under studies.{row['study']}"
    if row["answer"] == Answer.NOT_MEASURED or row["value"] is None:
        return row["reason"] or "not part of this run"
    return "not measured on this model in this run"


def _cost(cost: pd.DataFrame, wall_s: Mapping[str, float | None]) -> list[dict[str, str]]:
    """Sums over the experiments of each study, as text; a dash for what is not known."""
    counts = ["prompts", "replies", "prompt_tokens", "completion_tokens"]
    sums = cost.groupby("study")[counts].sum(min_count=1)
    # A table without a column of tokens leaves the sum too low.
    low = cost[counts].isna().mul(cost["replies"].notna(), axis=0)
    at_least = low.groupby(cost["study"]).any()
    rows = []
    for study, seconds in wall_s.items():
        row = {"study": study, "wall": "–" if seconds is None else _duration(seconds)}
        for count in counts:
            number = sums[count].get(study, float("nan"))
            more = "≥ " if study in at_least.index and at_least.loc[study, count] else ""
            row[count] = "–" if pd.isna(number) else f"{more}{int(number):,}"
        rows.append(row)
    return rows


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _replies(cost: pd.DataFrame) -> list[dict[str, str]]:
    """Each experiment whose replies are read, with the shares that could not be used, as text."""
    read = cost[cost["cut_off"].notna() | cost["unread"].notna()]
    return [
        {"study": row["study"], "experiment": row["experiment"]}
        | {"replies": "–" if row["replies"] is None else f"{int(row['replies']):,}"}
        | {key: "–" if row[key] is None else f"{row[key]:.1%}" for key in ("cut_off", "unread")}
        for row in records(read)
    ]


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
    asked: Mapping[str, Mapping[str, Sequence[str]]],
    scores: Sequence[str],
    left_out: Sequence[str] = (),
    probes: Sequence[str] = (),
) -> None:
    """Draw the picture and write the table of agreements and one page per model.

    `models` maps each model that was not trained here to its entry in the config; `pages` holds the
    Markdown files and `shown` the HTML files, in the order of `models`. `asked` maps each model to
    the tables of its requests and replies by study; `scores` are the scores of these studies, each
    in the study's folder; `probes` are those of servers, in the models' folders. Wall times are
    read from Snakemake's benchmarks, where there are any.
    """
    card = tables.read(scorecard)
    answers = matrix(card, list(models))
    figures.use_style()
    kind = kinds(card)
    figures.save(picture(answers, kind), png)
    files.write_text(table, agreement(answers, kind).to_csv(index=False))
    found = {Path(path).parent.name: files.read_json(path) for path in probes}
    for (name, spec), markdown_file, html_file in zip(models.items(), pages, shown, strict=True):
        cost = spent.table(name, asked[name], {Path(path).parent.name: path for path in scores})
        wall_s = {study: spent.wall_s(name, study) for study in asked[name]}
        told = precision_of(spec, [path for paths in asked[name].values() for path in paths])
        markdown, html = render(page(name, told, card, cost, wall_s, left_out, found.get(name)))
        files.write_text(markdown_file, markdown)
        files.write_text(html_file, html)


if __name__ == "__main__":
    job.run(snakemake, main)
