"""Draws under which each claim of `stochasticity` ends in each verdict, through the whole scoring.

A world holds the draws of a simulated sampler: perfect, broken, or asked too seldom.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workflow_scripts.shared.claims import Claim, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.scores import interval, table
from workflow_scripts.shared.statistics import Interval
from workflow_scripts.stochasticity import (
    claims,
    collision_scores,
    exact_scores,
    law_table,
    maps,
    scores,
    stopping,
    stopping_scores,
    targets,
)
from workflow_scripts.stochasticity.draw_table import CONDITIONS, DRAWS, UNFILTERED

PUBLISHED = ROOT / "resources/published/stochasticity_scalars.csv"
SIZES, STAGES = ["small", "large"], ["olmo-base", "olmo-final"]
NAMES = {
    "large": "Qwen3 (large)",
    "small": "Qwen3 (small)",
    "gemini": "Gemini",
    "olmo-base": "OLMo",
    "olmo-final": "OLMo",
}
MODELS: Mapping[str, Any] = {
    "stand-in": {"source": "train"},
    "other": {"source": "hub/other"},
    **{
        name: {"source": f"hub/{name}", "paper_model_of": {"stochasticity": paper}}
        for name, paper in NAMES.items()
    },
}
EXACT: set[str] = set()
UNTESTED = {
    "12": "an experiment on agents with a sampler, which the paper proposes and does not do"
}

YES, NO, OPEN = Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE
DIGIT, NORMAL = targets.of("digit"), targets.of("normal")


def all_claims() -> list[Claim]:
    """The study's claims, as its rule builds them, with one family of sizes and one of stages."""
    return claims.all_claims(str(PUBLISHED), [SIZES], [STAGES], MODELS)


def drawn(
    experiment: str, target: str, values: NDArray, model: str = "large", **columns: Any
) -> pd.DataFrame:
    """A table of draws; `values` has shape (units, positions), or (n,) for single draws.

    NaN is a reply that was cut off.
    """
    grid = values[:, None] if values.ndim == 1 else values
    units, length = grid.shape
    frame = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(units), length),
            "position": np.tile(np.arange(length), units),
            "value": grid.ravel(),
        }
    )
    cut = frame["value"].isna()
    common = {"style": "plain", "batch": length, "part": "draw", "given": "", "tokens": 3}
    common |= {"max_tokens": 16, "experiment": experiment, "target": target, "model": model}
    frame = frame.assign(**UNFILTERED | common | columns)
    frame["failure"] = np.where(cut, "cut off", None)
    frame["finish_reason"] = np.where(cut, "length", "stop")
    return DRAWS.validate(frame)


def scored(*frames: pd.DataFrame, stages: Sequence[Sequence[str]] = ()) -> pd.DataFrame:
    """The scores of tables of draws, as `scores.main` computes them."""
    rows = [row for frame in frames for row in scores.all_scores(frame, 1)]
    rows += [*scores.by_stage(rows, stages), *scores.adjusted(rows)]
    return table([rows], [*CONDITIONS[1:], "cell"], texts=("cell",))


def favourite(rng: np.random.Generator, shape: Any, share: float) -> NDArray:
    """Digits, a share of which is 7 in place of a true draw."""
    return np.where(rng.random(shape) < share, 7.0, DIGIT.draw(rng, shape))


def autoregression(rng: np.random.Generator, phi: float, chains: int, length: int) -> NDArray:
    """Stationary Gaussian chains with autocorrelation `phi` at lag 1, shape (chains, length)."""
    values = rng.standard_normal((chains, length))
    for t in range(1, length):
        values[:, t] = phi * values[:, t - 1] + np.sqrt(1 - phi**2) * values[:, t]
    return values.round(2)


def periodic(
    rng: np.random.Generator, share: float, chains: int, length: int, back: int = 4
) -> NDArray:
    """Digits that repeat one of `back` draws before with a probability, shape (chains, length)."""
    values = DIGIT.draw(rng, (chains, length))
    for t in range(back, length):
        again = rng.random(chains) < share
        values[again, t] = values[again, t - back]
    return values


def images(
    rng: np.random.Generator, style: str, wrong: float, n: int = 1024, model: str = "large"
) -> pd.DataFrame:
    """S9: the true image of each given number, or with a probability the image of 0.42."""
    given = [maps.given(rng, style) for _ in range(n)]
    spoilt = rng.random(n) < wrong
    fixed = "0.42,0.42" if style == "box_muller" else "0.42"
    values = [maps.truth(style, fixed if bad else u) for u, bad in zip(given, spoilt, strict=True)]
    name, places = maps.TARGETS[style], maps.decimals(style)
    shown = np.round(np.array(values), places)
    return drawn("S9", name, shown, model, style=style, given=given, batch=1)


def lists(values: NDArray, wrong: float = 0.0, **columns: Any) -> pd.DataFrame:
    """S7: batched replies, a share of which states one number too many."""
    n, size = values.shape
    counts = size + (np.arange(n) < round(wrong * n)).astype(float)
    count = drawn("S7", "digit", counts, part="count", batch=size, **columns)
    return pd.concat([count, drawn("S7", "digit", values, **columns)], ignore_index=True)


def sequences(rng: np.random.Generator, right: float, n: int, tokens: Any = 96) -> pd.DataFrame:
    """S8: sequences of 8 outputs, each right with a probability."""
    hits = (rng.random((n, 8)) < right).astype(float)
    more = {"part": "step", "given": "[]", "tokens": tokens, "max_tokens": 400}
    return drawn("S8", "steps", hits, style="lcg-16", **more)


def letters(rng: np.random.Generator, shares: Sequence[float], n: int = 1024) -> pd.DataFrame:
    """S12: keys of questions."""
    keys = rng.choice(4, size=n, p=shares).astype(float)
    return drawn("S12", "letter", keys, "gemini")


def digit_laws(
    by_setting: Mapping[tuple[float, float, int], float], unresolved: float = 0.0, **columns: Any
) -> pd.DataFrame:
    """Laws of a digit at a total variation from the target, by setting; no other reply occurs."""
    rows = []
    for (temperature, top_p, top_k), far in by_setting.items():
        # Half of the digits are likelier than 0.1, half of them less likely.
        masses = (0.1 + far / 5 * np.repeat([1, -1], 5)) * (1 - unresolved)
        parts = {"outside": 0.0, "unresolved": unresolved}
        setting = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
        common = setting | {"experiment": "exact", "target": "digit", "style": "plain", "batch": 1}
        common |= {"model": "large", "sequences": 11, "tokens": 30} | columns
        rows += [common | {"part": p, "answer": "", "probability": m} for p, m in parts.items()]
        rows += [
            common | {"part": "answer", "answer": str(digit), "probability": mass}
            for digit, mass in enumerate(masses)
        ]
    return law_table.LAWS.validate(pd.DataFrame(rows))


def law_scored(laws: pd.DataFrame) -> pd.DataFrame:
    """The scores of exact laws."""
    return table([list(exact_scores.law_scores(laws))], [*CONDITIONS[1:], "cell"], texts=("cell",))


def collided(*laws: pd.DataFrame) -> pd.DataFrame:
    """The scores of collisions from exact laws."""
    rows = list(collision_scores.law_scores(laws))
    return table([rows], [*CONDITIONS[1:], "cell"], texts=("cell",))


def of_laws(metric: str, value: float, margin: float) -> pd.DataFrame:
    """One row of scores about all laws of a model."""
    found = Interval(value, value - margin, value + margin, 20)
    row = UNFILTERED | {"experiment": "exact", "model": "large", "batch": 1, "units": "conditions"}
    rows = [interval(metric=metric, found=found, **row)]
    return table([rows], [*CONDITIONS[1:], "cell"], texts=("cell",))


def stopped(values: NDArray) -> pd.DataFrame:
    """The scores of digits that were asked for in one round."""
    settings = {"tolerance": 0.03, "level": 0.05}
    row = stopping.of_draws("digit", drawn("S1", "digit", values), settings)
    rounds = pd.DataFrame([row | {"model": "large", "draws": len(values)}])
    rounds = stopping_scores.ROUNDS.validate(
        rounds.reindex(columns=list(stopping_scores.ROUNDS.columns))
    )
    rows = stopping_scores.round_scores(rounds, 1024)
    return table([rows], [*CONDITIONS[1:], "cell"], texts=("cell",))


PLAIN, VENDOR = (1.0, 1.0, 0), (0.6, 0.95, 20)


def world(claim: str, verdict: Verdict) -> pd.DataFrame:
    """Scores that give this claim this verdict."""
    rng = np.random.default_rng(5)
    match claim, verdict:
        case "1", _:
            share, n = {YES: (0.4, 1024), NO: (0, 1024), OPEN: (0, 64)}[verdict]
            return scored(drawn("S1", "digit", favourite(rng, n, share)))
        case "2", _:
            share, n = {YES: (0.4, 1024), NO: (0, 1024), OPEN: (0, 64)}[verdict]
            styles = ("formula", "generator")
            return scored(
                *(drawn("S2", "digit", favourite(rng, n, share), style=style) for style in styles)
            )
        case "3a", _:
            single, chained = {YES: (0.3, 0), NO: (0, 0.3), OPEN: (0, 0)}[verdict]
            return scored(
                drawn("S1", "digit", favourite(rng, 1024, single)),
                drawn("S5", "digit", favourite(rng, (32, 32), chained)),
            )
        case "3b", _:
            phi, chains = {YES: (-0.5, 32), NO: (0.5, 32), OPEN: (0.0, 6)}[verdict]
            return scored(drawn("S5", "normal", autoregression(rng, phi, chains, 32)))
        case ("3c", Verdict.CONTRADICTED):
            return scored(drawn("S6", "normal", autoregression(rng, 0.9, 32, 32)))
        case "3c", _:
            return scored(drawn("S6", "digit", periodic(rng, 0.6 * (verdict == YES), 32, 32)))
        case "4a", _:
            n = {YES: 256, NO: 1280, OPEN: 16}[verdict]
            values = DIGIT.draw(rng, (n, 4))
            return scored(lists(np.sort(values, axis=1) if verdict == YES else values))
        case "4b", _:
            n, wrong = {YES: (200, 0.2), NO: (600, 0.0), OPEN: (50, 0.0)}[verdict]
            return scored(lists(DIGIT.draw(rng, (n, 4)), wrong))
        case ("4c", Verdict.CONTRADICTED):
            return scored(lists(periodic(rng, 0.9, 128, 16, back=1)))
        case "4c", _:
            return scored(lists(periodic(rng, 0.6 * (verdict == YES), 64, 16)))
        case "5a", _:
            right = {YES: 0.97, NO: 0.5, OPEN: 0.9}[verdict]
            return scored(sequences(rng, right, 100))
        case "5b", _:
            right, n = {YES: (0.9, 100), NO: (1.0, 600), OPEN: (1.0, 100)}[verdict]
            return scored(sequences(rng, right, n))
        case "5c", _:
            per_output, per_draw = {YES: (12, 2), NO: (2, 12), OPEN: (6, 6)}[verdict]
            worked = np.repeat(8 * per_output + rng.integers(-4, 5, 64), 8)
            talk = per_draw + rng.integers(-1, 2, 64)
            return scored(
                sequences(rng, 0.9, 64, worked),
                drawn("S1", "digit", DIGIT.draw(rng, 64), tokens=talk),
            )
        case "6a", _:
            wrong, n = {YES: (0.0, 1024), NO: (0.3, 1024), OPEN: (0.0, 64)}[verdict]
            return scored(images(rng, "bucket", wrong, n))
        case "6b", _:
            wrong, n = {YES: (0.3, 1024), NO: (0.0, 1024), OPEN: (0.0, 64)}[verdict]
            return scored(images(rng, "box_muller", wrong, n))
        case "6c", _:
            wrong, n = {YES: (0.3, 1024), NO: (0.0, 1024), OPEN: (0.0, 64)}[verdict]
            return scored(images(rng, "bucket", wrong, n, "small"))
        case "7", _:
            share, n = {YES: (0.4, 1024), NO: (0, 1024), OPEN: (0, 64)}[verdict]
            own = np.where(rng.random(n) < share, 0.427, targets.of("seed").draw(rng, n))
            given = [f"{u:.6f}" for u in np.clip(own, 1e-6, 1 - 1e-6)]
            made = np.array([maps.truth("bucket", u) for u in given])
            more: dict[str, Any] = {"style": "bucket", "batch": 1}
            seed = drawn("S10", "digit", own, part="seed", **more)
            return scored(
                pd.concat([seed, drawn("S10", "digit", made, given=given, **more)], axis=0)
            )
        case "8", _:
            share, n = {YES: (0, 5120), NO: (0.2, 5120), OPEN: (0, 1024)}[verdict]
            more = {"style": "free", "seeded": False, "network_cut": True}
            return scored(drawn("S11", "digit", favourite(rng, n, share), **more))
        case "9", _:
            shares = {
                YES: (0.2, 0.2, 0.4, 0.2),
                NO: (0.03, 0.58, 0.36, 0.03),
                OPEN: (0.25, 0.25, 0.25, 0.25),
            }
            return scored(letters(rng, shares[verdict]))
        case "10", _:
            small, large = {YES: (0.5, 0.1), NO: (0.1, 0.5), OPEN: (0.3, 0.3)}[verdict]
            return scored(
                images(rng, "bucket", small, model="small"),
                images(rng, "bucket", large, model="large"),
            )
        case "11", _:
            first, last = {YES: (0.1, 0.4), NO: (0.4, 0.1), OPEN: (0.2, 0.2)}[verdict]
            frames = [
                drawn("S1", "digit", favourite(rng, 1024, share), model)
                for model, share in zip(STAGES, (first, last), strict=True)
            ]
            return scored(*frames, stages=[STAGES])
        case "X1", _:
            value, margin = {YES: (0.0, 0.01), NO: (0.2, 0.01), OPEN: (0.0, 0.1)}[verdict]
            return of_laws("draws_excess", value, margin)
        case "X2", _:
            value, margin = {YES: (60, 1), NO: (10, 1), OPEN: (20, 5)}[verdict]
            return of_laws("law_saving", value, margin)
        case "X6", _:
            share, n = {YES: (0.4, 500), NO: (0.0, 30_000), OPEN: (0.0, 64)}[verdict]
            return stopped(favourite(rng, n, share))
        case (("X3" | "X4"), _):
            far, unresolved = {YES: (0.2, 1e-4), NO: (0.01, 1e-4), OPEN: (0.04, 0.1)}[verdict]
            return law_scored(digit_laws({PLAIN: far}, unresolved))
        case (("X7" | "X9" | "X10"), _):
            far, unresolved = {YES: (0.4, 1e-4), NO: (0.01, 1e-5), OPEN: (0.1, 0.1)}[verdict]
            return collided(digit_laws({PLAIN: far}, unresolved))
        case "X8", _:
            far, unresolved = {YES: (0.4, 1e-5), NO: (0.0, 1e-5), OPEN: (0.1, 0.1)}[verdict]
            laws = [digit_laws({PLAIN: d}, unresolved) for d in (far, -far)]
            return collided(pd.concat([laws[0], laws[1].assign(style="formula")]))
        case "X11", _:
            far, unresolved = {YES: (0.4, 1e-4), NO: (0.01, 1e-4), OPEN: (0.1, 0.1)}[verdict]
            pair = [digit_laws({PLAIN: far}, unresolved, model=m) for m in ("small", "large")]
            return collided(*pair)
        case "X5", _:
            far, unresolved = {YES: (0.4, 1e-4), NO: (0.1, 1e-4), OPEN: (0.2, 0.1)}[verdict]
            laws = {PLAIN: 0.1, (0.6, 1.0, 0): 0.1, VENDOR: far}
            return law_scored(digit_laws(laws, unresolved))
        case _:
            return scored(drawn("S1", "digit", DIGIT.draw(rng, 64)))
