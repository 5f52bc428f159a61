"""What the claims read from the scores: one function measures one quantity.

`run` is what the training of the copiers, or of the parity models, followed of the paper's protocol
(`claims.protocols`).
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.perplexity.scores import COMPACT, XI
from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, by_model, measured, one, select
from workflow_scripts.shared.protocol import Protocol

pick = partial(select, seeds="pooled", undefined="drop")
single = partial(select, seeds="single", undefined="drop")

# Below these a model has not learned its task, and its behaviour out of distribution shows nothing.
LEARNED_COPYING = 0.9  # share of bits; chance is one half
LEARNED_PARITY = 0.75  # share of labels; chance is one half


def with_reduced(note: str, run: Protocol) -> str:
    """The note, and what the run reduced of the paper's protocol."""
    return f"{note}; reduced: {run.reduced}" if run.reduced else note


def copier_scale(scores: pd.DataFrame, run: Protocol) -> str:
    """How many rotary copiers were trained and for how long, for a note."""
    steps = one(scores, experiment="E1", metric="training_steps")["value"]
    count = last(scores, "gap")["n"].max()
    return with_reduced(f"{count} rotary copiers, {int(steps)} steps", run)


def no_copiers(scores: pd.DataFrame) -> str | None:
    """Why the rotary copiers cannot represent the paper's, if they do not copy."""
    rows = pick(scores, experiment="E1", metric="accuracy", encoding="rope", flip="random")
    row = rows.sort_values("size").iloc[0]
    if row["value"] >= LEARNED_COPYING:
        return None
    return (
        f"our copiers write {100 * row['value']:.0f} % of the bits right at {int(row['size'])} "
        f"bits, expected {100 * LEARNED_COPYING:.0f} %; train them for more steps"
    )


def no_parity(target: str, scores: pd.DataFrame) -> str | None:
    """Why the checkpoints cannot represent the paper's, if none of them has learned parity."""
    rows = single(scores, experiment="E4", metric="accuracy", target=target)
    rows = rows[rows["size"] == rows["size"].min()]
    best = float(rows.groupby("seed")["value"].max().mean())
    if best >= LEARNED_PARITY:
        return None
    return (
        f"the best checkpoints get {100 * best:.0f} % of the labels right at the trained sizes, "
        f"expected {100 * LEARNED_PARITY:.0f} %; train them for more steps"
    )


def asked(scores: pd.DataFrame, model: str) -> str:
    """For a note: how many wordings, and whether the tokenizer merges digits."""
    pairs = select(scores, seeds="pooled", undefined="drop", experiment="E2", metric="gap")
    wordings = pairs.loc[(pairs["model"] == model) & (pairs["wording"] != ""), "wording"].nunique()
    text = f"; {wordings} wording{'s' * (wordings != 1)}"
    row = one(scores, experiment="E2", metric="digits_merged", model=model)
    merges = "; bits written with spaces, its tokenizer merges digits"
    return text + merges if row["value"] else text


def last(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric of the rotary copiers, ascending by size; beta's last bit is flipped."""
    rows = pick(scores, experiment="E1", metric=metric, encoding="rope", flip="last")
    return rows.sort_values("size")


def language_models(scores: pd.DataFrame, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """A metric of each language model, by name; beta's last bit is flipped."""
    rows = pick(scores, experiment="E2", metric=metric, flip="last", wording="")
    return by_model(rows.sort_values(["model", "size"]))


def copiers(row: pd.Series, note: str, run: Protocol, scores: pd.DataFrame) -> Measured:
    """A row of the rotary copiers as a measurement, undecided if they do not copy."""
    note = f"{note}; {copier_scale(scores, run)}"
    return measured(row, run.evidence, note, reason=no_copiers(scores))


def form_broken(form: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Simulated predictors that violate one form of the inequality."""
    row = one(scores, experiment="C1", metric="bound_broken", form=form, model="theory")
    note = f"{form} form violated by {int(row['value'])} of {int(row['n'])} simulated predictors"
    if form == "printed":
        negative = one(scores, experiment="C1", metric="bound_negative")
        note += f"; its right side is negative in {int(negative['value'])}"
    return [measured(row, Evidence.THEORY, note)]


def neighbours(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of copiers with a neighbour that is not copied and hardly differs in perplexity."""
    rows = pick(scores, experiment="E1", metric="neighbour_found")
    least = int(one(scores, experiment="E1", metric="enough_bits")["value"])
    if rows.empty:
        return NotMeasured(
            f"no copier with compact positions copies zeros at {least} bits or more, from where "
            f"the lemma can promise {XI} nats; add a size to perplexity.copying.sizes"
        )
    row = rows.iloc[0]
    note = (
        f"at {int(row['size'])} bits, within {XI} nats (promised from {least} bits), of the "
        f"copiers with compact positions that copy zeros there; {copier_scale(scores, run)}"
    )
    return [measured(row, run.evidence, note)]


def violations(rows: pd.DataFrame, note: str, run: Protocol) -> Found:
    """The sum of counted violations over all rows."""
    count, total = float(rows["value"].sum()), int(rows["n"].sum())
    counted: dict[str, Any] = {"exact": True, "units": rows["units"].iloc[0]}
    return [Measured(count, count, count, total, run.evidence, note, **counted)]


def trained_broken(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Pairs of trained copiers with compact encodings that satisfy the premises and violate it."""
    rows, printed = (
        pick(scores, experiment="E1", metric="bound_broken", form=form, encoding=COMPACT)
        for form in ("corrected", "printed")
    )
    if rows["n"].sum() == 0:
        return NotMeasured("no trained copier satisfied the premises of lemma 3.1 at any size")
    note = (
        f"of {rows['n'].sum()} pairs that satisfy the premises; the printed form is violated by "
        f"{int(printed['value'].sum())}; {copier_scale(scores, run)}"
    )
    return violations(rows, note, run)


def trained_union(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Exact error probabilities of trained copiers over their union bound."""
    rows = pick(scores, experiment="E1", metric="union_bound_broken")
    note = f"exact error probabilities over their bound, {rows['n'].sum()} of trained copiers"
    return violations(rows, note, run)


def over_sizes(
    metric: str, note: str, run: Protocol, scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """A limit or median over sizes: of the rotary copiers, and of each language model."""
    rows = last(scores, metric)
    found = [copiers(rows.iloc[0], note, run, scores)] if len(rows) else []
    for model, own in language_models(scores, metric):
        row = own.iloc[0]
        text = f"{note}; {int(row['n'])} sizes{asked(scores, model)}"
        found.append(measured(row, evidence(model), text, model=model))
    return found or NotMeasured(
        "a limit needs four sizes above the trained ones, in perplexity.copying.sizes or "
        "perplexity.models.sizes"
    )


def copier_slope(metric: str, run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Log-log slope over lengths above the trained ones, rotary copiers only."""
    row = one(scores, experiment="E1", metric=f"slope_{metric}", encoding="rope")
    first, end = (last(scores, metric).iloc[place] for place in (0, -1))
    note = (
        f"log-log slope over sizes above the trained ones ({first['value']:.3g} at "
        f"{int(first['size'])} bits, {end['value']:.3g} at {int(end['size'])})"
    )
    return [copiers(row, note, run, scores)]


def over_certainty(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Excess of beta's log-perplexity over -log(1 - gamma) at the largest size."""
    rows = last(scores, "over_certainty")
    least = int(one(scores, experiment="E1", metric="enough_bits")["value"])
    if rows.empty or rows.iloc[-1]["size"] < least:
        return NotMeasured(
            f"no rotary copier satisfied the premises at {least} bits or more, from where {XI} "
            "nats can be promised; add a size to perplexity.copying.sizes"
        )
    first, row = rows.iloc[0], rows.iloc[-1]
    note = (
        f"nats over -log(1 - gamma) at {int(row['size'])} bits ({first['value']:.3g} at "
        f"{int(first['size'])}), {XI} allowed from {least} bits"
    )
    return [copiers(row, note, run, scores)]


def at_chance(target: str, size: float, scores: pd.DataFrame) -> str | None:
    """Why checkpoints cannot be compared at a size, if all of them are at chance there."""
    able = one(scores, experiment="E4", metric="trainings_above_chance", target=target, size=size)
    if able["value"]:
        return None
    return (
        f"all checkpoints of all {int(able['n'])} trainings are at chance at size {int(size)}; "
        "train them for more steps"
    )


def of_trainings(target: str, size: float, run: Protocol, scores: pd.DataFrame) -> str:
    """For a note: target, size, and the trainings that leave chance."""
    able = one(scores, experiment="E4", metric="trainings_above_chance", target=target, size=size)
    where = f"target {target}; size {int(size)}"
    if size > single(scores, metric="accuracy", target=target)["size"].min():
        where += ", bits beyond the trained length only"
    text = f"{where}; {int(able['value'])} of {int(able['n'])} trainings leave chance"
    return with_reduced(text, run)


def correlation(
    target: str, size: int | None, run: Protocol, scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Mean r over trainings at a size (None: the largest), each training's r in the note."""
    every = pick(scores, metric="trainings_above_chance", target=target)
    size = int(every["size"].max() if size is None else size)
    if reason := at_chance(target, size, scores):
        return NotMeasured(reason)
    rows, each = (f(scores, metric="correlation", target=target, size=size) for f in (pick, single))
    if rows.empty:
        return NotMeasured("accuracy or perplexity did not vary over the checkpoints")
    trainings = ", ".join(f"{value:+.2f}" for value in each["value"])
    note = f"{of_trainings(target, size, run, scores)}; r of each: {trainings}"
    whole = pick(scores, metric="correlation", target=f"{target}, whole string", size=size)
    if len(whole):
        note += f"; over whole strings {whole.iloc[0]['value']:+.2f}"
    return [measured(rows.iloc[0], run.evidence, note, reason=no_parity(target, scores))]


def best_rank(metric: str, run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Rank of the most accurate checkpoint in the metric at the largest size."""
    target = "prefix"
    size = int(pick(scores, metric="trainings_above_chance", target=target)["size"].max())
    if reason := at_chance(target, size, scores):
        return NotMeasured(reason)
    row = one(scores, experiment="E4", metric=f"best_rank_{metric}", target=target, size=size)
    note = (
        "share of a training's checkpoints with a smaller value; "
        f"{of_trainings(target, size, run, scores)}"
    )
    return [measured(row, run.evidence, note, reason=no_parity(target, scores))]


def worse_than_random(
    criterion: str, measured_on: str, run: Protocol, scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Regret of a criterion over parity checkpoints less that of a random choice."""
    target = "prefix"
    size = int(pick(scores, metric="trainings_above_chance", target=target)["size"].max())
    if reason := at_chance(target, size, scores):
        return NotMeasured(reason)
    rows = pick(scores, experiment="selection", pool=f"parity, {target}", measured_on=measured_on)
    row = one(rows, criterion=criterion, metric="regret_over_random")
    own, random = (one(rows, criterion=name, metric="regret") for name in (criterion, "random"))
    note = (
        f"accuracy lost by choosing with it {measured_on} ({own['value']:.3f}) minus that lost by "
        f"a random choice ({random['value']:.3f}); {of_trainings(target, size, run, scores)}"
    )
    return [measured(row, run.evidence, note, reason=no_parity(target, scores))]


def published_correlations(path: str | Path) -> dict[str, tuple[float, str]]:
    """Split -> Pearson r and the tag of its source, from the CSV file."""
    table = pd.read_csv(path).set_index("split")
    return {
        str(split): (
            float(row["pearson_r_logppl_vs_microF1"]),
            "published-2nd" if "published-2nd" in str(row["source"]) else "published",
        )
        for split, row in table.iterrows()
    }
