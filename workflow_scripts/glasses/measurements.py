"""What the scores say about each claim: one function measures one quantity."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.glasses.metrics import BFLOAT16_LINE
from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import (
    EvidenceOf,
    Found,
    by_model,
    counted,
    extreme,
    measured,
    one,
    select,
)
from workflow_scripts.shared.protocol import Protocol
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
FEWEST_SEEDS = 6  # whose least and greatest value cover the median at 95 %
# Random layers of the theorems' form: a simulation, not an experiment of the paper.
RANDOM_LAYERS = Protocol(Evidence.THEORY)


class Protocols(NamedTuple):
    """What this run followed of the paper's three synthetic experiments: E6, E7 and E8."""

    figure_8: Protocol
    figure_9: Protocol
    figure_10: Protocol


class Asked(NamedTuple):
    """How each model was asked: what differs from the paper in E1, E2, E5 and E4."""

    copying: dict[str, Protocol]
    counting: dict[str, Protocol]
    order: dict[str, Protocol]
    gaps: dict[str, Protocol]


def as_asked(
    asked: dict[str, Protocol],
    test: Callable[[pd.DataFrame, EvidenceOf], Found],
    scores: pd.DataFrame,
    evidence: EvidenceOf,
) -> Found:
    """What `test` finds; a paper's model that was asked differently counts as another model."""
    found = test(scores, evidence)
    if isinstance(found, NotMeasured):
        return found
    return [_as_asked(asked, one) for one in found]


def _as_asked(asked: dict[str, Protocol], found: Measured) -> Measured:
    if found.evidence is not Evidence.PAPER_MODEL or not asked[str(found.model)].reduced:
        return found
    differs = f"asked differently from the paper's model: {asked[str(found.model)].reduced}"
    return replace(found, evidence=Evidence.OTHER_MODEL, note=f"{found.note}; {differs}")


one_layer = partial(pick, experiment="layer", part="layer", encoding="none", model=STACK)


def limit(
    experiment: str,
    part: str,
    norm: str,
    encodings: list[str],
    protocol: Protocol,
    scores: pd.DataFrame,
    _: EvidenceOf,
) -> Found:
    """Fitted limit of the gap in float64 as the length grows, one measurement per encoding."""
    here = partial(pick, scores, experiment=experiment, part=part, precision="float64", model=STACK)
    found = []
    for _place, row in here(metric=f"limit_{norm}", encoding=encodings).iterrows():
        gaps = here(metric=f"gap_{norm}", encoding=row["encoding"])
        gaps = gaps.sort_values("length")
        first, last = (gaps.iloc[end] for end in (0, -1))
        name = ENCODINGS[row["encoding"]]
        told = [
            f"{name}: the gap goes from {first['value']:.2g} to {last['value']:.2g} over "
            f"{first['length']} to {last['length']:,} tokens",
            # Below a hundredth of the line the fit's own error shows.
            "its limit is above 0" if row["ci_low"] > BFLOAT16_LINE / 100 else "",
            protocol.reduced,
        ]
        note = "; ".join(filter(None, told))
        condition = name if len(encodings) > 1 else ""
        found.append(measured(row, protocol.evidence, note, condition=condition))
    return found or NotMeasured(f"{experiment}: too few lengths for a limit")


def variation(protocol: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Fitted limit of the distance of two softmaxes in the simulation of figure 9."""
    row = one(scores, experiment="E7", metric="variation_limit", model="theory")
    note = "; ".join(filter(None, ["the paper's simulation (E7)", protocol.reduced]))
    return [measured(row, protocol.evidence, note)]


def path_ratio(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Paths that start at token 1 over those at the last token but one, at the middle depth."""
    rows = pick(scores, experiment="paths", metric="path_count")
    depths = sorted(rows["depth"].unique())
    depth = depths[len(depths) // 2]
    here = rows[rows["depth"] == depth].sort_values("position")["value"].to_numpy(float)
    falls = "at every" if (here[:-1] > here[1:]).all() else "not at every"
    note = f"{len(here)} tokens, {int(depth)} layers; falls {falls} step"
    return counted(here[0] / here[-2], len(here), note)


def crossings(protocol: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Earliest length at which an encoding's gap passes the bfloat16 line over the latest, E8.

    Geometric mean over seeds, whose draws are the same for all encodings. An encoding that does not
    pass it counts with the longest length: the ratio is then at most the value, so its lower end
    is 0.
    """
    here = partial(pick, scores, experiment="E8", part="attention", precision="float64")
    rows = here(seeds="single", undefined="keep", metric="line_length")
    wide = rows.pivot(index="seed", columns="encoding", values="value").astype(float)
    wide = wide.dropna(how="all")
    if wide.empty:
        return NotMeasured("no encoding passes the line at the lengths that ran")
    longest = float(here(metric="gap_l1")["length"].max())
    filled = wide.fillna(longest)
    ratio = seed_interval(np.log10(filled.min(axis=1) / filled.max(axis=1)))
    value, low, high = (10 ** np.array(ratio[:3])).tolist()
    told = ", ".join(
        f"{ENCODINGS[str(name)]} {'not' if each.isna().any() else format(each.median(), ',.0f')}"
        for name, each in wide.items()
    )
    note = "; ".join(filter(None, [f"medians in tokens: {told}", protocol.reduced]))
    low = 0.0 if wide.isna().any(axis=None) else low
    return [Measured(value, low, min(high, 1.0), ratio.n, protocol.evidence, note, units="seeds")]


def together(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Earliest collapse of the four encodings over the latest, bfloat16, medians over seeds.

    An encoding that has not collapsed at the longest length does so later or never: then the value
    and the upper end use that length instead, and the lower end is 0. Fewer than six seeds give no
    interval.
    """
    here = partial(pick, scores, experiment="layer", part="layer", precision="bfloat16")
    rows = here(undefined="keep", metric="collapse_length")
    first = rows.sort_values("value", na_position="last").iloc[0]
    if pd.isna(first["value"]):
        return NotMeasured("no encoding collapses in bfloat16 at the lengths that ran")
    longest = float(here(metric="gap_ulps")["length"].max())
    told = ", ".join(
        f"{ENCODINGS[row['encoding']]} {_length(row['value'])}" for _, row in rows.iterrows()
    )
    never = rows["value"].isna().any()
    low = 0.0 if never else float(first["ci_low"] / rows["ci_high"].fillna(longest).max())
    early = longest if pd.isna(first["ci_high"]) else first["ci_high"]
    late = longest if never else rows.sort_values("value").iloc[-1]["ci_low"]
    value = float(first["value"] / rows["value"].fillna(longest).max())
    high = max(value, min(1.0, float(early / late)))
    if first["n"] < FEWEST_SEEDS:
        low = high = np.nan
    note = f"one whole layer, to {longest:,.0f} tokens: {told}"
    return [Measured(value, low, high, int(first["n"]), Evidence.THEORY, note, units="seeds")]


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
    found = seed_interval(np.log10(late / usable["bfloat16"]))
    return [Measured(*found, Evidence.THEORY, note, units="seeds")]


def equal_in(precision: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of seeds with bit-equal outputs at some length that ran."""
    here = partial(one_layer, scores, undefined="keep", precision=precision)
    row = here(metric="equal_share").iloc[0]
    first = here(metric="equal_length").iloc[0]["value"]
    longest = int(here(metric="equal")["length"].max())
    note = f"one random layer, to {longest:,} tokens; median first length {_length(first)}"
    return [measured(row, Evidence.THEORY, note)]


def in_models(
    experiment: str,
    metric: str,
    note: str,
    scores: pd.DataFrame,
    evidence: EvidenceOf,
    **wanted: Any,
) -> Found:
    """The rows of language models that fit, one measurement each.

    A row's note is the reason why it decides nothing: both arms of a difference always right.
    """
    found = []
    for _, row in pick(scores, experiment=experiment, metric=metric, **wanted).iterrows():
        model = str(row["model"])
        several = [name for name in ("task", "prompting") if not isinstance(wanted.get(name), str)]
        condition = ", ".join(filter(None, (str(row[name]) for name in several)))
        more = {"model": model, "reason": row["note"] or None, "condition": condition}
        found.append(measured(row, evidence(model), note, **more))
    return found or NotMeasured(f"{note}: not reached or not defined in the models that ran")


def gap_ratio(over: str, under: str, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """log10 of one panel's gap over another's, last digit, float32: mean and interval over lengths.

    Gaps are means over heads after the final norm, as in figure 5. Lengths from `FROM_DIGITS` on,
    where ones collapse in the paper.
    """
    rows = pick(scores, experiment="E4", metric="gap_heads", precision="float32", place="digit")
    found = []
    for model, own in by_model(rows[rows["length"] >= FROM_DIGITS]):
        own = own[own["layer"] == own["layer"].max()]
        wide = own.pivot(index="length", columns="panel", values="value").astype(float)
        if not {over, under} <= set(wide) or not (wide[[over, under]] > 0).all(axis=None):
            continue
        ratio = seed_interval(np.log10(wide[over] / wide[under]))
        note = f"last digit, float32, lengths {wide.index.min()} to {wide.index.max()}"
        found.append(Measured(*ratio, evidence(model), note, model, units="lengths"))
    return found or NotMeasured(f"no gaps in float32 from {FROM_DIGITS} digits on")


def gap_onset(statistic: str, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Ones from which a statistic of the gap over heads is at most 2^-7, last digit, float32.

    `statistic`: `value` is the mean over heads, `ci_low` the lowest head. The onset lies after the
    last tested length without it. Where even the longest length is above the line, it is that
    length at least, and its upper end is open.
    """
    rows = pick(
        scores, experiment="E4", metric="gap_heads", panel="count_ones", place="digit",
        precision="float32",
    )  # fmt: skip
    found = []
    for model, own in by_model(rows):
        last = own[own["layer"] == own["layer"].max()].sort_values("length")
        lengths = [0, *last["length"].astype(int)]
        over = np.flatnonzero((last[statistic] > BFLOAT16_LINE).to_numpy(bool))
        at = int(over[-1]) + 1 if len(over) else 0
        final = last.iloc[-1]
        note = f"{final[statistic]:.3g} at {lengths[-1]:,} ones, line at {BFLOAT16_LINE:.4f}"
        reached = at + 1 < len(lengths)
        low = lengths[at] + 1 if reached else lengths[at]
        high = lengths[at + 1] if reached else np.nan
        value = high if reached else low
        found.append(
            Measured(
                value,
                low,
                high,
                len(last),
                evidence(model),
                note if reached else f"not by then: {note}",
                model,
                exact=low == high,
                units="lengths",
            )
        )
    return found or NotMeasured("no gaps in float32")


def error_trend(scores: pd.DataFrame, evidence: EvidenceOf, paper_only: bool = False) -> Found:
    """The smallest rank correlation over tasks, for each model and prompting.

    With `paper_only`, of the paper's models: other models stand beside one claim, not beside two.
    """
    rows = pick(scores, experiment="E2", metric="error_trend")
    if paper_only:
        names = [name for name, _ in by_model(rows) if evidence(name) == Evidence.PAPER_MODEL]
        rows = rows[rows["model"].isin(names)]
        if rows.empty:
            return NotMeasured("no model of the paper ran; for other models see G10a")
    found = []
    for (model, prompting), own in rows.groupby(["model", "prompting"], sort=False):
        least = extreme(own, "least")
        note = f"smallest of {len(own)} tasks, {least['task']}"
        unread = next(filter(None, own["note"]), None)
        more = {"model": str(model), "condition": str(prompting), "reason": unread}
        found.append(measured(least, evidence(str(model)), note, **more))
    return found or NotMeasured("errors or lengths do not vary")


def window(family: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of random layers with a window whose gap at the longest length is above 2^-7."""
    here = partial(
        pick, scores, experiment="cures", family=family, precision="float64", model=STACK
    )
    found = []
    for _place, row in here(metric="apart_share", cure="window").iterrows():
        length, encoding = int(row["length"]), row["encoding"]
        gaps = [
            one(here(metric="gap_linf"), cure=cure, encoding=encoding, length=length)["value"]
            for cure in ("window", "none")
        ]
        note = f"gap at {length:,} tokens: {gaps[0]:.2g}, without the window {gaps[1]:.2g}"
        found.append(measured(row, Evidence.THEORY, note, condition=ENCODINGS[encoding]))
    return found


def u_shape(kind: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The smaller of both ends over the middle third with ALiBi, at the deepest stack that ran.

    `kind`: `varying`, the measured Jacobian, or `bound`.
    """
    names = [f"front_{kind}", f"back_{kind}"]
    rows = pick(scores, experiment="G5", metric=names, encoding="alibi")
    rows = rows[rows["depth"] == rows["depth"].max()]
    told = ", ".join(
        f"{row['metric'].split('_')[0]} {row['value']:.2f}" for _, row in rows.iterrows()
    )
    note = f"random decoders with ALiBi, {int(rows['depth'].max())} layers: {told}"
    return [measured(extreme(rows, "least"), Evidence.THEORY, note)]
