"""E1 and E2 on trained networks: scores of each processor, synchronous and asynchronous.

One table per algorithm. "L3" is the variant of the logarithmic processor, with or without a linear
layer before it, that scores higher on the validation set; the paper selects it per task, too.
"""

from collections.abc import Iterator
from functools import partial
from itertools import permutations
from typing import Any

import pandas as pd

from workflow_scripts.clrs import reasoner_scores, weights
from workflow_scripts.cocycles import asynchrony
from workflow_scripts.cocycles.processors import PROCESSORS
from workflow_scripts.cocycles.train import sets
from workflow_scripts.shared import devices, intervals, job, progress, tables
from workflow_scripts.shared.intervals import DIFFERENCE, SHARE
from workflow_scripts.shared.parts import Parts
from workflow_scripts.shared.scores import Row, exact, interval, mean, number

LEVELS = {"l1": "L1", "l2": "L2", "l3": "L3", "l3_linear": "L3"}
SINGLE = ("map_gap_bound",)  # the same for all seeds


def measured(
    models: dict[str, list[str]],
    data: str,
    algorithm: str,
    degrees: list[float],
    samples: int,
    seed: int,
    work: Parts,
) -> pd.DataFrame:
    """One row per processor, seed, condition and metric; asynchronous runs of `samples` only.

    `work` has the networks that an earlier job has measured.
    """
    _, valid, test = sets(data, algorithm)
    few = asynchrony.first(test, samples)

    def of_network(path: str) -> list[Row]:
        network = weights.read(path, PROCESSORS).to(devices.for_tensors())
        scores = {"validation_score": valid, "ood_score": test}
        training: list[Row] = [
            {"experiment": "training", "metric": metric}
            | {"value": reasoner_scores.score(network, part)["score"]}
            for metric, part in scores.items()
        ]
        found = [
            *asynchrony.runs(network, few, degrees, seed),
            *asynchrony.maps(network, few, seed),
        ]
        return training + [{"experiment": "trained"} | row for row in found]

    rows: list[Row] = []
    jobs = [(name, i, path) for name, paths in models.items() for i, path in enumerate(paths)]
    for name, index, path in progress.track(jobs, description=algorithm, unit="network"):
        base = {"processor": name, "seed": index}
        rows += [base | row for row in work.get(f"{name}-{index}", partial(of_network, path))]
    return pd.DataFrame(rows)


def picked(frame: pd.DataFrame) -> dict[str, str]:
    """The processor of each level; of two variants, the one that scores higher on validation."""
    valid = frame[frame["metric"] == "validation_score"].groupby("processor")["value"].mean()
    best: dict[str, str] = {}
    for name, score in valid.items():
        level = LEVELS[str(name)]
        if level not in best or score > valid[best[level]]:
            best[level] = str(name)
    return best


def pooled(frame: pd.DataFrame, algorithm: str, steps: int) -> Iterator[Row]:
    """Rows over seeds, rows of each seed for means over algorithms, and differences of levels.

    Levels are compared seed by seed: seed i has the same data and order of batches at every level.
    """
    keys = ["experiment", "metric", "kind", "degree", "aggregator"]
    levels = {level: frame[frame["processor"] == name] for level, name in picked(frame).items()}
    for level, name in picked(frame).items():
        place: Row = {"model": level, "algorithm": algorithm, "variant": name}
        yield exact("training", "training_steps", steps, 1, units="settings", **place)
        for found, part in levels[level].groupby(keys, dropna=False, sort=False):
            named: Row = dict(zip(keys, found, strict=True))
            experiment, metric = str(named.pop("experiment")), str(named.pop("metric"))
            values, named = part["value"], named | place
            if metric in SINGLE:
                yield exact(experiment, metric, values.iloc[0], 1, units="cases", **named)
            elif metric == "map_largest_gap":
                yield number(experiment, metric, values.max(), len(part), units="seeds", **named)
            else:
                bounds = SHARE if metric.endswith("score") else None
                yield mean(experiment, metric, values, bounds=bounds, **named)
            if experiment == "training" or metric == "map_largest_gap":
                for seed, value in zip(part["seed"], values, strict=True):
                    place_of_seed = named | {"units": "seeds", "seed": seed}
                    yield number(experiment, metric, value, 1, **place_of_seed)
    for level, other in permutations(sorted(levels), 2):
        place = {"model": level, "other": other, "algorithm": algorithm}
        own, others = (
            levels[name]
            .query("experiment == 'training' and metric == 'ood_score'")
            .set_index("seed")["value"]
            for name in (level, other)
        )
        yield mean("training", "ood_difference", own - others, bounds=DIFFERENCE, **place)
        yield better_or_steadier(own, others, **place)


def better_or_steadier(own: pd.Series, others: pd.Series, **place: Any) -> Row:
    """The larger of two advantages of a level, both in score: a higher mean, a smaller spread.

    `own` and `others` have shape (seeds,). The spread is the mean distance from the median, as in
    the test of Brown and Forsythe (1974). The interval allows for the choice of the larger.
    """
    spread = [(scores - scores.median()).abs() for scores in (others, own)]
    advantages = [
        intervals.of_seeds(own - others, DIFFERENCE),
        intervals.of_seeds(spread[0] - spread[1], DIFFERENCE),
    ]
    found = intervals.kth_largest(advantages, 1)._replace(n=len(own))
    return interval("training", "better_or_steadier", found, units="seeds", **place)


def main(
    data: str,
    models: list[str],
    table: str,
    algorithm: str,
    processors: list[str],
    steps: int,
    degrees: list[float],
    samples: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Evaluate the networks `models` of all processors on one algorithm, and write `table`.

    `data` is the exported file of the algorithm. `samples` trajectories are run asynchronously at
    each of the `degrees`.
    """
    paths = {name: [path for path in models if f"/{name}/" in path] for name in processors}
    work = Parts(
        "cocycles_trained",
        [*models, data],
        code=provenance["code"],
        settings={"algorithm": algorithm, "degrees": degrees, "samples": samples},
        seed=seed,
    )
    frame = measured(paths, data, algorithm, degrees, samples, seed, work)
    rows = list(pooled(frame, algorithm, steps))
    tables.write(pd.DataFrame(rows), table, provenance=provenance)
    work.clear()


if __name__ == "__main__":
    job.run(snakemake, main)
