"""From answers to scores: per arm, inference condition, algorithm and size, with intervals.

All decoders answer the same prompts, so intervals are over seeds and prompts (`shared.intervals`).
Differences between arms, and between inference conditions of one arm, are paired by seed and
prompt. `role` is what a size is to the training. Reasoners are compared with Ibarz et al. (2022) at
64 nodes (80 for strings): those of one algorithm with table 2, those of several with figure 3.
Language models of the run that answer the decoders' prompts are experiment E4 (`replies.py`).
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from workflow_scripts.clrs import sampling
from workflow_scripts.shared import intervals, job, scores, tables
from workflow_scripts.shared.intervals import DIFFERENCE, SHARE
from workflow_scripts.shared.schemas import REQUESTS, RESPONSES, SCORES
from workflow_scripts.shared.scores import Row
from workflow_scripts.transnar import across, replies
from workflow_scripts.transnar.across import (
    DECODERS,
    Cell,
    Place,
    average,
    less,
    row_of,
    scopes,
)
from workflow_scripts.transnar.arm_names import model_of
from workflow_scripts.transnar.contrasts import (
    ADAPTIVE,
    NOT_RANDOMISED,
    OTHER_MERGES,
    RANDOMISED,
    pretrained,
)
from workflow_scripts.transnar.published import FAMILY, MULTI_TASK, SINGLE_TASK, mean_pct

METRICS = {"clrs": "clrs_score", "shape": "shape_score", "parse": "parse_score", "exact": "exact"}
CONDITIONS = ["arm", "inference", "form", "algorithm", "family", "nodes", "role", "other"]
CONDITIONS += ["training", "steps"]
REASONERS = "reasoners trained here"
PUBLISHED_NODES = 64  # of the test sets of Ibarz et al.; strings have a needle of 16 more


def cells(answers: pd.DataFrame) -> dict[Place, Cell]:
    """Values of every metric by place and algorithm, shape (seeds, prompts).

    With the shape given every answer has the right shape and parses, so these scores are left out.
    Raises `ValueError` if a seed has not answered every prompt of a set.
    """
    found: dict[Place, Cell] = {}
    keys = ["arm", "inference", "form", "nodes", "algorithm"]
    for (arm, inference, form, nodes, algorithm), rows in answers.groupby(keys, sort=False):
        ordered = rows.sort_values(["seed", "item"])
        shape = (ordered["seed"].nunique(), ordered["item"].nunique())
        if len(ordered) != shape[0] * shape[1]:
            raise ValueError(
                f"answers of {arm} ({inference}, {form}) to {algorithm}, {nodes} nodes: expected "
                f"{shape[0]} seeds x {shape[1]} prompts, found {len(ordered)} answers"
            )
        for column, metric in METRICS.items():
            if form == "given" and column in ("shape", "parse"):
                continue
            if column in ordered and ordered[column].notna().all():
                place = (str(arm), str(inference), str(form), int(str(nodes)), metric)
                values = ordered[column].to_numpy(float).reshape(shape)
                found.setdefault(place, {})[str(algorithm)] = values
    return found


def pooled(table: dict[Place, Cell], roles: dict[int, str]) -> Iterator[Row]:
    """Means of every metric and place, per algorithm, per family and over all algorithms.

    `table` has values of shape (seeds, prompts); `roles` maps nodes to roles.
    """
    for (arm, inference, form, nodes, metric), cell in table.items():
        place = {"arm": arm, "inference": inference, "form": form, "nodes": nodes}
        place |= {"role": roles.get(nodes, "other"), "model": model_of(arm) or DECODERS}
        for scope, names in scopes(list(cell)):
            found = intervals.mean(average(cell, names), bounds=SHARE)
            yield row_of(metric, found, **place, **scope)


def comparisons(table: dict[Place, Cell]) -> Iterator[tuple[Place, Place, str]]:
    """Places to compare, the first minus the second, and the name of the second.

    Arms as trained are compared with `text`, with `untrained`, and as in `contrasts.py`, those of a
    pretrained model with each other; inference conditions of an arm with its plain one.
    """
    known = {arm for arm, *_ in table if arm != "reasoner"}
    arms = {arm for arm in known if not model_of(arm)}
    pairs = [(arm, other) for other in ("text", "untrained") for arm in sorted(arms)]
    pairs += [*ADAPTIVE, *OTHER_MERGES, *RANDOMISED, *NOT_RANDOMISED, *pretrained(known)]
    wanted = {pair for pair in pairs if known.issuperset(pair) and pair[0] != pair[1]}
    for place in table:
        arm, inference, form, nodes, metric = place
        if inference == "plain":
            for first, other in sorted(wanted):
                if first == arm:
                    yield place, (other, "plain", form, nodes, metric), other
        elif arm != "reasoner":
            yield place, (arm, "plain", form, nodes, metric), "plain"


def compared(table: dict[Place, Cell], roles: dict[int, str]) -> Iterator[Row]:
    """Differences between arms, and between inference conditions of an arm.

    Arguments as for `pooled`.
    """
    for first, second, other in comparisons(table):
        if second not in table:
            continue
        arm, inference, form, nodes, metric = first
        gap = less(table[first], table[second])
        place = {"arm": arm, "inference": inference, "form": form, "nodes": nodes, "other": other}
        place |= {"role": roles.get(nodes, "other"), "model": model_of(arm) or DECODERS}
        for scope, names in scopes(list(gap)):
            found = intervals.mean(average(gap, names), bounds=DIFFERENCE)
            yield row_of(f"{metric}_difference", found, **place, **scope)


def singles(table: dict[Place, Cell], roles: dict[int, str]) -> Iterator[Row]:
    """Every metric of every seed and algorithm: means over prompts."""
    for (arm, inference, form, nodes, metric), cell in table.items():
        for algorithm, values in cell.items():
            place = {"arm": arm, "inference": inference, "form": form, "nodes": nodes}
            place |= {"role": roles.get(nodes, "other"), "algorithm": algorithm}
            place |= {"family": FAMILY[algorithm], "model": model_of(arm) or DECODERS}
            for seed, value in enumerate(values.mean(1)):
                count = values.shape[1]
                yield scores.number("E1", metric, value, count, units="prompts", seed=seed, **place)


def reasoner_rows(
    table: pd.DataFrame, name: str, steps: int, published: dict[str, dict[str, float]]
) -> Iterator[Row]:
    """Scores of one entry's reasoners on the package's test sets, and minus the published ones.

    `table` is that of `clrs/evaluate.py`; `published` maps the kind of training to scores in % by
    algorithm. The published test sets have 64 nodes (80 for strings); scores at other sizes are
    compared with nothing. Intervals are over seeds.
    """
    table = table[table["output"] == "score"]
    training = SINGLE_TASK if table["algorithm"].nunique() == 1 else MULTI_TASK
    longest = table.groupby("algorithm")["nodes"].transform("max")
    for (algorithm, nodes), rows in table.groupby(["algorithm", "nodes"], sort=False):
        role = "extrapolation" if nodes == longest[rows.index[0]] else "trained"
        place = {"algorithm": algorithm, "nodes": nodes, "role": role, "arm": name, "steps": steps}
        row: Row = {"model": REASONERS, "training": training, **place}
        for _, one in rows.iterrows():
            single = {"value": one["value"], "n": one["samples"], "seed": one["seed"]}
            yield scores.number("reasoner", "score", units="samples", **single, **row)
        yield scores.mean("reasoner", "score", rows["value"], bounds=SHARE, **row)
        if nodes == sampling.nodes_of(str(algorithm), PUBLISHED_NODES, "test"):
            known = published[training][str(algorithm)] / 100
            bounds = (-known, 1 - known)
            apart = rows["value"] - known
            yield scores.mean("reasoner", "score_less_published", apart, bounds=bounds, **row)


def main(
    answers: list[str],
    reasoners: list[str],
    requests: list[str],
    responses: list[str],
    single_task: str,
    multi_task: str,
    table: str,
    steps: dict[str, int],
    sizes: dict[str, int],
    models: list[str],
    provenance: dict[str, Any],
) -> None:
    """Write the study's scores to `table`, from tables of answers and of the reasoners' scores.

    `single_task` and `multi_task` are published tables. `steps` maps the reasoners, in the order of
    their tables, to the training steps per algorithm; `sizes` maps roles to nodes. `requests` and
    `responses` are those of the language models `models`, in this order.
    """
    found = cells(pd.concat([tables.read(path) for path in answers], ignore_index=True))
    roles = {size: role for role, size in sizes.items()}
    rows = [
        *singles(found, roles),
        *pooled(found, roles),
        *compared(found, roles),
        *across.rows(found, sizes),
    ]
    known = {
        SINGLE_TASK: mean_pct(single_task, SINGLE_TASK),
        MULTI_TASK: mean_pct(multi_task, MULTI_TASK),
    }
    for path, (name, count) in zip(reasoners, steps.items(), strict=True):
        rows += reasoner_rows(tables.read(path), name, count, known)
    for model, *paths in zip(models, requests, responses, strict=True):
        asked, replied = tables.read(paths[0], REQUESTS), tables.read(paths[1], RESPONSES)
        rows += replies.rows(replies.graded(asked, replied), model, roles)
    made = scores.table([rows], CONDITIONS, whole=["nodes", "steps"])
    tables.write(made, table, SCORES, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
