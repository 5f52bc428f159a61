"""What the scores say about each claim: one function measures one quantity."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import (
    EvidenceOf,
    Found,
    by_model,
    counted,
    each,
    extreme,
    measured,
    one,
    select,
)
from workflow_scripts.shared.statistics import seed_interval

pick = partial(select, seeds="pooled", undefined="drop")

STACK = "random stack"
ENCODINGS = {
    "none": "no encoding",
    "sinusoidal": "sinusoidal",
    "alibi": "ALiBi",
    "rotary": "rotary",
}
FROM_DIGITS = 50  # where the gap of repeated ones nears machine precision in the paper
# Random decoders are not a model under study but the paper's own synthetic protocol.
SYNTHETIC = Evidence.PROTOCOL
one_layer = partial(pick, experiment="E6", part="layer", encoding="none", model=STACK)


def gap_slope(
    experiment: str, part: str, encodings: list[str], note: str, scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Log-log slope of the gap in float64, one measurement per encoding."""
    here = partial(pick, scores, experiment=experiment, part=part, precision="float64", model=STACK)
    found = []
    for _place, row in here(metric="gap_slope", encoding=encodings).iterrows():
        gaps = here(metric="gap_l1", encoding=row["encoding"])
        gaps = gaps.sort_values("length")
        first, last = (gaps.iloc[end] for end in (0, -1))
        told = (
            f"{ENCODINGS[row['encoding']]}: {note}; the gap goes from {first['value']:.2g} to "
            f"{last['value']:.2g} over {first['length']} to {last['length']:,} tokens"
        )
        found.append(measured(row, SYNTHETIC, told))
    return found or NotMeasured(f"{experiment}, {note}: too few lengths, or a gap is 0")


def path_ratio(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Paths that start at token 1 over those at the last token but one, at the middle depth."""
    rows = pick(scores, experiment="paths", metric="path_count")
    depths = sorted(rows["depth"].unique())
    depth = depths[len(depths) // 2]
    here = rows[rows["depth"] == depth].sort_values("position")["value"].to_numpy(float)
    falls = "at every" if (here[:-1] > here[1:]).all() else "not at every"
    note = f"{len(here)} tokens, {int(depth)} layers; falls {falls} step"
    return counted(here[0] / here[-2], len(here), note)


def together(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Earliest collapse of the four encodings over the latest, bfloat16, medians over seeds.

    An encoding that has not collapsed at the longest length does so later or never: then the value
    and the upper end use that length instead, and the lower end is 0.
    """
    found = []
    for experiment, part in (("E6", "layer"), ("E8", "normalised")):
        here = partial(pick, scores, experiment=experiment, part=part, precision="bfloat16")
        rows = here(undefined="keep", metric="collapse_length")
        first = rows.sort_values("value", na_position="last").iloc[0]
        if pd.isna(first["value"]):
            continue
        longest = float(here(metric="gap_ulps")["length"].max())
        told = ", ".join(
            f"{ENCODINGS[row['encoding']]} {_length(row['value'])}" for _, row in rows.iterrows()
        )
        never = rows["value"].isna().any()
        low = 0.0 if never else first["ci_low"] / rows["ci_high"].fillna(longest).max()
        early = longest if pd.isna(first["ci_high"]) else first["ci_high"]
        late = longest if never else rows.sort_values("value").iloc[-1]["ci_low"]
        value = float(first["value"] / rows["value"].fillna(longest).max())
        high = max(value, min(1.0, float(early / late)))
        note = f"{experiment}, to {longest:,.0f} tokens: {told}"
        found.append(Measured(value, float(low), high, int(first["n"]), SYNTHETIC, note))
    return found or NotMeasured("no encoding collapses at the lengths that ran")


def _length(value: float) -> str:
    return "not" if pd.isna(value) else f"{value:,.0f}"


def by_precision(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """log10 of the collapse length in float16 over that in bfloat16, per seed, no encoding.

    A seed that does not collapse in float16 counts with the longest length, a lower bound.
    """
    rows = one_layer(scores, seeds="single", undefined="keep", metric="collapse_length")
    wide = rows.pivot(index="seed", columns="precision", values="value").astype(float)
    longest = float(one_layer(scores, metric="gap_ulps")["length"].max())
    usable = wide[wide["bfloat16"].notna()]
    if usable.empty:
        return NotMeasured("bfloat16 does not collapse at the lengths that ran")
    late = usable["float16"].fillna(longest)
    note = (
        f"medians {usable['bfloat16'].median():,.0f} and {late.median():,.0f} tokens; "
        f"{int(usable['float16'].isna().sum())} of {len(usable)} seeds not by {longest:,.0f} in "
        "float16"
    )
    return [Measured(*seed_interval(np.log10(late / usable["bfloat16"])), SYNTHETIC, note)]


def equal_in(precision: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of seeds with bit-equal outputs at some length; the others may follow later."""
    here = partial(one_layer, scores, undefined="keep", precision=precision)
    row = here(metric="equal_share").iloc[0]
    first = here(metric="equal_length").iloc[0]["value"]
    longest = int(here(metric="equal")["length"].max())
    note = f"one random layer, to {longest:,} tokens; median first length {_length(first)}"
    value = float(row["value"])
    return [Measured(value, value, 1.0, int(row["n"]), SYNTHETIC, note)]


def in_models(
    experiment: str,
    metric: str,
    note: str,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    **wanted: Any,
) -> Found:
    """The rows of language models that fit, one measurement each."""
    found = []
    for _, row in pick(scores, experiment=experiment, metric=metric, **wanted).iterrows():
        model = str(row["model"])
        places = [row[name] for name in ("task", "prompting") if name not in wanted]
        told = ": ".join(filter(None, [note, ", ".join(filter(None, places))]))
        found.append(measured(row, evidence(model), told, model=model))
    return found or NotMeasured(f"{note}: not reached or not defined in the models that ran")


def gap_ratio(over: str, under: str, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """log10 of one panel's gap over another's, last digit, float32: mean and interval over lengths.

    Lengths from `FROM_DIGITS` on, where ones collapse in the paper.
    """
    rows = pick(scores, experiment="E4", metric="gap_linf", precision="float32", place="digit")
    found = []
    for model, own in by_model(rows[rows["length"] >= FROM_DIGITS]):
        wide = own.pivot(index="length", columns="panel", values="value").astype(float)
        if not {over, under} <= set(wide) or not (wide[[over, under]] > 0).all(axis=None):
            continue
        ratio = seed_interval(np.log10(wide[over] / wide[under]))
        note = f"last digit, float32, lengths {wide.index.min()} to {wide.index.max()}"
        found.append(Measured(*ratio, evidence(model), note, model))
    return found or NotMeasured(f"no gaps in float32 from {FROM_DIGITS} digits on")


def gap_onset(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Digits from which repeated ones are at most one unit apart, bfloat16, last digit."""
    here = partial(pick, scores, experiment="E4", panel="count_ones", place="digit")
    told = ", ".join(
        f"{row['model']} {row['value']:.1f} units at {int(row['length'])} digits"
        for _, row in here(metric="longest_gap_ulps", precision="bfloat16").iterrows()
    )
    rows = here(metric="collapse_length", precision="bfloat16")
    return each(rows, evidence, "last digit", f"no model that ran collapses in bfloat16: {told}")


def error_trend(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """The smallest rank correlation over tasks, for each model and prompting."""
    rows = pick(scores, experiment="E2", metric="error_trend")
    found = []
    for (model, prompting), own in rows.groupby(["model", "prompting"], sort=False):
        least = extreme(own, "least")
        note = f"{prompting}: smallest of {len(own)} tasks, {least['task']}"
        found.append(measured(least, evidence(str(model)), note, model=str(model)))
    return found or NotMeasured("errors or lengths do not vary")


def cure(name: str, note: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The gap at the longest length in units in the last place, bfloat16, with one cure."""
    rows = pick(scores, experiment="cures", metric="longest_gap_ulps", precision="bfloat16")
    row = one(rows, cure=name, encoding="none", model=STACK)
    told = f"no encoding, {int(row['length']):,} tokens; {note}"
    return [measured(row, SYNTHETIC, told)]


def u_shape(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The bound's smaller end over its middle third with ALiBi, at the deepest stack that ran."""
    rows = pick(scores, experiment="G5", metric="u_shape_bound", encoding="alibi")
    row = rows.sort_values("depth").iloc[-1]
    note = f"random decoders with ALiBi, {int(row['depth'])} layers"
    return [measured(row, Evidence.THEORY, note)]


def order_matters(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Size of the difference in accuracy between two orders, whichever is better."""
    note = "question first against answer form first, equal lengths"
    found = []
    for _, row in pick(scores, experiment="E5", metric="order_difference").iterrows():
        model = str(row["model"])
        low, high = sorted(abs(float(row[end])) for end in ("ci_low", "ci_high"))
        if row["ci_low"] <= 0 <= row["ci_high"]:
            low = 0.0
        size = abs(row["value"])
        found.append(Measured(size, low, high, int(row["n"]), evidence(model), note, model))
    return found
