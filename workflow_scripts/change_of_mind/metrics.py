"""What is measured on the trials of one experiment: rates, confidences, updates, ratios.

Every function is, or returns, a statistic for `resample.estimate`: it takes the trials' `weights`,
shape (n,), and returns values by metric, display, advice, accuracy and bin.
"""

from collections.abc import Iterator

import numpy as np

from workflow_scripts.change_of_mind.confidence import Floats, log_odds
from workflow_scripts.change_of_mind.resample import (
    ALL,
    Group,
    Ints,
    Key,
    Sample,
    Seen,
    Statistic,
    Values,
)
from workflow_scripts.shared.statistics import Bounds

NO_INFORMATION = 50  # %: advice that does not move an ideal observer of two options
BOUNDS: dict[str, Bounds] = {  # the range that one place's value can take
    "change_rate": (0, 1),
    "confidence_before": (0, 1),
    "share_left_out": (0, 1),
    "confidence_change": (-1, 1),
    "oucs": (-1, 1),
    "change_rate_gap": (-1, 1),
    "confidence_gain": (-1, 1),
    "advice_use": (-1, 1),
    "accuracy_effect": (-1, 1),
    "wrong_display_gap": (-1, 1),
    "change_odds_ratio": (0, np.inf),
}


def means(given: Sample, seen: Seen, weights: Floats) -> Values:
    """Rates of change, changes of confidence and OUCS by group, and the contrasts of the claims.

    `weights` has shape (n,). `change_rate_gap` is hidden minus shown, `change_odds_ratio` the odds
    of a change, shown over hidden, `confidence_gain` shown minus hidden under neutral advice.
    `advice_use` is the rate of change under opposing minus agreeing advice, `accuracy_effect` that
    under the highest minus the lowest stated accuracy.
    """
    update = seen.after - seen.before
    columns = {
        "change_rate": given.changed,
        "confidence_change": update,
        "log_odds_change": seen.odds_change,
        "oucs": seen.after - seen.ideal,
        "confidence_before": seen.before,
    }
    stacked = np.stack(list(columns.values())) * weights
    found: Values = {}
    for group, mask in given.groups:
        total = weights[mask].sum()
        if total:
            sums = stacked[:, mask].sum(axis=1) / total
            found |= {
                (metric, *group, ""): float(x) for metric, x in zip(columns, sums, strict=True)
            }
    return found | dict(_contrasts(given, found))


def _contrasts(given: Sample, found: Values) -> Iterator[tuple[Key, float]]:
    def gap(metric: str, a: Group, b: Group) -> float:
        return found.get((metric, *a, ""), np.nan) - found.get((metric, *b, ""), np.nan)

    low, high = str(given.accuracy.min()), str(given.accuracy.max())
    if {"hidden", "shown"} <= set(given.displays):
        for advice in (ALL, *given.advices):
            hidden, shown = ("hidden", advice, ALL), ("shown", advice, ALL)
            yield ("change_rate_gap", "", advice, ALL, ""), gap("change_rate", hidden, shown)
            odds = [
                rate / (1 - rate) if rate < 1 else np.nan
                for rate in (found.get(("change_rate", *g, ""), np.nan) for g in (shown, hidden))
            ]
            ratio = odds[0] / odds[1] if odds[1] else np.nan
            yield ("change_odds_ratio", "", advice, ALL, ""), ratio
        neutral = ("shown", "neutral", ALL), ("hidden", "neutral", ALL)
        yield ("confidence_gain", "", "neutral", ALL, ""), gap("confidence_change", *neutral)
        yield ("log_odds_gain", "", "neutral", ALL, ""), gap("log_odds_change", *neutral)
    for display in given.displays:
        sides = (display, "opposite", ALL), (display, "same", ALL)
        yield ("advice_use", display, "", ALL, ""), gap("change_rate", *sides)
        ends = (display, "opposite", high), (display, "opposite", low)
        yield ("accuracy_effect", display, "opposite", ALL, ""), gap("change_rate", *ends)
        if display in ("wrong", "incorrect") and "shown" in given.displays:
            for advice in (ALL, *given.advices):
                pair = (display, advice, ALL), ("shown", advice, ALL)
                yield ("wrong_display_gap", display, advice, ALL, ""), gap("change_rate", *pair)


def ratios(least: float) -> Statistic:
    """Observed over ideal update, by Bayes' rule, for agreeing and opposing advice.

    Trial by trial (`overweighting`) and of the means (`overweighting_of_means`). Advice of 50 %
    and trials whose ideal update is smaller than `least` are left out, since a ratio to nearly 0
    is meaningless; `share_left_out` is the share of these trials. With the answer shown, the
    choice-supportive shift (mean under neutral-shown minus mean under neutral-hidden) is
    subtracted first. Both ratios differ from 1 for unbiased noise in the second answer too, so no
    claim is decided by them; `advice_weights` is not affected.
    """

    def statistic(given: Sample, seen: Seen, weights: Floats) -> Values:
        update, ideal = seen.after - seen.before, seen.ideal - seen.before
        found: Values = {}
        masks = dict(given.groups)
        both = [("hidden", "neutral", ALL), ("shown", "neutral", ALL)]
        shift = 0.0
        if all(group in masks and weights[masks[group]].sum() for group in both):
            hidden, shown = (masks[group] for group in both)
            shift = _mean(update, weights, shown) - _mean(update, weights, hidden)
        far = np.abs(ideal) >= least
        informative = given.accuracy > NO_INFORMATION
        for (display, advice, accuracy), rows in masks.items():
            if advice not in ("same", "opposite") or accuracy == str(NO_INFORMATION):
                continue
            own = display == "shown"
            used = rows[informative[rows] & far[rows]]
            key = (display, advice, accuracy, "")
            if weights[used].sum():
                moved = update[used] - shift * own
                found["overweighting", *key] = _mean(moved / ideal[used], weights[used])
                found["overweighting_of_means", *key] = _mean(moved, weights[used]) / _mean(
                    ideal[used], weights[used]
                )
            all_rows = rows[informative[rows]]
            found["share_left_out", *key] = 1 - weights[used].sum() / weights[all_rows].sum()
        return found

    return statistic


def advice_weights(given: Sample, seen: Seen, weights: Floats) -> Values:
    """The weight of agreeing and of opposing advice, from contrasts within questions.

    The contrast of a trial is its final log-odds less those of the same question's trial with
    neutral advice, at the same display and stated accuracy. The weight is the slope through 0 of
    the contrast on the ideal observer's change of log-odds: 1 for Bayes' rule, also with unbiased
    noise in the log-odds of the second answer. Over stated accuracies above 50 % and below 100 %,
    where the ideal change is neither 0 nor infinite. `weights` has shape (n,).
    """
    contrast = seen.odds - seen.odds[given.neutral]
    used = (given.accuracy > NO_INFORMATION) & (given.accuracy < 100)
    found: Values = {}
    for (display, advice, accuracy), rows in given.groups:
        if advice in ("same", "opposite") and accuracy == ALL:
            some = rows[used[rows]]
            w, ideal = weights[some], seen.ideal_shift[some]
            square = (w * ideal**2).sum()
            if square:
                slope = float((w * contrast[some] * ideal).sum() / square)
                found["advice_weight", display, advice, ALL, ""] = slope
    for display in given.displays:
        opposite, same = (
            found.get(("advice_weight", display, advice, ALL, ""), np.nan)
            for advice in ("opposite", "same")
        )
        found["advice_weight_opposite_less_same", display, "", ALL, ""] = opposite - same
    return found


def ideal_bins(edges: Floats) -> Statistic:
    """Mean final and ideal confidence by display, advice and bin of the latter (figure 6).

    `edges` has shape (bins + 1,).
    """

    def statistic(given: Sample, seen: Seen, weights: Floats) -> Values:
        place = np.clip(np.searchsorted(edges, seen.ideal, side="right") - 1, 0, len(edges) - 2)
        groups = [(g, rows) for g, rows in given.groups if g[1] != ALL and g[2] == ALL]
        columns = {"final_by_ideal": seen.after, "ideal_by_ideal": seen.ideal}
        columns |= {f"{side}_odds_by_ideal": log_odds(columns[f"{side}_by_ideal"])
                    for side in ("final", "ideal")}  # fmt: skip
        return _by_bin(columns, groups, place, weights)

    return statistic


def update_bins(bins: Ints) -> Statistic:
    """Mean observed and ideal update by first confidence (figures 7 and 14).

    `bins`, shape (n,), is each trial's bin of first confidence.
    """

    def statistic(given: Sample, seen: Seen, weights: Floats) -> Values:
        groups = [(g, rows) for g, rows in given.groups if g[1] in ("same", "opposite")]
        columns = {"update": seen.after - seen.before, "ideal_update": seen.ideal - seen.before}
        return _by_bin(columns | {"update_at": seen.before}, groups, bins, weights)

    return statistic


def _by_bin(
    columns: dict[str, Floats], groups: list[tuple[Group, Ints]], place: Ints, weights: Floats
) -> Values:
    """Mean of each column, shape (n,), per group and bin with trials; `place`, (n,), is the bin."""
    found: Values = {}
    for group, rows in groups:
        for bin_ in np.unique(place):
            used = rows[place[rows] == bin_]
            if weights[used].sum():
                key = (*group, str(bin_))
                found |= {(name, *key): _mean(column, weights, used)
                          for name, column in columns.items()}  # fmt: skip
    return found


def _mean(values: Floats, weights: Floats, rows: Ints | None = None) -> float:
    if rows is not None:
        values, weights = values[rows], weights[rows]
    return float((values * weights).sum() / weights.sum())
