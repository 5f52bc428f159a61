"""What the scores say about each claim: one function measures one quantity."""

import math
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.readings import EvidenceOf, Found, measured, select

STACK = "random stack"
ENCODINGS = {
    "none": "no encoding",
    "sinusoidal": "sinusoidal",
    "alibi": "ALiBi",
    "rotary": "rotary",
}
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
    """Rows of the random stacks that fit, named by their encoding where there are several."""
    rows = select(scores, experiment=experiment, metric=metric, model=STACK, **wanted)
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return NotMeasured(f"no {metric} in {experiment} at this scale: {note}")
    return [
        measured(row, SYNTHETIC, f"{ENCODINGS.get(row['encoding'], row['encoding'])}: {note}")
        for _, row in rows.iterrows()
    ]


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


def encodings_collapsed(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Encodings whose last-token representations collapse in bfloat16, of four."""
    found = []
    for experiment, part in (("E6", "layer"), ("E8", "normalised")):
        rows = select(
            scores, experiment=experiment, metric="collapse_share", precision="bfloat16", part=part
        )
        rows = rows[rows["model"] == STACK]
        lengths = select(scores, experiment=experiment, metric="gap_ulps", part=part)["length"]
        least, most = int((rows["value"] == 1).sum()), int((rows["value"] > 0).sum())
        names = ", ".join(
            f"{ENCODINGS[row['encoding']]} {100 * row['value']:.0f} %" for _, row in rows.iterrows()
        )
        note = f"{experiment}, to {int(lengths.max()):,} tokens; seeds that collapse: {names}"
        value = float((rows["value"] >= 0.5).sum())
        found.append(Measured(value, least, most, int(rows["n"].iloc[0]), SYNTHETIC, note))
    return found


def by_precision(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """log10 of the collapse length in float16 over that in bfloat16, no encoding."""
    rows = select(
        scores,
        experiment="E6",
        metric="collapse_length",
        part="layer",
        encoding="none",
        model=STACK,
    ).set_index("precision")
    if rows.loc[["bfloat16", "float16"], "value"].isna().any():
        return NotMeasured("float16 does not collapse at the lengths that ran")
    low, high = rows.loc["bfloat16"], rows.loc["float16"]
    ends = [
        float(high["ci_low"]) / float(low["ci_high"]),
        float(high["ci_high"]) / float(low["ci_low"]),
    ]
    low_end, high_end = (math.log10(end) if math.isfinite(end) else math.inf for end in ends)
    value = math.log10(high["value"] / low["value"])
    note = (
        f"{low['value']:.0f} tokens in bfloat16, {high['value']:.0f} in float16; "
        "ends from least and greatest seed"
    )
    high_end = 99.0 if not math.isfinite(high_end) else high_end
    return [Measured(value, low_end, high_end, int(low["n"]), SYNTHETIC, note)]


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
    """log10 of one panel's gap over another's at the longest length, last digit, float32."""
    rows = select(scores, experiment="E4", metric="gap_linf", precision="float32", place="digit")
    found = []
    for model, own in rows.groupby("model", sort=False):
        longest = own[own["length"] == own["length"].max()].set_index("panel")
        if not {over, under} <= set(longest.index) or not (longest["value"] > 0).all():
            continue
        a, b = longest.loc[over], longest.loc[under]
        value = math.log10(a["value"] / b["value"])
        # A panel of one sequence has no spread; where there are draws their interval counts.
        ends = [
            math.log10(max(a[x], 1e-300) / max(b[y], 1e-300))
            for x, y in (("ci_low", "ci_high"), ("ci_high", "ci_low"))
        ]
        text = f"{note}, {int(longest['length'].iloc[0])} digits"
        found.append(
            Measured(value, *ends, int(a["n"]), evidence(str(model)), text, model=str(model))
        )
    return found or NotMeasured("no gaps in float32")


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


def untested(reason: str, *_: Any) -> Found:
    return NotMeasured(reason)


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
