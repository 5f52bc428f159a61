"""Score rows of collisions: two agents of one model, agents of two models, votes and games.

Nothing is asked for this: `law_*` metrics come from the exact laws, the others from the draws of
S1, S2 and S14. Both are of the answers that could be read. Decimals are the same answer if they
agree to the stated decimals. The true generator's law is the target.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import scores
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval
from workflow_scripts.stochasticity import collisions, exact_scores, supports, targets
from workflow_scripts.stochasticity.draw_table import RIGGED, TRUE, UNFILTERED
from workflow_scripts.stochasticity.exact_scores import SETTING, UNITS, Key, Law, Setting, bounded

EXPERIMENT = "collisions"
SAMPLED = ("S1", "S2", "S14")
AGENTS = (3, 5, 9)  # sizes of votes, odd: a tie is no majority
FEWEST = 2 * max(AGENTS)  # readable draws of a prompt, for two sets of agents without a shared draw
ONE = {"experiment": EXPERIMENT, "batch": 1}

Laws = dict[Key, dict[Setting, Law]]
Prompt = tuple[str, str]  # target, style


def family(target: str) -> str:
    """The targets with the same answers: all coins, all letters, or one other target."""
    return target.partition("-")[0]


# ------------------------------------------------------------------- from laws


def law_scores(frames: Iterable[pd.DataFrame]) -> Iterator[Row]:
    """All rows from the exact laws (`exact.LAWS`) of all models."""
    laws: Laws = {}
    for frame in frames:
        laws |= exact_scores.read(frame)
    plain: Setting = tuple(float(UNFILTERED[name]) for name in SETTING)
    for _, target, style in list(laws):
        support = supports.of(target)
        laws[TRUE, target, style] = {plain: Law(support.probabilities, 0.0, 0.0, support.size, 0)}
    alike: dict[tuple[str, Setting], dict[Prompt, Law]] = defaultdict(dict)
    for (model, target, style), own in laws.items():
        for setting, law in own.items():
            if law.inside > 0:
                alike[model, setting][target, style] = law
    for (model, values), prompts in alike.items():
        at = ONE | dict(zip(SETTING, values, strict=True)) | {"model": model}
        for (target, style), law in prompts.items():
            yield from _of_law(at | {"target": target, "style": style}, law)
        yield from _shared_laws(at, prompts, prompts)
    models = dict.fromkeys(model for model, _ in alike if model != TRUE)
    for first, second in combinations(models, 2):
        for setting in dict.fromkeys(setting for model, setting in alike if model == first):
            both = alike[first, setting], alike.get((second, setting), {})
            at = ONE | dict(zip(SETTING, setting, strict=True)) | {"model": first, "cell": second}
            for target, style in sorted(both[0].keys() & both[1].keys()):
                one, other = (each[target, style] for each in both)
                row = at | {"target": target, "style": style}
                yield _bounds("law_collision_between", _matched(one, other), one, **row)
            yield from _shared_laws(at, *both)


def _given(law: Law) -> NDArray:
    """The law of the answers, given an answer of the support."""
    return law.answers / law.inside


def _matched(first: Law, second: Law) -> Any:
    slacks = first.slack, second.slack
    return collisions.match(_given(first), _given(second), slacks)


def _bounds(metric: str, found: tuple[float, float, float], law: Law, **row: Any) -> Row:
    """A value with its bounds; exact where nothing can be off."""
    value, low, high = found
    if low == high:
        return scores.exact(metric=metric, value=value, n=law.sequences, units=UNITS, **row)
    whole = Interval(value, min(low, value), max(high, value), law.sequences)
    return scores.interval(metric=metric, found=whole, units=UNITS, **row)


def _of_law(row: Row, law: Law) -> Iterator[Row]:
    """Collision of two agents; votes of k agents; the share that an opponent guesses right."""
    own = _given(law)
    yield _bounds("law_collision", _matched(law, law), law, **row)
    yield bounded("law_guessed", float(own.max()), law.slack, law, (0, 1), **row)
    for k in AGENTS:
        slack = collisions.coupled(law.slack, k)
        many = row | {"cell": str(k)}
        far = (k - 1) * slack
        yield bounded("law_distinct", collisions.distinct(own, k), far, law, (1, k), **many)
        yield bounded("law_majority", collisions.majority(own, k), slack, law, (0, 1), **many)


def _shared_laws(
    at: Row, first: Mapping[Prompt, Law], second: Mapping[Prompt, Law]
) -> Iterator[Row]:
    """Mutual information over the prompts of one family that both agents have laws for."""
    for name, prompts in _families(prompt for prompt in first if prompt in second).items():
        tables, slacks = [], []
        for laws in (first, second):
            own = [laws[prompt] for prompt in prompts]
            tables.append(
                _padded(
                    supports.of(target).by_cell(_given(law))
                    for (target, _), law in zip(prompts, own, strict=True)
                )
            )
            slacks.append(max(law.slack for law in own))
        found = collisions.information_bounds(tables[0], tables[1], (slacks[0], slacks[1]))
        row = at | {"target": name, "style": ""}
        yield _bounds("law_information_bits", found, first[prompts[0]], **row)


def _families(prompts: Iterable[Prompt]) -> dict[str, list[Prompt]]:
    """The families with at least two prompts."""
    found: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in sorted(prompts):
        found[family(prompt[0])].append(prompt)
    return {name: own for name, own in found.items() if len(own) > 1}


def _padded(rows: Iterable[NDArray]) -> NDArray:
    """Rows of different lengths as one table; an answer that a prompt does not offer has 0."""
    listed = list(rows)
    size = max(row.size for row in listed)
    return np.stack([np.pad(row, (0, size - row.size)) for row in listed])


# ------------------------------------------------------------------ from draws


def draw_scores(frames: Iterable[pd.DataFrame]) -> Iterator[Row]:
    """All rows from the tables of draws (`draw_table.DRAWS`) of all models and controls."""
    read: dict[str, dict[Prompt, NDArray]] = defaultdict(dict)
    for frame in frames:
        drawn = frame[(frame["part"] == "draw") & frame["experiment"].isin(SAMPLED)]
        key: Any
        for key, own in drawn.groupby(["model", "target", "style"], sort=True):
            values = own["value"].dropna().to_numpy(dtype=float)
            if values.size >= FEWEST:
                read[key[0]][key[1:]] = values
                yield from _of_draws(_at(key[0], key[1], key[2]), key[1], values)
            else:
                note = f"fewer than {FEWEST} replies could be read"
                at = _at(key[0], key[1], key[2])
                yield scores.absent(metric="collision", note=note, units="draws", **at)
    for model, prompts in read.items():
        yield from _shared_draws(model, "", prompts, None)
    models = [model for model in read if model not in (TRUE, RIGGED)]
    for first, second in combinations(models, 2):
        for target, style in sorted(read[first].keys() & read[second].keys()):
            both = _counts(target, read[first][target, style], read[second][target, style])
            row = _at(first, target, style) | {"cell": second, "units": "draws"}
            found = collisions.matches_between(*both)
            yield scores.interval(metric="collision_between", found=found, **row)
        yield from _shared_draws(first, second, read[first], read[second])


def _at(model: str, target: str, style: str) -> Row:
    return ONE | UNFILTERED | {"model": model, "target": target, "style": style}


def _counts(target: str, *drawn: NDArray) -> list[NDArray]:
    """Counts of the different answers, one array per set of draws, all of one length."""
    answers = np.round(np.concatenate(drawn), targets.of(target).decimals) + 0.0
    place = np.unique(answers, return_inverse=True)[1]
    ends = np.cumsum([each.size for each in drawn])[:-1]
    return [np.bincount(own, minlength=place.max() + 1) for own in np.split(place, ends)]


def _of_draws(row: Row, target: str, values: NDArray) -> Iterator[Row]:
    (counts,) = _counts(target, values)
    row = row | {"units": "draws"}
    yield scores.interval(metric="collision", found=collisions.matches_drawn(counts), **row)
    yield _guessed(row, target, values)
    for k in AGENTS:
        many = row | {"cell": str(k)}
        found = collisions.distinct_drawn(counts, k)
        yield scores.interval(metric="distinct", found=found, **many)
        found = collisions.majority_drawn(counts, k)
        yield scores.interval(metric="majority", found=found, **many)


def _guessed(row: Row, target: str, values: NDArray) -> Row:
    """An opponent who saw the first half of the draws guesses its favourite for the second."""
    half = values.size // 2
    seen, later = _counts(target, values[:half], values[half:])
    hits = int(later[int(seen.argmax())])
    return scores.share(metric="guessed", hits=hits, n=int(later.sum()), **row)


def _shared_draws(
    model: str,
    other: str,
    first: Mapping[Prompt, NDArray],
    second: Mapping[Prompt, NDArray] | None,
) -> Iterator[Row]:
    shared = [prompt for prompt in first if second is None or prompt in second]
    for name, prompts in _families(shared).items():
        tables = [
            _padded(targets.of(target).counts(own[target, style]) for target, style in prompts)
            for own in (first, second)
            if own is not None
        ]
        found = collisions.information_drawn(tables[0], tables[1] if second is not None else None)
        row = _at(model, name, "") | {"cell": other, "units": "draws"}
        yield scores.interval(metric="information_bits", found=found, **row)
