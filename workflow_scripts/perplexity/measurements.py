"""What the claims read from the scores: one function measures one quantity."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, by_model, measured, one, select
from workflow_scripts.shared.statistics import seed_interval

pick = partial(select, seeds="pooled", undefined="drop")
single = partial(select, seeds="single", undefined="drop")

COMPACT = ["rope", "nope"]  # the encodings to which lemma 3.1 applies
COPIED = 0.5  # a copier copies alpha if every bit has more than this probability
# Below these a model has not learned its task, and its behaviour out of distribution shows nothing.
LEARNED_COPYING = 0.9  # share of bits; chance is one half
LEARNED_PARITY = 0.75  # share of labels; chance is one half


def copier_scale(scores: pd.DataFrame) -> str:
    """How many rotary copiers were trained and for how long, for a note."""
    steps = one(scores, experiment="E1", metric="training_steps")["value"]
    count = last(scores, "gap")["n"].max()
    return f"{count} rotary copiers, {int(steps)} steps"


def no_copiers(scores: pd.DataFrame) -> str | None:
    """Why the rotary copiers cannot represent the paper's, if they do not copy."""
    rows = pick(scores, experiment="E1", metric="accuracy", encoding="rope", flip="random")
    row = rows.sort_values("size").iloc[0]
    if row["ci_high"] >= LEARNED_COPYING:
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


def spelling_note(scores: pd.DataFrame, model: str) -> str:
    """For a note: whether the bits were spaced because the model's tokenizer merges digits."""
    row = one(scores, experiment="E2", metric="digits_merged", model=model)
    return "; bits written with spaces, its tokenizer merges digits" if row["value"] else ""


def last(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric of the rotary copiers, ascending by size; beta's last bit is flipped."""
    rows = pick(scores, experiment="E1", metric=metric, encoding="rope", flip="last")
    return rows.sort_values("size")


def language_models(scores: pd.DataFrame, metric: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """A metric of each language model, by name; beta's last bit is flipped."""
    rows = pick(scores, experiment="E2", metric=metric, flip="last")
    return by_model(rows.sort_values(["model", "size"]))


def copiers(row: pd.Series, note: str, scores: pd.DataFrame) -> Measured:
    """A row of the rotary copiers as a measurement, undecided if they do not copy."""
    note = f"{note}; {copier_scale(scores)}"
    return measured(row, Evidence.PROTOCOL, note, reason=no_copiers(scores))


def form_broken(form: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Simulated predictors that violate one form of the inequality."""
    row = one(scores, experiment="C1", metric="bound_broken", form=form, model="theory")
    note = f"{form} form violated by {int(row['value'])} of {int(row['n'])} simulated predictors"
    if form == "printed":
        negative = one(scores, experiment="C1", metric="bound_negative")
        note += f"; its right side is negative in {int(negative['value'])}"
    return [measured(row, Evidence.THEORY, note)]


def violations(rows: pd.DataFrame, note: str) -> Found:
    """The sum of counted violations over all rows."""
    count, total = float(rows["value"].sum()), int(rows["n"].sum())
    return [Measured(count, count, count, total, Evidence.PROTOCOL, note)]


def trained_broken(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Pairs of trained copiers with compact encodings that satisfy the premises and violate it."""
    rows, printed = (
        pick(scores, experiment="E1", metric="bound_broken", form=form, encoding=COMPACT)
        for form in ("corrected", "printed")
    )
    if rows["n"].sum() == 0:
        return NotMeasured("no trained copier satisfied the premises of lemma 3.1 at any size")
    note = (
        f"of {rows['n'].sum()} pairs that satisfy the premises; the printed form is violated by "
        f"{int(printed['value'].sum())}; {copier_scale(scores)}"
    )
    return violations(rows, note)


def trained_union(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Exact error probabilities of trained copiers over their union bound."""
    rows = pick(scores, experiment="E1", metric="union_bound_broken")
    note = f"exact error probabilities over their bound, {rows['n'].sum()} of trained copiers"
    return violations(rows, note)


def copiers_and_models(metric: str, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """A metric at the largest size, or a slope: of the copiers, and of each language model."""

    def note(row: pd.Series) -> str:
        slope = "log-log slope over sizes above the trained ones"
        return slope if metric.startswith("slope_") else f"at {int(row['size'])} bits"

    row = last(scores, metric).iloc[-1]
    found = [copiers(row, note(row), scores)]
    for model, rows in language_models(scores, metric):
        row = rows.iloc[-1]
        text = note(row) + spelling_note(scores, model)
        found.append(measured(row, evidence(model), text, model=model))
    return found


def copier_slope(metric: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Log-log slope over lengths above the trained ones, rotary copiers only."""
    row = one(scores, experiment="E1", metric=f"slope_{metric}", encoding="rope")
    first, end = (last(scores, metric).iloc[place] for place in (0, -1))
    note = (
        f"log-log slope over sizes above the trained ones ({first['value']:.3g} at "
        f"{int(first['size'])} bits, {end['value']:.3g} at {int(end['size'])})"
    )
    return [copiers(row, note, scores)]


def stays_high(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Share of sizes at which every bit of alpha has probability above one half."""
    own = single(scores, metric="alpha_least", flip="last", encoding="rope")
    mean = seed_interval((own["value"] > COPIED).groupby(own["seed"]).mean())
    low, high = max(mean.low, 0.0), min(mean.high, 1.0)
    note = (
        f"smallest probability over copiers, bits and sizes {own['value'].min():.3f}; "
        + copier_scale(scores)
    )
    reason = no_copiers(scores)
    found = [Measured(mean.value, low, high, mean.n, Evidence.PROTOCOL, note, reason=reason)]
    for model, rows in language_models(scores, "alpha_least"):
        share = float((rows["value"] > COPIED).mean())
        text = f"share of {len(rows)} sizes{spelling_note(scores, model)}"
        found.append(Measured(share, share, share, len(rows), evidence(model), text, model=model))
    return found


def over_certainty(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Excess of beta's log-perplexity over -log(1 - gamma) + epsilon at the largest size."""
    rows = last(scores, "over_certainty")
    if rows.empty:
        return NotMeasured("no rotary copier satisfied the premises at any size")
    first, row = rows.iloc[0], rows.iloc[-1]
    epsilon = float(last(scores, "corrected_bound").iloc[-1]["value"])
    note = (
        f"nats over -log(1 - gamma) at {int(row['size'])} bits ({first['value']:.3g} at "
        f"{int(first['size'])}), minus the epsilon that the corrected inequality allows there, "
        f"{epsilon:.3g}; {copier_scale(scores)}"
    )
    value, low, high = (float(row[end]) - epsilon for end in ("value", "ci_low", "ci_high"))
    return [Measured(value, low, high, int(row["n"]), Evidence.PROTOCOL, note)]


def correlation(target: str, size: int | None, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Pooled r at a size (None: the largest), with the r of each training in the note."""
    rows, each = (f(scores, metric="correlation", target=target) for f in (pick, single))
    size = each["size"].max() if size is None else size
    rows, each = rows[rows["size"] == size], each[each["size"] == size]
    if rows.empty:
        return NotMeasured("accuracy or perplexity did not vary over the checkpoints")
    trainings = ", ".join(f"{value:+.2f}" for value in each["value"])
    note = f"target {target}; size {size}; trainings: {trainings}; n counts checkpoints"
    return [measured(rows.iloc[0], Evidence.PROTOCOL, note, reason=no_parity(target, scores))]


def best_rank(metric: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Rank of the most accurate checkpoint in the metric at the largest size."""
    rows = pick(scores, experiment="E4", metric=f"best_rank_{metric}", target="prefix")
    row = rows.sort_values("size").iloc[-1]
    note = (
        f"share of a training's checkpoints with a smaller value, at size {int(row['size'])}; "
        f"target prefix; {int(row['n'])} trainings"
    )
    return [measured(row, Evidence.PROTOCOL, note, reason=no_parity("prefix", scores))]


def regret(criterion: str, measured_on: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Regret of a criterion over parity checkpoints, target after every bit."""
    rows = pick(scores, metric="regret", pool="parity, prefix", measured_on=measured_on)
    row, accuracy = (one(rows, criterion=name) for name in (criterion, "accuracy"))
    note = (
        f"accuracy lost by choosing with it {measured_on} "
        f"(with accuracy there: {accuracy['value']:.3f}); {int(row['n'])} trainings"
    )
    return [measured(row, Evidence.PROTOCOL, note, reason=no_parity("prefix", scores))]


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
