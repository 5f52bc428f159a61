"""Ask the decoders of one arm the prompts that no decoder has seen, in every reading of the arm.

Every answer is kept. Each prompt is asked freely, and with the shape of the answer given: then
only numbers are the model's own. Beside the arm `hybrid`, its reasoners answer by themselves.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.clrs import metrics, reasoner_scores
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.shared import adaptive_temperature, job, progress, provenance, seeds, tables
from workflow_scripts.transnar import answers, attention, batches, generate, weights
from workflow_scripts.transnar.arms import ARMS, READINGS, Reading, readings
from workflow_scripts.transnar.batches import Pairs
from workflow_scripts.transnar.decoder import Graph, Model
from workflow_scripts.transnar.train import reasoner_of

SPLIT = "text_test"
SHAPES = {"free": False, "given": True}


def asked_freely(reading: str) -> bool:
    """Ablations are compared where they can differ: in the numbers, with the shape given."""
    return reading in ("plain", "adaptive")


def ask(
    model: Model,
    reasoner: Reasoner | None,
    reading: Reading,
    pairs: Pairs,
    indices: NDArray[np.int64],
    given: bool,
    seed: int,
) -> list[str]:
    """Answers of one model to the prompts at `indices`."""

    def graph_of(labels: Tensor) -> Graph | None:
        if reasoner is None or reading.closed:
            return None
        seen = np.roll(indices, 1) if reading.shuffled else indices
        return batches.graph(reasoner, pairs, seen, labels)

    return generate.answers(
        model,
        [pairs.questions[index] for index in indices],
        [pairs.answers[index] for index in indices],
        pairs.nodes,
        graph_of,
        seeds.generator(seed, "transnar", "answers", pairs.algorithm, pairs.nodes),
        given,
        reading.streams,
    )


def rows_of(
    model: Model, reasoner: Reasoner | None, arm: str, sets: list[Pairs], batch: int, seed: int
) -> Iterator[dict[str, Any]]:
    """One row an answer."""
    for name in readings(arm):
        reading = READINGS[name]
        own = ARMS[arm].adaptive
        model.decoder.set_attn_implementation(
            attention.NAME if own or reading.adaptive else attention.PLAIN
        )
        for pairs in progress.track(sets, description=f"{arm}, {name}", unit="set"):
            for shape, given in SHAPES.items():
                if not given and not asked_freely(name):
                    continue
                for start in range(0, len(pairs), batch):
                    indices = np.arange(start, min(start + batch, len(pairs)))
                    found = ask(model, reasoner, reading, pairs, indices, given, seed)
                    for index, answer in zip(indices, found, strict=True):
                        yield _row(pairs, int(index), answer) | {"reading": name, "form": shape}


def _row(pairs: Pairs, index: int, answer: str) -> dict[str, Any]:
    truth = pairs.answers[index].rstrip("\n")
    graded = answers.score(answer, truth)
    return {
        "algorithm": pairs.algorithm,
        "nodes": pairs.nodes,
        "item": index,
        "question": pairs.questions[index],
        "answer": answer,
        "truth": truth,
        "shape": graded.shape,
        "parse": graded.parse,
        "clrs": graded.clrs,
        "exact": float(answer.strip() == truth.strip()),
    }


def by_itself(reasoner: Reasoner, sets: list[Pairs], batch: int) -> Iterator[dict[str, Any]]:
    """What the reasoner scores on the same samples, by the package's own score."""
    for pairs in sets:
        spec = reasoner.specs[pairs.algorithm]
        guesses, truths = reasoner_scores.predictions(reasoner, pairs.trajectories, batch)
        for index in range(len(pairs)):
            one = slice(index, index + 1)
            score = metrics.outputs(
                spec,
                {name: values[one] for name, values in guesses.items()},
                {name: values[one] for name, values in truths.items()},
            )["score"]
            yield {
                "algorithm": pairs.algorithm,
                "nodes": pairs.nodes,
                "item": index,
                "clrs": score,
                "reading": "by itself",
                "form": "given",
            }


def main(
    table: str,
    models: list[str],
    data: list[str],
    algorithms: list[str],
    trained_reasoners: list[str],
    polynomial_csv: str,
    arm: str,
    batch: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    attention.use(adaptive_temperature.published(polynomial_csv))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    sets = [
        pairs
        for path, algorithm in zip(data, algorithms, strict=True)
        for pairs in batches.read(path, algorithm, SPLIT)
    ]
    parts: list[pd.DataFrame] = []

    def keep(found: Iterator[dict[str, Any]], name: str, index: int) -> None:
        parts.append(pd.DataFrame(found).assign(arm=name, seed=index))

    for index, path in enumerate(models):
        model = weights.read(path).to(device)
        reasoner = None
        if ARMS[arm].reasoner != "none":
            reasoner = reasoner_of(ARMS[arm], trained_reasoners, index, seed).to(device)
        keep(rows_of(model, reasoner, arm, sets, batch, seed), arm, index)
        if arm == "hybrid" and reasoner is not None and index < len(trained_reasoners):
            keep(by_itself(reasoner, sets, batch), "reasoner", index)
    tables.write(pd.concat(parts, ignore_index=True), table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            list(snakemake.input.models),
            list(snakemake.input.data),
            params.algorithms,
            list(snakemake.input.reasoners),
            snakemake.input.polynomial,
            snakemake.wildcards.arm,
            params.batch,
            params.seed,
            provenance=provenance.of(snakemake),
        )
