"""From the study's scores to the quantity that decides each claim, and rows for its figures.

A claim about the best or worst of several conditions chooses one after seeing all. The side of its
interval that gains from the choice is stated at a level corrected for the number of conditions
(Bonferroni); the other side needs every condition, and no correction (`extreme_condition`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from workflow_scripts.shared.claims import IN_WORDS, Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, by_model, measured, select
from workflow_scripts.shared.statistics import Interval, Test, difference_of, proportion
from workflow_scripts.stochasticity import metrics, targets
from workflow_scripts.stochasticity.draw_table import CONDITIONS, RIGGED, TRUE

pick = partial(select, seeds="pooled", undefined="drop")
Which = Literal["smallest", "largest"]

READ = 0.9  # share of the replies that must be read, or the others could change the verdict
LEVEL = 0.95


def of_models(scores: pd.DataFrame, metric: str, *experiments: str, **wanted: Any) -> pd.DataFrame:
    """Rows of models, not of the controls, that have a value."""
    rows = pick(scores, metric=metric, experiment=experiments, **wanted)
    return rows[~rows["model"].isin([TRUE, RIGGED])]


def reads(scores: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """The share of the replies that were read in the condition of each row, shape (rows,)."""
    keys = [*CONDITIONS, "model"]
    rates = pick(scores, metric="failure_rate")
    failed = dict(zip(_tuples(rates[keys]), rates["value"].tolist(), strict=True))
    found = [1 - failed.get(condition, 0.0) for condition in _tuples(rows[keys])]
    return pd.Series(found, index=rows.index, dtype=float)


def _tuples(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.itertuples(index=False, name=None))


def unread(share: float) -> str | None:
    """Why a measurement cannot decide a claim, if too few replies were read."""
    if share >= READ:
        return None
    return f"only {share:.0%} of the replies could be read, needed: {READ:.0%}"


# The interval of a row at another level, by what kind of number it is.
AtLevel = Callable[[pd.DataFrame, pd.Series, float], Interval]


def _interval(row: pd.Series) -> Interval:
    return Interval(float(row["value"]), float(row["ci_low"]), float(row["ci_high"]), int(row["n"]))


def of_mean(_: pd.DataFrame, row: pd.Series, level: float) -> Interval:
    """A number with an interval of its standard error: margins grow as Student's t."""
    freedom = max(int(row["n"]) - 1, 1)
    wider, usual = (float(stats.t.ppf((1 + each) / 2, freedom)) for each in (level, LEVEL))
    value, low, high, n = _interval(row)
    grow = wider / usual
    return Interval(value, value - grow * (value - low), value + grow * (high - value), n)


def of_peak(_: pd.DataFrame, row: pd.Series, level: float) -> Interval:
    """The excess of `metrics.periodicity`: margins grow as those of one normal variable.

    They hold for all lags together, for which they would have to grow less.
    """
    wider, usual = (float(stats.norm.ppf((1 + each) / 2)) for each in (level, LEVEL))
    value, low, high, n = _interval(row)
    grow = wider / usual
    return Interval(value, value - grow * (value - low), value + grow * (high - value), n)


def of_test(scores: pd.DataFrame, row: pd.Series, level: float) -> Interval:
    """A rejection rate: from its test's statistic again."""
    name = str(row["metric"]).removesuffix("_rejection_rate")
    name = "chi_square" if name == "rejection_rate" else name
    keys = {key: row[key] for key in (*CONDITIONS, "model")}

    def found(metric: str) -> float:
        return float(pick(scores, metric=metric, **keys)["value"].iloc[0])

    statistic = found(f"{name}_statistic")
    if name == "chi_square":
        freedom = targets.of(row["target"]).size - 1
    else:
        freedom = int(found(f"{name}_freedom"))
    return metrics.rejection_rate(Test(statistic, np.nan, int(row["n"])), freedom, level=level)


def extreme_condition(
    metric: str,
    what: str,
    *experiments: str,
    at_level: AtLevel,
    which: Which = "smallest",
    **wanted: Any,
) -> Any:
    """A test that measures, for each model, its condition with the smallest or largest value.

    Conditions with too few replies read do not count; a model with no other decides nothing. The
    smallest value lies above a border only if all intervals do, and below it as soon as one does;
    so its lower end is the least of all at 95 %, its upper end the least of all at the level
    corrected for their number. For the largest value, the other way round.
    """

    def test(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
        found = []
        for model, rows in by_model(of_models(scores, metric, *experiments, **wanted)):
            share = reads(scores, rows)
            if share.max() >= READ:
                rows, share = rows[share >= READ], share[share >= READ]
            values = rows["value"]
            chosen = int(values.argmin() if which == "smallest" else values.argmax())
            row = rows.iloc[chosen].copy()
            if len(rows) > 1:
                row["ci_low"], row["ci_high"] = _ends(scores, rows, at_level, which)
            place = ", ".join(row[name] for name in ("experiment", "target", "style") if row[name])
            more = f" (the {which} of {len(rows)} conditions: {place})" if len(rows) > 1 else ""
            reason = unread(float(share.iloc[chosen]))
            found.append(measured(row, evidence(model), what + more, model=model, reason=reason))
        return found or NotMeasured(_why(scores, *experiments))

    return test


def _ends(
    scores: pd.DataFrame, rows: pd.DataFrame, at_level: AtLevel, which: Which
) -> tuple[float, float]:
    """Ends of the interval of the smallest or largest of the rows.

    The side that needs every row is NaN where a row has no interval.
    """
    strict = 1 - (1 - LEVEL) / len(rows)
    wide = [at_level(scores, row, strict) for _, row in rows.iterrows()]
    plain = rows[["ci_low", "ci_high"]].to_numpy(dtype=float)
    if which == "smallest":
        low, high = plain[:, 0].min(), np.fmin.reduce([each.high for each in wide])
        return float(low), float(np.maximum(high, rows["value"].min()))
    low, high = np.fmax.reduce([each.low for each in wide]), plain[:, 1].max()
    return float(np.minimum(low, rows["value"].max())), float(high)


def combined(parts: Sequence[Interval]) -> Interval:
    """The mean of independent estimates; margins add as errors do (Zou and Donner 2008)."""
    value = float(np.mean([part.value for part in parts]))
    low = value - float(np.linalg.norm([part.value - part.low for part in parts])) / len(parts)
    high = value + float(np.linalg.norm([part.high - part.value for part in parts])) / len(parts)
    return Interval(value, low, high, sum(part.n for part in parts))


def _measured(
    found: Interval, model: str, evidence: EvidenceOf, note: str, units: str, reason: str | None
) -> Measured:
    value, low, high, n = found
    return Measured(value, low, high, n, evidence(model), note, model, reason, units=units)


def marginal_gain(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 3a: how much closer S5 is to its target than S1, mean over the targets of S5."""
    found = []
    for model, chained in by_model(of_models(scores, "tv", "S5")):
        direct = of_models(scores, "tv", "S1", model=model)
        both = chained.merge(direct, on="target", suffixes=("", "_direct"))
        if both.empty:
            continue
        gaps = []
        for _, row in both.iterrows():
            single = direct[direct["target"] == row["target"]].iloc[0]
            gaps.append(difference_of(_near_floor(scores, single), _near_floor(scores, row)))
        rows = pd.concat([chained, direct])
        rows = rows[rows["target"].isin(both["target"])]
        reason = unread(float(reads(scores, rows).min()))
        note = f"total variation of S1 less that of S5, mean of {', '.join(both['target'])}"
        found.append(_measured(combined(gaps), model, evidence, note, "draws and chains", reason))
    return found or NotMeasured(_why(scores, "S1", "S5"))


def _near_floor(scores: pd.DataFrame, row: pd.Series) -> Interval:
    """A total variation with margins of at least those of as many true draws.

    Near the target, where noise increases the measured distance, the interval may end there; in a
    difference that is no error of 0.
    """
    value, low, high, n = _interval(row)
    keys = {key: row[key] for key in (*CONDITIONS, "model")}
    draws = int(pick(scores, metric="tv_of_true_draws", **keys)["n"].iloc[0])
    least = 1.96 * metrics.distance_error(targets.of(row["target"]), draws)
    return Interval(value, min(low, value - least), max(high, value + least), n)


def wrong_counts(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 4b: share of the batched replies that ended, over all sizes, with a wrong count."""
    found = []
    for model, rows in by_model(of_models(scores, "wrong_count_rate", "S7")):
        lost = of_models(scores, "lost_reply_rate", "S7", model=model)
        share = 1 - float((lost["value"] * lost["n"]).sum() / max(lost["n"].sum(), 1))
        note = f"replies of {len(rows)} conditions that were not cut off"
        found.append(_measured(_pooled(rows), model, evidence, note, "replies", unread(share)))
    return found or NotMeasured(_why(scores, "S7"))


def exact_sequences(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 5b: share of whole sequences that are right, over all generators."""
    found = []
    for model, rows in by_model(of_models(scores, "sequences_right", "S8")):
        share = float(np.average(reads(scores, rows), weights=rows["n"]))
        note = f"sequences of {len(rows)} generators"
        found.append(_measured(_pooled(rows), model, evidence, note, "sequences", unread(share)))
    return found or NotMeasured(_why(scores, "S8"))


def _pooled(rows: pd.DataFrame) -> Interval:
    """The share over all units of several rows of shares, with Wilson's interval."""
    hits = round(float((rows["value"] * rows["n"]).sum()))
    return proportion(hits, int(rows["n"].sum()))


def token_cost(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 5c: tokens per output of the cheapest generator beyond those of a drawn digit."""
    found = []
    for model, rows in by_model(of_models(scores, "tokens_per_draw", "S8")):
        direct = of_models(scores, "tokens_per_draw", "S1", model=model, target="digit")
        if len(direct):
            row = rows.iloc[int(rows["value"].argmin())].copy()
            if len(rows) > 1:
                row["ci_low"], row["ci_high"] = _ends(scores, rows, of_mean, "smallest")
            gap = difference_of(_interval(row), _interval(direct.iloc[0]))
            note = f"reply tokens per output of S8 ({row['style']}) less those per digit of S1"
            share = float(reads(scores, pd.concat([row.to_frame().T, direct])).min())
            found.append(_measured(gap, model, evidence, note, "replies", unread(share)))
    return found or NotMeasured(_why(scores, "S8"))


def by_size(models: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The embedded models of the study as one family, smallest first; none if it has only one.

    Ordered by the parameters of their layers; all have the same vocabulary.
    """
    own = {name: entry for name, entry in models.items() if entry["source"] == "train"}
    family = sorted(own, key=lambda name: own[name]["layers"] * own[name]["hidden_size"] ** 2)
    return [family] if len(family) > 1 else []


def size_gain(
    families: Sequence[Sequence[str]], scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """Claim 10: right images above chance, largest less smallest model of a family.

    Mean over the maps that both were asked. Chance is what the model's own results get for other
    numbers than theirs (`map_chance`): 0 is a model that does not use the number, 1 a perfect one.
    """
    found = []
    for small, large in ((family[0], family[-1]) for family in families):
        parts = [dict(_above_chance(scores, model)) for model in (large, small)]
        maps = [name for name in parts[0] if name in parts[1]]
        if not maps:
            continue
        gap = combined([difference_of(parts[0][name], parts[1][name]) for name in maps])
        note = (
            f"share of right images above chance, mean of {', '.join(maps)}, less that of {small}"
        )
        rows = of_models(scores, "map_right", "S9", model=[small, large], style=maps)
        reason = unread(float(reads(scores, rows).min())) or _one_sided(rows)
        reason = reason or _unlike(small, large, evidence)
        found.append(_measured(gap, large, evidence, note, "given numbers", reason))
    return found or NotMeasured("no family of models under stochasticity.sizes was run")


def _above_chance(scores: pd.DataFrame, model: str) -> Iterator[tuple[str, Interval]]:
    """Each map of S9, and the model's share of right images above chance."""
    chances = of_models(scores, "map_chance", "S9", model=model).set_index("style")["value"]
    for _, row in of_models(scores, "map_right", "S9", model=model).iterrows():
        if (chance := chances.get(row["style"], np.nan)) < 1:
            value, low, high = ((row[end] - chance) / (1 - chance) for end in _ENDS)
            yield row["style"], Interval(value, low, high, int(row["n"]))


_ENDS = ("value", "ci_low", "ci_high")


def _one_sided(rows: pd.DataFrame) -> str | None:
    """Why no difference can be measured: both models map every number right, or none."""
    for value, word in ((0, "no"), (1, "every")):
        if (rows["value"] == value).all():
            n = int(rows["n"].max())
            return f"both models map {word} one of {n} numbers right: no difference can be measured"
    return None


def _unlike(first: str, second: str, evidence: EvidenceOf) -> str | None:
    """Why a comparison decides nothing: its two models give different kinds of evidence."""
    if evidence(first) == evidence(second):
        return None
    return f"{first} is {IN_WORDS[evidence(first)]}, {second} is {IN_WORDS[evidence(second)]}"


def stage_gain(
    families: Sequence[Sequence[str]], scores: pd.DataFrame, evidence: EvidenceOf
) -> Found:
    """Claim 11: distance from the digit target, last stage of training less first."""
    found = []
    for first, last in ((family[0], family[-1]) for family in families):
        rows = [
            of_models(scores, "tv", "S13", target="digit", model=name) for name in (last, first)
        ]
        if all(map(len, rows)):
            # S13 is a copy of S1, which has the numbers of draws and of failures.
            source = pd.concat(rows).assign(experiment="S1")
            gap = difference_of(*(_near_floor(scores, row) for _, row in source.iterrows()))
            reason = unread(float(reads(scores, source).min())) or _unlike(first, last, evidence)
            note = f"total variation, last stage less first ({first})"
            found.append(_measured(gap, last, evidence, note, "draws", reason))
    return found or NotMeasured("no checkpoints of one training under stochasticity.stages")


def images(style: str, absent: str) -> Any:
    """A test that measures the distance of a map's results from the true images (S9)."""

    def test(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
        rows = of_models(scores, "image_distance", "S9", style=style)
        share = reads(scores, rows)
        right = of_models(scores, "map_right", "S9", style=style).set_index("model")["value"]
        found = []
        for (_, row), read in zip(rows.iterrows(), share.tolist(), strict=True):
            model = str(row["model"])
            note = f"{style.replace('_', '-')}; right images: {right[model]:.1%}"
            reason = unread(read)
            found.append(measured(row, evidence(model), note, model=model, reason=reason))
        return found or NotMeasured(absent or _why(scores, "S9"))

    return test


def letter_c(scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Claim 9: share of C among the keys less the largest share of another letter.

    Of the questions with C or one other letter as the key, the share of C has Wilson's interval;
    times their number over all questions, that gives the gap. C is the most frequent only if every
    gap is positive, and is not as soon as one is negative: for that side, the level is corrected
    for three letters.
    """
    found = []
    for model, rows in by_model(of_models(scores, "share", "S12")):
        counts = {row["cell"]: round(row["value"] * row["n"]) for _, row in rows.iterrows()}
        n = int(rows["n"].iloc[0])
        others = [letter for letter in counts if letter != "C"]
        strict = 1 - (1 - LEVEL) / len(others)
        gaps, lows, highs = [], [], []
        for letter in others:
            pair = counts["C"], counts["C"] + counts[letter]
            gaps.append((counts["C"] - counts[letter]) / n)
            lows.append(_gap(*pair, n, LEVEL).low)
            highs.append(_gap(*pair, n, strict).high)
        whole = Interval(min(gaps), min(lows), max(min(highs), min(gaps)), n)
        other = others[int(np.argmin(gaps))]
        note = f"keys of the model's questions; the most frequent other letter: {other}"
        reason = unread(float(reads(scores, rows).min()))
        found.append(_measured(whole, model, evidence, note, "questions", reason))
    return found or NotMeasured(_why(scores, "S12"))


def _gap(hits: int, both: int, n: int, level: float) -> Interval:
    """The gap between the shares of two letters, of `n` keys: `hits` of `both` are the first."""
    if both == 0:  # an unseen share may belong to either
        limit = proportion(0, n, level).high
        return Interval(0.0, -limit, limit, n)
    share = proportion(hits, both, level)
    value, low, high = ((2 * each - 1) * both / n for each in share[:3])
    return Interval(value, low, high, n)


def _why(scores: pd.DataFrame, *experiments: str) -> str:
    """Why no model was measured, from the notes in the scores."""
    rows = scores[scores["experiment"].isin(experiments) & scores["value"].isna()]
    rows = rows[~rows["model"].isin([TRUE, RIGGED])]
    reasons = sorted({note for note in rows["note"] if note})
    return "; ".join(reasons) or f"no model was measured in {', '.join(experiments)}"
