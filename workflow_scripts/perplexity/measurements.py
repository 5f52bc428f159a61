"""What the scores say about each claim: one function measures one quantity."""

from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.readings import EvidenceOf, Found, measured, one, select
from workflow_scripts.shared.statistics import seed_interval

COMPACT = ("rope", "nope")  # encodings that lemma 3.1 is about
COPIED = 0.5  # a copier copies alpha when every bit has more than this
# Below these a model has not learned its task, and what it does out of distribution shows nothing.
LEARNED_COPYING = 0.9  # share of bits; chance is one half
LEARNED_PARITY = 0.75  # share of labels; chance is one half


def copier_scale(scores: pd.DataFrame) -> str:
    steps = one(scores, experiment="E1", metric="training_steps")["value"]
    count = select(scores, experiment="E1", metric="gap", encoding="rope", flip="last")["n"].max()
    return f"{count} rotary copiers, {int(steps)} steps"


def no_copiers(scores: pd.DataFrame) -> str | None:
    """Why the rotary copiers cannot stand for the paper's, where they do not copy."""
    rows = select(scores, experiment="E1", metric="accuracy", encoding="rope", flip="random")
    row = rows.sort_values("size").iloc[0]
    if row["ci_high"] >= LEARNED_COPYING:
        return None
    return (
        f"our copiers write {100 * row['value']:.0f} % of the bits right at {int(row['size'])} "
        "bits: trained for too few steps to be copiers"
    )


def no_parity(reading: str, scores: pd.DataFrame) -> str | None:
    """Why the checkpoints cannot stand for the paper's, where none of them knows parity."""
    rows = scores[(scores["experiment"] == "E4") & (scores["reading"] == reading)]
    rows = rows[(rows["metric"] == "accuracy") & (rows["size"] == rows["size"].min())]
    best = float(rows.groupby("seed")["value"].max().mean())
    if best >= LEARNED_PARITY:
        return None
    return (
        f"the best checkpoints get {100 * best:.0f} % of the labels right at the trained sizes: "
        "trained for too few steps to know parity"
    )


def spelling_note(scores: pd.DataFrame, model: str) -> str:
    row = one(scores, experiment="E2", metric="digits_merged", model=model)
    return "; bits asked for with spaces, its tokenizer merges digits" if row["value"] else ""


def last(scores: pd.DataFrame, metric: str, encoding: str = "rope") -> pd.DataFrame:
    """A metric of the copiers against the size, beta's last bit flipped."""
    rows = select(scores, experiment="E1", metric=metric, encoding=encoding, flip="last")
    return rows.sort_values("size")


def form_broken(form: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Simulated predictors that break one form of the inequality."""
    row = one(scores, experiment="C1", metric="bound_broken", form=form, model="theory")
    note = f"{form} form broken by {int(row['value'])} of {int(row['n'])} simulated predictors"
    if form == "printed":
        negative = one(scores, experiment="C1", metric="bound_negative")
        note += f"; its right side is negative in {int(negative['value'])}"
    return [measured(row, Evidence.THEORY, note)]


def trained_broken(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Pairs of trained copiers of every compact encoding that keep the premises and break it."""
    rows = select(scores, experiment="E1", metric="bound_broken", form="corrected")
    rows = rows[rows["encoding"].isin(COMPACT)]
    if rows.empty or rows["n"].sum() == 0:
        return NotMeasured("no trained copier kept the premises of lemma 3.1 at any size")
    count, total = float(rows["value"].sum()), int(rows["n"].sum())
    printed = select(scores, experiment="E1", metric="bound_broken", form="printed")
    wrong = printed[printed["encoding"].isin(COMPACT)]["value"].sum()
    note = (
        f"of {total} pairs that keep the premises; the printed form is broken by {int(wrong)}; "
        + copier_scale(scores)
    )
    return [Measured(count, count, count, total, Evidence.PROTOCOL, note)]


def slope(metric: str, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Log-log slope against the length beyond the trained ones: rotary copiers, then models."""
    row = one(scores, experiment="E1", metric=f"slope_{metric}", encoding="rope")
    note = f"log-log slope over sizes beyond the trained; {copier_scale(scores)}"
    found = [measured(row, Evidence.PROTOCOL, note, reason=no_copiers(scores))]
    for _, own in select(scores, experiment="E2", metric=f"slope_{metric}").iterrows():
        model = str(own["model"])
        text = "log-log slope over sizes beyond the trained, one model"
        text += spelling_note(scores, model)
        found.append(measured(own, evidence(model), text, model=model))
    return found


def copier_slope(metric: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    row = one(scores, experiment="E1", metric=f"slope_{metric}", encoding="rope")
    first, end = (last(scores, metric).iloc[place] for place in (0, -1))
    note = (
        f"log-log slope over sizes beyond the trained ({first['value']:.3g} at "
        f"{int(first['size'])} bits, {end['value']:.3g} at {int(end['size'])}); "
        + copier_scale(scores)
    )
    return [measured(row, Evidence.PROTOCOL, note, reason=no_copiers(scores))]


def at_largest(metric: str, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """The metric at the largest size of the copiers, and of each language model."""
    row = last(scores, metric).iloc[-1]
    note = f"at {int(row['size'])} bits; {copier_scale(scores)}"
    found = [measured(row, Evidence.PROTOCOL, note, reason=no_copiers(scores))]
    rows = select(scores, experiment="E2", metric=metric, flip="last")
    for name, own in rows.groupby("model"):
        far = own.sort_values("size").iloc[-1]
        text = f"at {int(far['size'])} bits" + spelling_note(scores, str(name))
        found.append(measured(far, evidence(str(name)), text, model=str(name)))
    return found


def stays_high(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Share of sizes at which every bit of alpha has more than one half."""
    rows = scores[(scores["metric"] == "alpha_least") & (scores["flip"] == "last")]
    copiers = rows[(rows["encoding"] == "rope") & rows["seed"].notna()]
    shares = (copiers["value"] > COPIED).groupby(copiers["seed"]).mean()
    mean = seed_interval(shares)
    least = copiers["value"].min()
    note = f"least probability of any copier, bit and size {least:.3f}; {copier_scale(scores)}"
    low, high = max(mean.low, 0.0), min(mean.high, 1.0)
    reason = no_copiers(scores)
    found = [Measured(mean.value, low, high, mean.n, Evidence.PROTOCOL, note, reason=reason)]
    for name, own in rows[rows["experiment"] == "E2"].groupby("model"):
        share = float((own["value"] > COPIED).mean())
        model = str(name)
        text = f"share of {len(own)} sizes" + spelling_note(scores, model)
        found.append(Measured(share, share, share, len(own), evidence(model), text, model=model))
    return found


def over_certainty(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """What beta's log-perplexity has over -log(1 - gamma) at the largest size."""
    rows = last(scores, "over_certainty")
    if rows.empty:
        return NotMeasured("no rotary copier kept the premises at any size")
    row, bound = rows.iloc[-1], last(scores, "corrected_bound").iloc[-1]
    first = rows.iloc[0]
    note = (
        f"nats over -log(1 - gamma) at {int(row['size'])} bits ({first['value']:.3g} at "
        f"{int(first['size'])}), less the epsilon that the corrected inequality allows there, "
        f"{bound['value']:.3g}; {copier_scale(scores)}"
    )
    value, low, high = (
        float(row[end]) - float(bound["value"]) for end in ("value", "ci_low", "ci_high")
    )
    return [Measured(value, low, high, int(row["n"]), Evidence.PROTOCOL, note)]


def trained_union(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    rows = select(scores, experiment="E1", metric="union_bound_broken")
    count, total = float(rows["value"].sum()), int(rows["n"].sum())
    note = f"exact error probabilities over their bound, {total} of trained copiers"
    return [Measured(count, count, count, total, Evidence.PROTOCOL, note)]


def correlation(reading: str, size: int | None, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Pooled r at a size (None: the largest), with each training's own in the note."""
    rows = scores[(scores["metric"] == "correlation") & (scores["reading"] == reading)]
    if rows.empty:
        return NotMeasured("accuracy or perplexity did not vary over the checkpoints")
    size = int(rows["size"].max()) if size is None else size
    rows = rows[rows["size"] == size]
    pooled = rows[rows["seed"].isna()]
    if pooled.empty:
        return NotMeasured("accuracy or perplexity did not vary over the checkpoints")
    each = ", ".join(f"{value:+.2f}" for value in rows[rows["seed"].notna()]["value"])
    note = f"target read as {reading}; size {size}; trainings: {each}; n counts checkpoints"
    reason = no_parity(reading, scores)
    return [measured(pooled.iloc[0], Evidence.PROTOCOL, note, reason=reason)]


def best_rank(metric: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    rows = select(scores, experiment="E4", metric=f"best_rank_{metric}", reading="prefix")
    row = rows.sort_values("size").iloc[-1]
    note = (
        f"share of a training's checkpoints with less, at size {int(row['size'])}; "
        f"target read as prefix; {int(row['n'])} trainings"
    )
    return [measured(row, Evidence.PROTOCOL, note, reason=no_parity("prefix", scores))]


def regret(criterion: str, measured_on: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Regret of a criterion on parity checkpoints, target read as prefix."""
    rows = select(
        scores,
        experiment="selection",
        metric="regret",
        pool="parity, prefix",
        criterion=criterion,
        measured_on=measured_on,
    )
    accuracy = select(
        scores,
        experiment="selection",
        metric="regret",
        pool="parity, prefix",
        criterion="accuracy",
        measured_on=measured_on,
    )
    row = rows.iloc[0]
    note = (
        f"accuracy lost by picking with it {measured_on} "
        f"(by accuracy there: {accuracy.iloc[0]['value']:.3f}); {int(row['n'])} trainings"
    )
    return [measured(row, Evidence.PROTOCOL, note, reason=no_parity("prefix", scores))]


def published_correlations(path: str | Path) -> dict[str, tuple[float, str]]:
    """Split -> Pearson r and the tag of its source."""
    table = pd.read_csv(path).set_index("split")
    return {
        str(split): (
            float(np.float64(row["pearson_r_logppl_vs_microF1"])),
            "published-2nd" if "published-2nd" in str(row["source"]) else "published",
        )
        for split, row in table.iterrows()
    }
