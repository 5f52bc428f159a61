"""From answers to scores: per arm, inference condition, algorithm and size, intervals over seeds.

A seed's score is the mean over prompts. Differences between arms, and between inference conditions
of one arm, are paired by seed. `role` is what a size is to the training. Reasoners are compared
with table 2 of Ibarz et al. (2022): Triplet-GMPNN at 64 nodes (80 for strings).
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared import job, scores, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import Row
from workflow_scripts.transnar.contrasts import NOT_RANDOMISED, OTHER_MERGES, RANDOMISED
from workflow_scripts.transnar.published import FAMILY, mean_pct

METRICS = {"clrs": "clrs_score", "shape": "shape_score", "parse": "parse_score", "exact": "exact"}
PLACE = ["arm", "inference", "form", "algorithm", "family", "nodes", "role"]
KEYS = [*PLACE, "metric"]
ALL = "all"
DECODERS, REASONERS = "decoders trained here", "reasoners trained here"

over_seeds = partial(scores.mean, "E1", model=DECODERS)


def by_seed(answers: pd.DataFrame, sizes: dict[str, int]) -> pd.DataFrame:
    """One row per seed, place and metric: means over prompts, then over algorithms and families.

    `sizes` maps roles to nodes. Means over prompts have their number in `prompts`.
    """
    long = answers.melt(
        [*(name for name in PLACE if name in answers), "seed", "item"],
        list(METRICS),
        var_name="metric",
    ).dropna(subset="value")
    long["metric"] = long["metric"].map(METRICS)
    roles = {size: role for role, size in sizes.items()}
    long["role"] = long["nodes"].map(roles).fillna("other")
    long["family"] = long["algorithm"].map(FAMILY)
    keys = [*KEYS, "seed"]
    each = long.groupby(keys, sort=False)["value"].agg(["mean", "size"]).reset_index()
    each = each.rename(columns={"mean": "value", "size": "prompts"})
    wide = [name for name in keys if name != "algorithm"]
    family = each.groupby(wide, sort=False)[["value"]].mean().reset_index()
    wider = [name for name in wide if name != "family"]
    whole = each.groupby(wider, sort=False)[["value"]].mean().reset_index()
    return pd.concat(
        [each, family.assign(algorithm=ALL), whole.assign(algorithm=ALL, family=ALL)],
        ignore_index=True,
    )


def pooled(frame: pd.DataFrame) -> Iterator[Row]:
    """Mean over seeds of every metric and place."""
    for place, values in frame.groupby(KEYS, dropna=False, sort=False)["value"]:
        row: Row = dict(zip(KEYS, place, strict=True))
        yield over_seeds(values=values, **row)


def differences(frame: pd.DataFrame, column: str, other: str) -> Iterator[Row]:
    """Every arm (or inference condition) minus the one named `other`, paired by seed."""
    rest = [name for name in KEYS if name != column]
    base = frame[frame[column] == other].set_index([*rest, "seed"])["value"]
    for name, rows in frame[frame[column] != other].groupby(column, sort=False):
        apart = (rows.set_index([*rest, "seed"])["value"] - base).dropna().reset_index()
        for place, values in apart.groupby(rest, dropna=False, sort=False)["value"]:
            row: Row = dict(zip(rest, place, strict=True)) | {column: name, "other": other}
            row["metric"] += "_difference"
            yield over_seeds(values=values, **row)


def compared(frame: pd.DataFrame) -> Iterator[Row]:
    """Differences between arms as trained, and between inference conditions of an arm.

    Arms are compared with `text`, with `untrained`, and as in `contrasts.py`.
    """
    plain = frame[frame["inference"] == "plain"]
    arms = set(plain["arm"])
    for other in [name for name in ("text", "untrained") if name in arms]:
        yield from differences(plain, "arm", other)
    for pair in (*OTHER_MERGES, *RANDOMISED, *NOT_RANDOMISED):
        if arms.issuperset(pair):
            yield from differences(plain[plain["arm"].isin(pair)], "arm", pair[1])
    for _, own in frame[frame["arm"] != "reasoner"].groupby("arm", sort=False):
        yield from differences(own, "inference", "plain")


def score_lost(frame: pd.DataFrame) -> Iterator[Row]:
    """CLRS score lost from the trained to the longer size, and how much less the hybrid loses."""
    rows = frame[(frame["inference"] == "plain") & (frame["metric"] == "clrs_score")]
    rows = rows[(rows["algorithm"] == ALL) & (rows["family"] == ALL)]
    for form, own in rows.groupby("form", sort=False):
        wide = own.pivot_table(index=["arm", "seed"], columns="role", values="value")
        if not {"trained", "extrapolation"} <= set(wide):
            continue
        lost = (wide["trained"] - wide["extrapolation"]).dropna()
        for arm, values in lost.groupby(level="arm"):
            yield over_seeds("loss", values, arm=arm, form=form)
        if {"text", "hybrid"} <= set(lost.index.get_level_values("arm")):
            less = (lost["text"] - lost["hybrid"]).dropna()
            yield over_seeds("loss_difference", less, arm="hybrid", other="text", form=form)


def reasoner_rows(path: str, name: str, steps: int, published: dict[str, float]) -> Iterator[Row]:
    """Scores of one entry's reasoners on the package's test sets, and minus the published ones.

    `published` maps algorithms to scores in %.
    """
    table = tables.read(path)
    table = table[table["output"] == "score"]
    longest = table.groupby("algorithm")["nodes"].transform("max")
    for (algorithm, nodes), rows in table.groupby(["algorithm", "nodes"], sort=False):
        role = "extrapolation" if nodes == longest[rows.index[0]] else "trained"
        place = {"algorithm": algorithm, "nodes": nodes, "role": role, "arm": name, "steps": steps}
        row: Row = {"experiment": "reasoner", "model": REASONERS, **place}
        for _, one in rows.iterrows():
            single = {"value": one["value"], "n": one["samples"], "seed": one["seed"]}
            yield scores.number(metric="score", units="samples", **single, **row)
        yield scores.mean(metric="score", values=rows["value"], **row)
        if role == "extrapolation":
            apart = rows["value"] - published[str(algorithm)] / 100
            yield scores.mean(metric="score_less_published", values=apart, **row)


def main(
    answers: list[str],
    reasoners: list[str],
    published: str,
    table: str,
    steps: dict[str, int],
    sizes: dict[str, int],
    provenance: dict[str, Any],
) -> None:
    """Write the study's scores to `table`, from tables of answers and of the reasoners' scores.

    `steps` maps the reasoners, in the order of their tables, to the training steps per algorithm;
    `sizes` maps roles to nodes.
    """
    frame = by_seed(pd.concat([tables.read(path) for path in answers], ignore_index=True), sizes)
    single = frame.dropna(subset="prompts").rename(columns={"prompts": "n"})
    single = single.assign(experiment="E1", model=DECODERS, units="prompts", exact=False)
    rows = [*pooled(frame), *compared(frame), *score_lost(frame)]
    known = mean_pct(published)
    for path, (name, count) in zip(reasoners, steps.items(), strict=True):
        rows += reasoner_rows(path, name, count, known)
    found = scores.table([single, rows], [*PLACE, "other", "steps"], whole=["nodes", "steps"])
    tables.write(found, table, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
