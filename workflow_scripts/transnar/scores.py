"""From answers to scores: by arm, reading, algorithm and size, with intervals over seeds.

A seed's score is the mean over prompts; differences between arms, and between readings of one arm,
are paired by seed. `role` says what a size is to the training. Reasoners stand beside Table 2 of
Ibarz et al. (2022), whose scores are of Triplet-GMPNN at 64 nodes (80 for strings).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.shared import job, provenance, tables
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.statistics import seed_interval
from workflow_scripts.transnar.contrasts import NOT_RANDOMISED, OTHER_MERGES, RANDOMISED
from workflow_scripts.transnar.published import FAMILIES, reasoner_scores

METRICS = {"clrs": "clrs_score", "shape": "shape_score", "parse": "parse_score", "exact": "exact"}
CONDITIONS = ["arm", "reading", "form", "algorithm", "family", "nodes", "role", "other", "steps"]
PLACE = ["arm", "reading", "form", "algorithm", "family", "nodes", "role"]
ALL = "all"
Row = dict[str, Any]


def by_seed(answers: pd.DataFrame, sizes: dict[str, int]) -> pd.DataFrame:
    """One row a seed, place and metric: means over prompts; then over algorithms and families."""
    long = answers.melt(
        [*(name for name in PLACE if name in answers), "seed", "item"],
        list(METRICS),
        var_name="metric",
    ).dropna(subset="value")
    long["metric"] = long["metric"].map(METRICS)
    roles = {size: role for role, size in sizes.items()}
    long["role"] = long["nodes"].map(roles).fillna("other")
    families = {name: family for family, names in FAMILIES.items() for name in names}
    long["family"] = long["algorithm"].map(families)
    keys = [*PLACE, "metric", "seed"]
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


def _ends(values: "pd.Series[Any]") -> Row:
    found = seed_interval(values)
    return {"value": found.value, "ci_low": found.low, "ci_high": found.high, "n": found.n}


def pooled(frame: pd.DataFrame) -> Iterator[Row]:
    """Mean over seeds of every metric and place."""
    for place, values in frame.groupby([*PLACE, "metric"], dropna=False, sort=False)["value"]:
        yield dict(zip([*PLACE, "metric"], place, strict=True)) | _ends(values)


def differences(frame: pd.DataFrame, column: str, other: str) -> Iterator[Row]:
    """Every arm (or reading) less the one named `other`, paired by seed."""
    rest = [name for name in [*PLACE, "metric"] if name != column]
    base = frame[frame[column] == other].set_index([*rest, "seed"])["value"]
    for name, rows in frame[frame[column] != other].groupby(column, sort=False):
        apart = (rows.set_index([*rest, "seed"])["value"] - base).dropna().reset_index()
        for place, values in apart.groupby(rest, dropna=False, sort=False)["value"]:
            found = dict(zip(rest, place, strict=True)) | {column: name, "other": other}
            yield found | {"metric": f"{found['metric']}_difference"} | _ends(values)


def compared(frame: pd.DataFrame) -> Iterator[Row]:
    """Arms as they were trained against `text`, `untrained` and those of `contrasts.py`; readings
    of an arm against it.
    """
    plain = frame[frame["reading"] == "plain"]
    arms = set(plain["arm"])
    for other in [name for name in ("text", "untrained") if name in arms]:
        yield from differences(plain, "arm", other)
    for pair in (*OTHER_MERGES, *RANDOMISED, *NOT_RANDOMISED):
        if arms.issuperset(pair):
            yield from differences(plain[plain["arm"].isin(pair)], "arm", pair[1])
    for _, own in frame[frame["arm"] != "reasoner"].groupby("arm", sort=False):
        yield from differences(own, "reading", "plain")


def gaps(frame: pd.DataFrame) -> Iterator[Row]:
    """What is lost from the trained size to the longer one, and how much less the hybrid loses."""
    rows = frame[(frame["reading"] == "plain") & (frame["metric"] == "clrs_score")]
    rows = rows[(rows["algorithm"] == ALL) & (rows["family"] == ALL)]
    for form, own in rows.groupby("form", sort=False):
        wide = own.pivot_table(index=["arm", "seed"], columns="role", values="value")
        if not {"trained", "extrapolation"} <= set(wide):
            continue
        lost = (wide["trained"] - wide["extrapolation"]).dropna()
        for arm, values in lost.groupby(level="arm"):
            yield {"metric": "loss", "arm": arm, "form": form} | _ends(values)
        if {"text", "hybrid"} <= set(lost.index.get_level_values("arm")):
            less = (lost["text"] - lost["hybrid"]).dropna()
            yield {"metric": "loss_difference", "arm": "hybrid", "other": "text", "form": form} | (
                _ends(less)
            )


def taught(path: str, name: str, steps: int, published: pd.DataFrame) -> Iterator[Row]:
    """Scores of one entry's reasoners on the package's test sets, published ones beside them."""
    table = tables.read(path)
    table = table[table["output"] == "score"]
    longest = table.groupby("algorithm")["nodes"].transform("max")
    for (algorithm, nodes), rows in table.groupby(["algorithm", "nodes"], sort=False):
        row = {"algorithm": algorithm, "nodes": nodes, "arm": name, "steps": steps}
        role = "extrapolation" if nodes == longest[rows.index[0]] else "trained"
        row |= {"experiment": "reasoner", "role": role, "metric": "score"}
        for _, one in rows.iterrows():
            yield row | {"seed": one["seed"], "value": one["value"], "n": int(one["samples"])}
        yield row | _ends(rows["value"])
        if role == "extrapolation":
            known = float(published["mean_pct"].to_dict()[algorithm]) / 100
            less = row | {"metric": "score_less_published"}
            yield less | _ends(rows["value"] - known)


def _records(frame: pd.DataFrame) -> Iterator[Row]:
    for record in frame.to_dict("records"):
        yield {str(name): value for name, value in record.items()}


def table_of(
    answers: list[str],
    reasoners: dict[str, str],
    entries: dict[str, dict[str, Any]],
    published_csv: str | Path,
    sizes: dict[str, int],
) -> pd.DataFrame:
    frame = by_seed(pd.concat([tables.read(path) for path in answers], ignore_index=True), sizes)
    seeds = frame.dropna(subset="prompts").rename(columns={"prompts": "n"})
    rows: list[Row] = [{"experiment": "E1", **row} for row in _records(seeds)]
    for found in (pooled(frame), compared(frame), gaps(frame)):
        rows += [{"experiment": "E1"} | row for row in found]
    published = reasoner_scores(published_csv)
    for name, path in reasoners.items():
        rows += list(taught(path, name, entries[name]["steps"], published))
    scores = pd.DataFrame(rows).assign(model="decoders trained here")
    scores["model"] = scores["model"].where(scores["experiment"] == "E1", "reasoners trained here")
    whole = {"seed": "Int64", "nodes": "Int64", "steps": "Int64"}
    for column in ("seed", *CONDITIONS, "ci_low", "ci_high"):
        scores[column] = scores.get(column)
    return scores.astype(whole)[[*SCORES.columns, *CONDITIONS]]


def main(
    answers: list[str],
    reasoners: dict[str, str],
    entries: dict[str, dict[str, Any]],
    published_csv: str,
    path: str,
    sizes: dict[str, int],
    provenance: dict[str, Any],
) -> None:
    scores = table_of(answers, reasoners, entries, published_csv, sizes)
    tables.write(scores, path, SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        given, params = snakemake.input, snakemake.params
        main(
            list(given.answers),
            dict(zip(params.reasoners, given.reasoners, strict=True)),
            params.reasoners,
            given.published,
            snakemake.output.table,
            params.sizes,
            provenance=provenance.of(snakemake),
        )
