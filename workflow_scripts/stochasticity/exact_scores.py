"""From exact laws to rows of scores: distances without sampling noise, and their two parts.

The law of the answers is conditional on an answer of the support; what share of the replies that is
stands beside it (`support_mass`). Its only error is the mass that was not followed, which bounds
it from both sides: an interval here is a bound, not an estimate.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared import scores
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import Interval, chi_square
from workflow_scripts.stochasticity import metrics, supports
from workflow_scripts.stochasticity.draw_table import CONDITIONS, UNFILTERED
from workflow_scripts.stochasticity.law_table import EXPERIMENT
from workflow_scripts.stochasticity.supports import Support

Key = tuple[str, str, str]  # model, target, style
Setting = tuple[float, ...]  # temperature, top_p, top_k

SETTING = ["temperature", "top_p", "top_k"]
PROMPT = ["model", "target", "style"]
SAMPLED = ("S1", "S2", "S3", "S14")  # experiments with draws of the same prompts
NULL_RUNS = (
    200  # simulations of as many draws; the mean of their distances is then off by 1e-3 at most
)
UNITS = "token sequences"


class Law(NamedTuple):
    """A law under one setting: answers, shape (K,), the mass outside, and what is unresolved."""

    answers: NDArray
    outside: float
    unresolved: float
    sequences: int
    tokens: int

    @property
    def inside(self) -> float:
        """The mass of all answers that were followed."""
        return float(self.answers.sum())

    @property
    def slack(self) -> float:
        """The most that the unresolved mass can change of a conditional probability."""
        return self.unresolved / (self.inside + self.unresolved) if self.unresolved else 0.0


def bounded(metric: str, value: float, slack: float, law: Law, limits: Any, **row: Any) -> Row:
    """A value that is off by at most `slack`, within `limits`; exact where nothing can be off."""
    low, high = max(value - slack, limits[0]), min(value + slack, limits[1])
    if low == high:
        return scores.exact(metric=metric, value=value, n=law.sequences, units=UNITS, **row)
    found = Interval(value, low, high, law.sequences)
    return scores.interval(metric=metric, found=found, units=UNITS, **row)


def read(frame: pd.DataFrame) -> dict[Key, dict[Setting, Law]]:
    """The laws in a table (`law_table.LAWS`): by model, target and style, then by setting."""
    found: dict[Key, dict[Setting, Law]] = {}
    key: Any
    setting: Any
    for key, prompt in frame.groupby(PROMPT, sort=False):
        support = supports.of(key[1])
        number = {text: place for place, text in enumerate(support.answers)}
        for setting, own in prompt.groupby(SETTING, sort=False):
            answers = np.zeros(support.size)
            rows = own[own["part"] == "answer"]
            answers[rows["answer"].map(number).to_numpy(dtype=int)] = rows["probability"]
            rest = own[own["part"] != "answer"].set_index("part")["probability"]
            walked = [int(own[name].iloc[0]) for name in ("sequences", "tokens")]
            law = Law(answers, rest["outside"], rest["unresolved"], walked[0], walked[1])
            found.setdefault(key, {})[setting] = law
    return found


def law_scores(frame: pd.DataFrame) -> Iterator[Row]:
    """Scores of every law: shares, distances, and the model's and the decoder's part of them."""
    for (model, target, style), laws in read(frame).items():
        support = supports.of(target)
        row: Row = {"experiment": EXPERIMENT, "model": model, "target": target, "style": style}
        row |= {"batch": 1}
        for setting, law in laws.items():
            own = row | dict(zip(SETTING, setting, strict=True))
            yield from _of_one(own, law, support)
            yield from _parts(own, laws, support)


def _of_one(row: Row, law: Law, support: Support) -> Iterator[Row]:
    s, r = min(law.inside, 1.0), law.unresolved  # a sum of rounded numbers
    yield bounded("support_mass", s, r, law, (s, 1), **row)
    if s == 0:
        note = "no reply of the support has a probability"
        yield scores.absent(metric="law_tv", note=note, units=UNITS, **row)
        return
    for label, share in zip(support.labels, _cells(law, support), strict=True):
        yield bounded("law_share", float(share), law.slack, law, (0, 1), cell=label, **row)
    yield bounded("law_tv", distance(law, support), law.slack, law, (0, 1), **row)
    if support.size > len(support.labels):
        every = metrics.total_variation(law.answers / s, support.probabilities)
        yield bounded("law_tv_answers", float(every), law.slack, law, (0, 1), **row)


def _cells(law: Law, support: Support) -> NDArray:
    return support.by_cell(law.answers / law.inside)


def distance(law: Law, support: Support) -> float:
    """Total variation between the answers' law and the target, over the target's cells."""
    return float(metrics.total_variation(_cells(law, support), support.cell_probabilities))


def _parts(row: Row, laws: Mapping[Setting, Law], support: Support) -> Iterator[Row]:
    """The distance of a setting as a sum: the model's own, the temperature's, the filters'.

    The model's is that at temperature 1 without filters; the temperature's, how much the distance
    grows at the setting's temperature without filters; the filters', how much more it grows with
    them. The last two are negative where they bring the law closer to the target.
    """
    setting = tuple(row[name] for name in SETTING)
    plain = tuple(UNFILTERED[name] for name in SETTING)
    heated = (setting[0], *plain[1:])
    steps = [laws[plain], laws[heated], laws[setting]]
    if setting == plain or any(step.inside == 0 for step in steps):
        return
    far = [distance(step, support) for step in steps]
    slack = [step.slack for step in steps]
    parts = {
        "law_tv_model": (far[0], slack[0]),
        "law_tv_temperature": (far[1] - far[0], slack[0] + slack[1] if setting[0] != 1 else 0.0),
        "law_tv_filters": (far[2] - far[1], slack[1] + slack[2] if setting != heated else 0.0),
        "law_tv_decoder": (far[2] - far[0], slack[0] + slack[2]),
    }
    for metric, (value, off) in parts.items():
        yield bounded(metric, value, off, steps[2], (-1, 1), **row)


def draw_scores(
    frame: pd.DataFrame, requests: pd.DataFrame, responses: pd.DataFrame, seed: int
) -> Iterator[Row]:
    """How the draws of one model compare with their laws, and what both cost.

    Each reply of S1 to S3 and S14 that ends by itself is an answer if its text is one of the
    support; all others are outside. So counts and law have the same K + 1 cells, and no reply is
    left out. `draws_excess` is the total variation between both beyond the mean of as many draws
    from the law, a mean over conditions; `law_saving` the tokens of 1,024 draws under each setting
    of the laws, at the mean length of the prompt's replies, over the tokens of the laws.
    """
    laws = read(frame)
    asked = requests[requests["experiment"].isin(SAMPLED)]
    ended = responses[["request_id", "text", "finish_reason", "completion_tokens"]]
    drawn = ended.merge(asked[[*CONDITIONS, "request_id"]], on="request_id")
    drawn["model"] = model = str(frame["model"].iloc[0])
    excesses: list[float] = []
    key: Any
    rng = np.random.default_rng(seed)
    for key, replies in drawn.groupby([*PROMPT, *SETTING, "experiment"], sort=True):
        law = laws.get(key[:3], {}).get(key[3:6])
        if law is None:
            continue
        counts = _counts(replies, supports.of(key[1]))
        n = int(counts.sum())
        shares = np.append(law.answers, law.outside + law.unresolved)
        shares /= shares.sum()
        null = metrics.total_variation(rng.multinomial(n, shares, NULL_RUNS) / n, shares)
        excess = float(metrics.total_variation(counts / n, shares) - null.mean())
        excesses.append(excess)
        row: Row = dict(zip([*PROMPT, *SETTING], key[:6], strict=True)) | {"batch": 1}
        row |= {"experiment": EXPERIMENT, "cell": key[6], "units": "draws", "n": n}
        yield scores.number(metric="draws_tv_excess", value=excess, **row)
        yield scores.number(metric="draws_p", value=_fit(counts, shares), **row)
    row = UNFILTERED | {"experiment": EXPERIMENT, "model": model, "batch": 1}
    if not excesses:
        note = "no condition with draws has a law"
        yield scores.absent(metric="draws_excess", note=note, units="conditions", **row)
        return
    yield scores.mean(metric="draws_excess", values=excesses, units="conditions", **row)
    yield _saving(drawn, laws, row)


def _saving(drawn: pd.DataFrame, laws: Mapping[Key, Mapping[Setting, Law]], row: Row) -> Row:
    """How many times the tokens of the laws 1,024 draws under each of their settings take."""
    spent, error, passed, prompts = 0.0, 0.0, 0, 0
    key: Any
    for key, replies in drawn.groupby(PROMPT):
        if own := laws.get(key):
            tokens = replies["completion_tokens"].to_numpy(dtype=float)
            draws = metrics.PAPER_DRAWS * len(own)
            spent += draws * tokens.mean()
            error += draws**2 * tokens.var(ddof=1) / tokens.size if tokens.size > 1 else 0.0
            passed += next(iter(own.values())).tokens
            prompts += 1
    value, off = spent / passed, 1.96 * error**0.5 / passed
    ends = (value - off, value + off) if off else (np.nan, np.nan)  # all replies equally long
    found = Interval(value, ends[0], ends[1], prompts)
    return scores.interval(metric="law_saving", found=found, units="prompts", **row)


def _counts(replies: pd.DataFrame, support: Support) -> NDArray:
    """How often each answer and anything else was drawn, shape (K + 1,)."""
    answers = [
        support.answer(text) if reason == "stop" else None
        for text, reason in zip(replies["text"], replies["finish_reason"], strict=True)
    ]
    places = [support.size if answer is None else answer for answer in answers]
    return np.bincount(places, minlength=support.size + 1)


def _fit(counts: NDArray, shares: NDArray) -> float:
    """p of a chi-square test; cells that expect fewer than 5 draws are one."""
    rare = shares * counts.sum() < 5
    observed, expected = (np.append(each[~rare], each[rare].sum()) for each in (counts, shares))
    return chi_square(observed, expected).p
