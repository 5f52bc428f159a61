"""The card of an embedded model: what it is, what it was trained on, what it can do."""

import base64
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.models.corpus import CORPUS
from workflow_scripts.shared import files, job, tables
from workflow_scripts.shared.schemas import SCORES

TAUGHT = {
    "arithmetic": "chains of sums with worked steps; a third after earlier final answers, right "
    "or wrong, which are shown but not learnt",
    "choices": "the largest or smallest of several numbers, as a letter or as a number",
    "copying": "copying digits, the first or last digit, counting ones and words, sums of ones",
    "facts": "latitudes of invented places: free-form, with two options, with advice of stated "
    "reliability, after an earlier answer",
    "sampling": "draws from named and stated distributions, single, in sequence and in batches; "
    "generators executed in text; numbers mapped to a distribution",
}


def markdown(rows: pd.DataFrame) -> str:
    """A table in Markdown."""
    lines = [list(map(str, rows.columns)), ["---"] * len(rows.columns)]
    lines += [list(map(str, row)) for row in rows.itertuples(index=False)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def skill_table(skills: pd.DataFrame, metric: str) -> str:
    """The scores of one metric by skill and form, in Markdown."""
    rows = skills[skills["metric"] == metric]
    return markdown(
        pd.DataFrame(
            {
                "skill": rows["skill"],
                "form": rows["form"],
                "level": rows["level"],
                metric.replace("_", " "): rows["value"].map("{:.3f}".format),
                "95 % interval": [
                    "exact" if low == high else f"{low:.3f} to {high:.3f}"
                    for low, high in zip(rows["ci_low"], rows["ci_high"], strict=True)
                ],
                "n": rows["n"],
            }
        ).sort_values(["skill", "form"], kind="stable")
    )


def corpus_table(train: pd.DataFrame) -> str:
    """Number of training conversations by skill, in Markdown."""
    counts = train.groupby("skill").size()
    return markdown(
        pd.DataFrame(
            {
                "skill": counts.index,
                "conversations": counts.to_numpy(),
                "what it holds": [TAUGHT[str(skill)] for skill in counts.index],
            }
        )
    )


def card(
    name: str,
    config: dict[str, Any],
    parameters: int,
    curve: pd.DataFrame,
    skills: pd.DataFrame,
    train: pd.DataFrame,
    origin: dict[str, Any],
) -> str:
    """The card's text; `config` is the checkpoint's, `origin` the provenance that it holds."""
    last = curve.iloc[-1]
    every = max(1, len(curve) // 8)
    shown = pd.concat([curve.iloc[every - 1 :: every], curve.tail(1)]).drop_duplicates("step")
    losses = [column for column in map(str, curve) if column.startswith("loss")]
    losses_shown = shown[["step", "tokens", *losses]].round(3)
    versions = origin.get("versions", {})
    return f"""# {name}

A **stand-in**: a small language model that this workflow trains from scratch, on text that it
generates. Its training data are known exactly, so it validates the measurements. It is not
evidence about any other model, knows no natural language beyond its own prompts, and must not be
used for anything else.

| | |
|---|---|
| architecture | {config["architectures"][0]}: {config["num_hidden_layers"]} layers, hidden size \
{config["hidden_size"]}, {config["num_attention_heads"]} heads of {config["head_dim"]}, rotary \
positions, tied embeddings |
| parameters | {parameters:,} |
| vocabulary | {config["vocab_size"]} tokens, one per digit |
| context | {config["max_position_embeddings"]} tokens |
| training | {int(last["step"]):,} steps, {int(last["tokens"]):,} tokens |
| CPU time | {last["cpu_s"]:.0f} s, {last["tokens"] / last["cpu_s"]:,.0f} tokens/s |
| seed | {origin.get("seed", "not recorded")} |
| code | commit {origin.get("commit", "not recorded")}, fingerprint \
{origin.get("code", "not recorded")} |
| made with | torch {versions.get("torch", "?")}, transformers {versions.get("transformers", "?")} |

![learning curve](figures/learning_curve.png)

## What it was trained on

{corpus_table(train)}

The loss covers the assistant's replies only. Test conversations share no item with training: sums,
digit strings and option lists are different, and two-option questions have options that were never
asked for that place. Only the latitudes, which have to be known, occur in training.

## What it can do

Share of held-out conversations with a right greedy reply: an exact match, or in arithmetic the
right final answer. Questions about facts cover all places equally, however often training states
them. Advice is right at the stated rate.

{skill_table(skills, "accuracy")}

Total variation distance between the distribution of the next token at temperature 1 and the one
that the prompt states, computed exactly:

{skill_table(skills, "total_variation")}

## Learning curve

Loss in nats per reply token; `loss` is on the training mixture, the others on held-out
conversations of one skill.

{markdown(losses_shown)}
"""


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; color: #1b1f24;
       background: #fff; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }}
table {{ border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: .25rem .7rem; border-bottom: 1px solid #dfe3e8; }}
img {{ max-width: 100%; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(text: str, title: str, folder: Path) -> str:
    """The card as one self-contained HTML page, with the figures under `folder` embedded."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark").enable("table").render(text)
    for figure in folder.glob("figures/*.png"):
        data = base64.b64encode(figure.read_bytes()).decode()
        source = figure.relative_to(folder).as_posix()
        body = body.replace(f'src="{source}"', f'src="data:image/png;base64,{data}"')
    return PAGE.format(title=title, body=body)


def main(
    checkpoint: Sequence[str | Path],
    curve: str | Path,
    skills: str | Path,
    train: str | Path,
    card_md: str | Path,
    card_html: str | Path,
    model: str,
) -> None:
    """Write the card as Markdown and as a page for the report; `checkpoint` lists its files."""
    from safetensors import safe_open

    folder = Path(checkpoint[0]).parent
    with safe_open(folder / "model.safetensors", framework="numpy") as weights:
        shapes = [weights.get_slice(key).get_shape() for key in weights.keys()]  # noqa: SIM118
    text = card(
        model,
        json.loads((folder / "config.json").read_text(encoding="utf-8")),
        sum(math.prod(shape) for shape in shapes),
        tables.read(curve),
        tables.read(skills, SCORES),
        tables.read(train, CORPUS),
        files.read_json(folder / "provenance.json"),
    )
    files.write_text(card_md, text)
    files.write_text(card_html, page(text, model, Path(card_md).parent))


if __name__ == "__main__":
    job.run(snakemake, main)
