"""Two generators in place of a model, one true and one rigged, through the same analysis.

The true generator answers every request as prompted, with NumPy's draws in the stated decimals. The
rigged one does the same, but a share of its draws is one favourite value. In batches the favourite
becomes more frequent towards the end and some counts are wrong; chains with all draws in view swing
between low and high; chains with only the last draw in view are periodic. The true generator must
pass each test at the nominal rate, the rigged one must fail; `power` shows which deviations a test
can detect.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from workflow_scripts.inference import forms
from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, progress, schemas, scores, seeds, tables
from workflow_scripts.shared.scores import Row
from workflow_scripts.shared.statistics import binomial
from workflow_scripts.stochasticity import (
    long_replies,
    maps,
    metrics,
    parsing,
    requests,
    targets,
)
from workflow_scripts.stochasticity.asking import Manner
from workflow_scripts.stochasticity.draw_table import CONDITIONS, DRAWS, RIGGED, TRUE, UNFILTERED
from workflow_scripts.stochasticity.metrics import LEVEL
from workflow_scripts.stochasticity.targets import Target

# The generators are asked as an embedded model is; their draws depend on the names of the requests.
MANNER = Manner({"kind": forms.EMBEDDED, "thinks": False, "reply_tokens": 16})
PERIOD = 4  # of the rigged chains in S6


@cache
def favourite(target: Target) -> float:
    """The favourite value of the rigged generator: an unlikely one, never the mean."""
    if target.edges is None:
        return 7.0 if target.name == "digit" else float(np.argmin(target.probabilities))
    assert target.ppf is not None
    return round(float(target.ppf(np.array(0.42))), 2)


def draw(target: Target, rng: np.random.Generator, n: int, share: float | NDArray = 0.0) -> NDArray:
    """Draws, shape (n,); each is the favourite with probability `share`, a number or shape (n,)."""
    values = target.draw(rng, n)
    return np.where(rng.random(n) < share, favourite(target), values)


def written(value: float, target: Target) -> str:
    """A draw as a model would write it."""
    if target.edges is None:
        return target.labels[int(value)]
    return f"{value + 0.0:.{target.decimals}f}"


def responses(asked: pd.DataFrame, model: str, share: float, seed: int) -> pd.DataFrame:
    """A reply to every sample of every request, in the columns that `parsing.draws` reads."""
    rows = []
    for request in asked.to_dict("records"):
        rng = seeds.generator(seed, "control", model, request["request_id"])
        for sample, text in enumerate(_replies(dict(request), rng, share)):  # type: ignore[arg-type]
            rows.append((request["request_id"], sample, text, "stop", 0, model))
    columns = ["request_id", "sample", "text", "finish_reason", "completion_tokens", "model"]
    return pd.DataFrame(rows, columns=columns)


def _replies(request: dict[str, Any], rng: np.random.Generator, share: float) -> list[str]:
    n, style = request["n"], request["style"]
    if request["experiment"] == "S8":
        return [_worked(request, rng, share) for _ in range(n)]
    target = targets.of(request["target"])
    match request["experiment"]:
        case "S7":
            return [_batch(target, request["batch"], rng, share) for _ in range(n)]
        case "S9":
            true = written(round(maps.truth(style, request["given"]), target.decimals), target)
            return [true if rng.random() >= share else written(favourite(target), target)]
        case "S10":
            own = np.clip(draw(targets.of("seed"), rng, n, share), 1e-6, 1 - 1e-6)
            name = words.RESULT_NAMES[style]
            return [f"u = {u:.6f}, {name} = {words.map_written(style, float(u))}" for u in own]
    mark = {"state_first": "Draw: ", "letter": "Key: "}
    before = mark.get(style, mark.get(request["target"], ""))
    return [before + written(value, target) for value in draw(target, rng, n, share)]


def _batch(target: Target, size: int, rng: np.random.Generator, share: float) -> str:
    late = 2 * share * np.arange(size) / max(size - 1, 1)
    values = draw(target, rng, size, late)[: size - int(rng.random() < share)]
    return ", ".join(written(value, target) for value in values)


def _worked(request: dict[str, Any], rng: np.random.Generator, share: float) -> str:
    true = maps.sequence(request["style"], json.loads(request["given"]), request["batch"])
    wrong = rng.random(len(true)) < share
    return "\n".join(f"x = {x + int(off)}" for x, off in zip(true, wrong, strict=True))


def chains(settings: dict[str, Any], model: str, share: float, seed: int) -> pd.DataFrame:
    """The draws of S5 and S6 as a table of draws."""
    shape = settings["chains"], settings["rounds"]
    frames = []
    for experiment in ("S5", "S6"):
        for name in settings["targets"]:
            rng = seeds.generator(seed, "control", model, experiment, name)
            target = targets.of(name)
            values = target.draw(rng, shape)
            if share:
                _rig(values, target, experiment, rng)
            frames.append(
                pd.DataFrame(
                    {
                        "experiment": experiment,
                        "target": name,
                        "unit": np.repeat(np.arange(shape[0]), shape[1]),
                        "position": np.tile(np.arange(shape[1]), shape[0]),
                        "value": values.ravel(),
                    }
                )
            )
    frame = pd.concat(frames, ignore_index=True).assign(
        style="plain", batch=shape[1], model=model, part="draw", failure=None, given="", tokens=0,
        max_tokens=0, finish_reason="stop", **UNFILTERED,
    )  # fmt: skip
    return DRAWS.validate(frame[list(DRAWS.columns)])


def _rig(values: NDArray, target: Target, experiment: str, rng: np.random.Generator) -> None:
    """Make `values`, shape (chains, rounds), repulsive (S5) or periodic (S6), in place."""
    middle = target.size / 2
    for t in range(1, values.shape[1]):
        if experiment == "S6" and t >= PERIOD:
            values[:, t] = values[:, t - PERIOD]
        elif experiment == "S5":
            # A draw from the same half of the cells as the previous one is redrawn once.
            before = target.cells(values[:, t - 1]) < middle
            same = before == (target.cells(values[:, t]) < middle)
            values[:, t] = np.where(same, target.draw(rng, len(same)), values[:, t])


def pass_rates(n: int, replicates: int, share: float, seed: int) -> Iterator[Row]:
    """How often each test passes `n` draws of both generators, over many replicates.

    For the true one also the p-value of a binomial test against 1 - level. The plain
    Kolmogorov-Smirnov test on rounded numbers (`ks_ties`) may reject too often.
    """
    # Showing that the rigged one fails takes fewer runs than showing that the true one passes.
    for model, rigged, runs in ((TRUE, 0.0, replicates), (RIGGED, share, max(replicates // 10, 1))):
        for name in words.TARGETS:
            target = targets.of(name)
            rng = seeds.generator(seed, "pass rates", model, name)
            passed: dict[str, int] = {}
            for replicate in progress.track(range(runs), description=f"{model}, {name}"):
                values = draw(target, rng, n, rigged)
                for test, result in metrics.goodness_of_fit(values, target, replicate).items():
                    passed[test] = passed.get(test, 0) + (result.p > LEVEL)
            for test, count in passed.items():
                row = UNFILTERED | {"target": name, "style": test, "batch": n, "model": model}
                row |= {"n": runs, "units": "runs"}
                yield scores.share("controls", "pass_rate", count, **row)
                if model == TRUE:
                    p = binomial(count, runs, 1 - LEVEL).p
                    yield scores.number("controls", "pass_rate_p", p, **row)


def power(n: int, excesses: list[float], replicates: int, seed: int) -> Iterator[Row]:
    """The share of runs of `n` draws that a test rejects when a tenth of the target is too likely.

    For digits, one digit has probability 1/10 + d and the others share the loss. For real targets
    it is one tenth of the probability, from the 7th to the 8th decile.
    """
    for name in words.TARGETS:
        target = targets.of(name)
        for excess in excesses:
            rng = seeds.generator(seed, "power", name, str(excess))
            for test, p_values in _p_values(target, n, excess, replicates, rng).items():
                row = UNFILTERED | {"target": name, "style": test, "batch": n, "model": "theory"}
                row |= {"cell": f"{excess:g}", "n": replicates, "units": "runs"}
                yield scores.share("power", "power", int((p_values < LEVEL).sum()), **row)


def _p_values(
    target: Target, n: int, excess: float, replicates: int, rng: np.random.Generator
) -> dict[str, NDArray]:
    """p-values of each test, shape (replicates,)."""
    tenths = np.full(10, (0.9 - excess) / 9)
    tenths[7] = 0.1 + excess
    if target.ppf is None or target.cdf is None:
        counts = rng.multinomial(n, tenths, replicates)
        statistic = ((counts - n / 10) ** 2 / (n / 10)).sum(axis=1)
        return {"chi_square": stats.chi2.sf(statistic, 9)}
    uniform = (rng.choice(10, p=tenths, size=(replicates, n)) + rng.random((replicates, n))) / 10
    values = np.round(target.ppf(uniform), target.decimals)
    cells = target.cells(values) + target.size * np.arange(replicates)[:, None]
    counts = np.bincount(cells.ravel(), minlength=replicates * target.size)
    expected = n * target.probabilities
    statistic = ((counts.reshape(replicates, -1) - expected) ** 2 / expected).sum(axis=1)
    below = np.sort(target.cdf(target.spread(values, rng)), axis=1)
    steps = np.arange(n + 1) / n
    distance = np.maximum(steps[1:] - below, below - steps[:-1]).max(axis=1)
    return {
        "chi_square": stats.chi2.sf(statistic, target.size - 1),
        "ks": stats.kstwo.sf(distance, n),
    }


def main(
    draw_table: str,
    rates: str,
    sequential: dict[str, Any],
    long: dict[str, Any],
    questions: dict[str, Any],
    settings: dict[str, Any],
    draws: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the draws of both generators, and the pass rates and power of the tests.

    They answer what a model is asked: `questions` has the config's sections for single draws, and
    `long` those of S7 and S8. A generator has no temperature, so there is no S3.
    """
    single = inference.table(requests.every(MANNER, questions, {}, draws, seed))
    lists = long_replies.table(MANNER, long, draws, seed)
    # A generator spends no tokens and knows no limit.
    asked = pd.concat([single, lists], ignore_index=True).assign(max_tokens=0)
    frames = []
    for model, share in ((TRUE, 0.0), (RIGGED, settings["favourite"])):
        frames.append(parsing.draws(asked, responses(asked, model, share, seed)))
        frames.append(chains(sequential, model, share, seed))
    tables.write(pd.concat(frames, ignore_index=True), draw_table, DRAWS, provenance)
    rows = [
        *pass_rates(draws, settings["replicates"], settings["favourite"], seed),
        *power(draws, settings["excesses"], settings["power_replicates"], seed),
    ]
    table = scores.table([rows], [*CONDITIONS[1:], "cell"], texts=("cell",))
    tables.write(table, rates, schemas.SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
