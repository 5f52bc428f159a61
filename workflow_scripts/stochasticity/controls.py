"""Two generators in the place of a model: a true one and a rigged one, through the same analysis.

The true generator answers every request as the prompt asks, with NumPy's draws in the stated
decimals. The rigged one does the same, but a share of its draws is one favourite; in batches the
favourite comes more often towards the end, and some counts are wrong; chains with all draws in view
swing from low to high, chains with the last draw only are periodic. The first must pass each test
as often as the level says, the second must fail; and `power` says what a test can see at all.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, progress, provenance, schemas, seeds, tables
from workflow_scripts.shared.statistics import binomial, proportion
from workflow_scripts.stochasticity import draws as reading
from workflow_scripts.stochasticity import maps, measures, scoring, targets
from workflow_scripts.stochasticity.targets import Target

TRUE, RIGGED = "true generator", "rigged generator"
LEVEL = 0.05
PERIOD = 4  # of the rigged chains of S6


@cache
def favourite(target: Target) -> float:
    """The value that the rigged generator likes too much: an unlikely one, and never the mean."""
    if target.edges is None:
        return 7.0 if target.name == "digit" else float(np.argmin(target.probabilities))
    assert target.ppf is not None
    return round(float(target.ppf(np.array(0.42))), 2)


def draw(target: Target, rng: np.random.Generator, n: int, share: float | NDArray = 0.0) -> NDArray:
    """`n` draws; each is the favourite with probability `share`, one for all or n of them."""
    values = target.draw(rng, n)
    return np.where(rng.random(n) < share, favourite(target), values)


def written(value: float, target: Target) -> str:
    """A draw as a model would write it."""
    if target.edges is None:
        return target.labels[int(value)]
    return f"{value + 0.0:.{target.decimals}f}"


def responses(requests: pd.DataFrame, model: str, share: float, seed: int) -> pd.DataFrame:
    """A reply to every sample of every request, as `draws.of` reads them."""
    rows = []
    for request in requests.to_dict("records"):
        rng = seeds.generator(seed, "control", model, request["request_id"])
        for sample, text in enumerate(_replies(dict(request), rng, share)):  # type: ignore[arg-type]
            rows.append((request["request_id"], sample, text, 0, model))
    columns = ["request_id", "sample", "text", "completion_tokens", "model"]
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
    """The draws of S5 and S6."""
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
        style="plain", temperature=1.0, top_p=1.0, top_k=0, batch=shape[1], model=model
    )
    return reading.DRAWS.validate(
        frame.assign(part="draw", failure=None, given="", tokens=0)[list(reading.DRAWS.columns)]
    )


def _rig(values: NDArray, target: Target, experiment: str, rng: np.random.Generator) -> None:
    """Make chains, shape (chains, rounds), repulsive (S5) or periodic (S6), in place."""
    middle = target.size / 2
    for t in range(1, values.shape[1]):
        if experiment == "S6" and t >= PERIOD:
            values[:, t] = values[:, t - PERIOD]
        elif experiment == "S5":
            # A draw from the same half of the cells as the one before is drawn once more.
            before = target.cells(values[:, t - 1]) < middle
            same = before == (target.cells(values[:, t]) < middle)
            values[:, t] = np.where(same, target.draw(rng, len(same)), values[:, t])


def pass_rates(n: int, replicates: int, share: float, seed: int) -> list[dict[str, Any]]:
    """How often each test passes `n` draws of both generators, over many replicates.

    For the true one also the p-value of a binomial test against 1 - level. The plain
    Kolmogorov-Smirnov test on rounded numbers (`ks_ties`) is allowed to reject too often.
    """
    rows = []
    # That the rigged one fails needs fewer runs than that the true one passes at the level.
    for model, rigged, runs in ((TRUE, 0.0, replicates), (RIGGED, share, max(replicates // 10, 1))):
        for name in words.TARGETS:
            target = targets.of(name)
            rng = seeds.generator(seed, "pass rates", model, name)
            passed: dict[str, int] = {}
            for replicate in progress.track(range(runs), description=f"{model}, {name}"):
                values = draw(target, rng, n, rigged)
                for test, result in measures.goodness_of_fit(values, target, replicate).items():
                    passed[test] = passed.get(test, 0) + (result.p > LEVEL)
            for test, count in passed.items():
                base = scoring.base("controls", name, test, model, batch=n)
                rows.append(scoring.row(base, "pass_rate", proportion(count, runs)))
                if model == TRUE:
                    p = binomial(count, runs, 1 - LEVEL).p
                    rows.append(scoring.exact(base, "pass_rate_p", p, runs))
    return rows


def power(n: int, excesses: list[float], replicates: int, seed: int) -> list[dict[str, Any]]:
    """The share of runs of `n` draws that a test rejects when a tenth of the target is too likely.

    For digits one digit has probability 1/10 + d, the others share the loss; for real targets it
    is the same tenth of the probability, from its 7th to its 8th decile.
    """
    rows = []
    for name in words.TARGETS:
        target = targets.of(name)
        for excess in excesses:
            rng = seeds.generator(seed, "power", name, str(excess))
            for test, p_values in _p_values(target, n, excess, replicates, rng).items():
                base = scoring.base("power", name, test, "theory", batch=n)
                rejected = proportion(int((p_values < LEVEL).sum()), replicates)
                rows.append(scoring.row(base, "power", rejected, cell=f"{excess:g}"))
    return rows


def _p_values(
    target: Target, n: int, excess: float, replicates: int, rng: np.random.Generator
) -> dict[str, NDArray]:
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
    requests: str | Path,
    draws_path: str | Path,
    rates_path: str | Path,
    sequential: dict[str, Any],
    settings: dict[str, Any],
    draws: int,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the draws of both generators, and the pass rates and power of the tests."""
    asked = tables.read(requests, schemas.REQUESTS)
    asked = asked[asked["experiment"] != "S3"]  # a generator has no temperature
    frames = []
    for model, share in ((TRUE, 0.0), (RIGGED, settings["favourite"])):
        frames.append(reading.of(asked, responses(asked, model, share, seed)))
        frames.append(chains(sequential, model, share, seed))
    tables.write(pd.concat(frames, ignore_index=True), draws_path, reading.DRAWS, provenance)
    rows = pass_rates(draws, settings["replicates"], settings["favourite"], seed)
    rows += power(draws, settings["excesses"], settings["power_replicates"], seed)
    tables.write(scoring.table(rows), rates_path, schemas.SCORES, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.requests,
            snakemake.output.draws,
            snakemake.output.rates,
            dict(snakemake.params.sequential),
            dict(snakemake.params.settings),
            snakemake.params.draws,
            snakemake.params.seed,
            provenance.of(snakemake),
        )
