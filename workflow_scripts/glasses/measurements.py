"""What the scores say about each claim: one function measures one quantity."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.readings import EvidenceOf, Found, measured, select
from workflow_scripts.shared.statistics import seed_interval

STACK = "random stack"
ENCODINGS = {
    "none": "no encoding",
    "sinusoidal": "sinusoidal",
    "alibi": "ALiBi",
    "rotary": "rotary",
}
FROM_DIGITS = 50  # where the paper sees the gap of repeated ones near machine precision
# Random decoders: no model of anybody's, the paper's own synthetic protocol.
SYNTHETIC = Evidence.PROTOCOL


def synthetic(
    experiment: str,
    metric: str,
    note: str,
    wanted: dict[str, Any],
    scores: pd.DataFrame,
    _: EvidenceOf,
) -> Found:
    """Rows of the random stacks that fit, named by their encoding and the gap that is left."""
    rows = select(scores, experiment=experiment, metric=metric, model=STACK, **wanted)
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return NotMeasured(f"no {metric} in {experiment} at this scale: {note}")
    found = []
    for _place, row in rows.iterrows():
        here = wanted | {"encoding": row["encoding"], "part": row["part"]}
        gaps = select(scores, experiment=experiment, metric="gap_l1", model=STACK, **here)
        gaps = gaps.sort_values("length")
        ends = " to ".join(f"{gaps['value'].iloc[end]:.2g}" for end in (0, -1))
        told = f"{ENCODINGS[row['encoding']]}: {note}; the gap goes from {ends}"
        told += f" over {gaps['length'].iloc[0]} to {gaps['length'].iloc[-1]:,} tokens"
        found.append(measured(row, SYNTHETIC, told))
    return found


def theory(
    experiment: str,
    metric: str,
    note: str,
    wanted: dict[str, Any],
    scores: pd.DataFrame,
    _: EvidenceOf,
) -> Found:
    """The one row of model `theory` that fits."""
    rows = select(scores, experiment=experiment, metric=metric, model="theory", **wanted)
    rows = rows[rows["length"].isna()] if "length" not in wanted else rows
    if len(rows) != 1:
        raise LookupError(f"scores: {len(rows)} rows for {experiment} {metric} {wanted}")
    return [measured(rows.iloc[0], Evidence.THEORY, f"{note}; {int(rows['n'].iloc[0])} cases")]


def path_ratio(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Paths that start at token 1 over those at the last token but one, at the middle depth."""
    rows = select(scores, experiment="paths", metric="path_count", model="theory")
    depth = sorted(rows["depth"].unique())[len(rows["depth"].unique()) // 2]
    here = rows[rows["depth"] == depth].sort_values("position")["value"].to_numpy(float)
    ratio = here[0] / here[-2]
    falls = "at every" if (here[:-1] > here[1:]).all() else "not at every"
    note = f"{len(here)} tokens, {int(depth)} layers; falls {falls} step"
    return [Measured(ratio, ratio, ratio, len(here), Evidence.THEORY, note)]


def together(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Earliest collapse of the four encodings over the latest, bfloat16, medians over seeds.

    An encoding that has not collapsed at the longest length does so later or never: then the value
    and the upper end put that length in its place, and the lower end is 0.
    """
    found = []
    for experiment, part in (("E6", "layer"), ("E8", "normalised")):
        where = {"experiment": experiment, "part": part, "precision": "bfloat16"}
        rows = select(scores, metric="collapse_length", model=STACK, **where)
        longest = float(select(scores, metric="gap_ulps", **where)["length"].max())
        first = rows.sort_values("value", na_position="last").iloc[0]
        told = ", ".join(
            f"{ENCODINGS[row['encoding']]} {_length(row['value'])}" for _, row in rows.iterrows()
        )
        note = f"{experiment}, to {longest:,.0f} tokens: {told}"
        if pd.isna(first["value"]):
            continue
        last = rows["value"].fillna(longest).max()
        never = rows["value"].isna().any()
        low = 0.0 if never else first["ci_low"] / rows["ci_high"].fillna(longest).max()
        early = longest if pd.isna(first["ci_high"]) else first["ci_high"]
        late = longest if never else rows.sort_values("value").iloc[-1]["ci_low"]
        value = float(first["value"] / last)
        high = max(value, min(1.0, float(early / late)))
        found.append(Measured(value, float(low), high, int(first["n"]), SYNTHETIC, note))
    return found or NotMeasured("no encoding collapses at the lengths that ran")


def _length(value: float) -> str:
    return "not" if pd.isna(value) else f"{value:,.0f}"


def by_precision(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """log10 of the collapse length in float16 over that in bfloat16, seed by seed, no encoding.

    A seed that does not collapse in float16 counts with the longest length, which its collapse
    length exceeds.
    """
    where = {"experiment": "E6", "part": "layer", "encoding": "none", "model": STACK}
    rows = scores[(scores["metric"] == "collapse_length") & scores["seed"].notna()]
    for column, value in where.items():
        rows = rows[(rows[column] == value).fillna(False).astype(bool)]
    wide = rows.pivot(index="seed", columns="precision", values="value").astype(float)
    longest = float(select(scores, metric="gap_ulps", **where)["length"].max())
    usable = wide[wide["bfloat16"].notna()]
    if usable.empty:
        return NotMeasured("bfloat16 does not collapse at the lengths that ran")
    late = usable["float16"].fillna(longest)
    found = seed_interval(np.log10(late / usable["bfloat16"]))
    note = (
        f"medians {usable['bfloat16'].median():,.0f} and {late.median():,.0f} tokens; "
        f"{int(usable['float16'].isna().sum())} of {len(usable)} seeds not by {longest:,.0f} in "
        "float16"
    )
    return [Measured(found.value, found.low, found.high, found.n, SYNTHETIC, note)]


def equal_in(precision: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of seeds with bit-equal outputs at some length; the others may follow later."""
    where = {"experiment": "E6", "part": "layer", "encoding": "none", "precision": precision}
    row = select(scores, metric="equal_share", model=STACK, **where).iloc[0]
    first = select(scores, metric="equal_length", model=STACK, **where).iloc[0]
    longest = int(select(scores, metric="equal", model=STACK, **where)["length"].max())
    note = f"one random layer, to {longest:,} tokens; median first length {_length(first['value'])}"
    value = float(row["value"])
    return [Measured(value, value, 1.0, int(row["n"]), SYNTHETIC, note)]


def in_models(
    experiment: str,
    metric: str,
    note: str,
    wanted: dict[str, Any],
    scores: pd.DataFrame,
    evidence: EvidenceOf,
) -> Found:
    """The rows of language models that fit, one measurement each."""
    rows = select(scores, experiment=experiment, metric=metric, **wanted)
    rows = rows[rows["value"].notna() & ~rows["model"].isin([STACK, "theory"])]
    if rows.empty:
        return NotMeasured(f"{note}: not reached or not defined in the models that ran")
    found = []
    for _, row in rows.iterrows():
        model = str(row["model"])
        told = [str(row[name]) for name in ("task", "prompting", "panel") if pd.notna(row[name])]
        place = ", ".join(text for text in told if text and name_differs(text, wanted))
        found.append(
            measured(row, evidence(model), f"{note}{': ' + place if place else ''}", model=model)
        )
    return found


def name_differs(text: str, wanted: dict[str, Any]) -> bool:
    return text not in wanted.values()


def gap_ratio(
    over: str, under: str, note: str, scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """log10 of one panel's gap over another's, last digit, float32: mean and interval over lengths.

    Lengths from `FROM_DIGITS` on, where the paper sees ones collapse.
    """
    rows = select(scores, experiment="E4", metric="gap_linf", precision="float32", place="digit")
    rows = rows[rows["length"] >= FROM_DIGITS]
    found = []
    for model, own in rows.groupby("model", sort=False):
        wide = own.pivot(index="length", columns="panel", values="value").astype(float)
        if not {over, under} <= set(wide) or not (wide[[over, under]] > 0).all(axis=None):
            continue
        each = seed_interval(np.log10(wide[over] / wide[under]))
        text = f"{note}, lengths {wide.index.min()} to {wide.index.max()}"
        found.append(
            Measured(
                each.value, each.low, each.high, each.n, evidence(str(model)), text, str(model)
            )
        )
    return found or NotMeasured(f"no gaps in float32 from {FROM_DIGITS} digits on")


def gap_onset(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Digits from which repeated ones are at most a unit apart, bfloat16, last digit."""
    where = {"experiment": "E4", "precision": "bfloat16", "panel": "count_ones", "place": "digit"}
    rows = select(scores, metric="collapse_length", **where)
    found = [
        measured(row, evidence(str(row["model"])), "last digit", model=str(row["model"]))
        for _, row in rows[rows["value"].notna()].iterrows()
    ]
    if found:
        return found
    ends = select(scores, metric="longest_gap_ulps", **where)
    told = ", ".join(
        f"{row['model']} {row['value']:.1f} units at {int(row['length'])} digits"
        for _, row in ends.iterrows()
    )
    return NotMeasured(f"no model that ran collapses in bfloat16: {told}")


def error_trend(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """The least rank correlation over tasks, for each model and prompting.

    It is positive for all only if each interval is above 0, and not so as soon as one is below:
    so the interval runs from the least lower end to the least upper end.
    """
    rows = select(scores, experiment="E2", metric="error_trend")
    found = []
    for (model, prompting), own in rows.groupby(["model", "prompting"], sort=False):
        worst = own.sort_values("value").iloc[0]
        note = f"{prompting}: least of {len(own)} tasks, {worst['task']}"
        found.append(
            Measured(
                float(worst["value"]),
                float(own["ci_low"].min()),
                float(own["ci_high"].min()),
                int(worst["n"]),
                evidence(str(model)),
                note,
                str(model),
            )
        )
    return found or NotMeasured("errors or lengths do not vary")


def cure(name: str, note: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The gap at the longest length in units of the last place, bfloat16, with one cure."""
    rows = select(
        scores, experiment="cures", metric="longest_gap_ulps", precision="bfloat16", cure=name
    )
    rows = rows[(rows["model"] == STACK) & (rows["encoding"] == "none")]
    return [
        measured(row, SYNTHETIC, f"no encoding, {int(row['length']):,} tokens; {note}")
        for _, row in rows.iterrows()
    ]


def u_shape(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The bound's lesser end over its middle third with ALiBi, at the deepest stack that ran."""
    rows = select(scores, experiment="G5", metric="u_shape_bound", encoding="alibi")
    row = rows.sort_values("depth").iloc[-1]
    note = f"random decoders with ALiBi, {int(row['depth'])} layers"
    return [measured(row, Evidence.THEORY, note)]


def order_matters(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Size of the difference in accuracy between two orders, whichever is better."""
    rows = select(scores, experiment="E5", metric="order_difference")
    found = []
    for _, row in rows.iterrows():
        low, high = float(row["ci_low"]), float(row["ci_high"])
        sizes = sorted([abs(low), abs(high)])
        if low <= 0 <= high:
            sizes[0] = 0.0
        model = str(row["model"])
        note = "question first against answer form first, equal lengths"
        found.append(
            Measured(
                abs(row["value"]), sizes[0], sizes[1], int(row["n"]), evidence(model), note, model
            )
        )
    return found
