"""Ask the decoders of one arm unseen prompts, under every inference condition of the arm.

Every answer is kept. With the shape of the answer given, only the numbers are the model's own; the
trained condition and the adaptive temperature are also asked for free answers. The arm `hybrid`
also has the answers of its reasoners alone. Every prompt has positions and labels of its own, the
same for all decoders and conditions, so that their draw is part of what differs between prompts.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.clrs import metrics as clrs_metrics
from workflow_scripts.clrs import reasoner_scores
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.shared import (
    adaptive_temperature,
    devices,
    job,
    parts,
    progress,
    seeds,
    tables,
)
from workflow_scripts.transnar import attention, batches, generate, metrics, weights
from workflow_scripts.transnar.arms import ARMS, INFERENCES, Inference, inferences, of
from workflow_scripts.transnar.batches import Pairs
from workflow_scripts.transnar.decoder import Coupled, Graph
from workflow_scripts.transnar.train import reasoner_of

SPLIT = "text_test"

Answers = Callable[[], list[str]]
Kept = Callable[[str, Answers], list[str]]


def computed(name: str, compute: Answers) -> list[str]:
    """The part `name`, of which nothing is stored."""
    return compute()


def ask(
    model: Coupled,
    reasoner: Reasoner | None,
    inference: Inference,
    pairs: Pairs,
    indices: NDArray[np.int64],
    given: bool,
    random: np.random.Generator,
) -> list[str]:
    """Answers of one model to the prompts at `indices`, shape (B,).

    Positions and labels are drawn from `random`.
    """

    def graph_of(labels: Tensor) -> Graph | None:
        if reasoner is None or inference.closed:
            return None
        seen = (indices - 1) % len(pairs) if inference.shuffled else indices
        return batches.graph(reasoner, pairs, seen, labels)

    return generate.answers(
        model,
        [pairs.questions[index] for index in indices],
        [pairs.answers[index] for index in indices],
        pairs.nodes,
        graph_of,
        random,
        given,
        inference.streams,
    )


def rows_of(
    model: Coupled,
    reasoner: Reasoner | None,
    arm: str,
    sets: list[Pairs],
    batch: int,
    seed: int,
    kept: Kept = computed,
) -> Iterator[dict[str, Any]]:
    """One row per answer: inference condition, form, question, answer, truth and scores.

    `kept` gives the answers to a set under a condition that an earlier job has stored.
    """
    for name in inferences(arm):
        inference = INFERENCES[name]
        model.attend(of(arm).adaptive or inference.adaptive)
        forms = ("free", "given") if inference.free else ("given",)
        for pairs in progress.track(sets, description=f"{arm}, {name}", unit="set"):
            for form in forms:
                found = kept(
                    f"{name}-{form}-{pairs.algorithm}-{pairs.nodes}",
                    partial(
                        ask_set, model, reasoner, inference, pairs, form == "given", batch, seed
                    ),
                )
                for index, answer in enumerate(found):
                    yield _row(pairs, index, answer) | {"inference": name, "form": form}


def ask_set(
    model: Coupled,
    reasoner: Reasoner | None,
    inference: Inference,
    pairs: Pairs,
    given: bool,
    batch: int,
    seed: int,
) -> list[str]:
    """Answers of one model to all prompts of a set, in their order."""
    # One generator per set: each batch draws positions and labels anew.
    random = seeds.generator(seed, "transnar", "answers", pairs.algorithm, pairs.nodes)
    found: list[str] = []
    for start in range(0, len(pairs), batch):
        indices = np.arange(start, min(start + batch, len(pairs)))
        found += ask(model, reasoner, inference, pairs, indices, given, random)
    return found


def _row(pairs: Pairs, index: int, answer: str) -> dict[str, Any]:
    truth = pairs.answers[index].rstrip("\n")
    graded = metrics.score(answer, truth)
    return {
        "algorithm": pairs.algorithm,
        "nodes": pairs.nodes,
        "item": index,
        "question": pairs.questions[index],
        "answer": answer,
        "truth": truth,
        **graded._asdict(),
        "exact": float(answer.strip() == truth.strip()),
    }


def reasoner_alone(reasoner: Reasoner, sets: list[Pairs], batch: int) -> Iterator[dict[str, Any]]:
    """One row per sample: the reasoner's own score on it, as the package computes it."""
    for pairs in sets:
        spec = reasoner.specs[pairs.algorithm]
        guesses, truths = reasoner_scores.predictions(reasoner, pairs.trajectories, batch)
        for index in range(len(pairs)):
            one = slice(index, index + 1)
            score = clrs_metrics.outputs(
                spec,
                {name: values[one] for name, values in guesses.items()},
                {name: values[one] for name, values in truths.items()},
            )["score"]
            place = {"algorithm": pairs.algorithm, "nodes": pairs.nodes, "item": index}
            yield {**place, "clrs": score, "inference": "alone", "form": "given"}


def main(
    models: list[str],
    data: list[str],
    reasoners: list[str],
    polynomial: str,
    table: str,
    arm: str,
    algorithms: list[str],
    batch: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Ask the decoders in `models`, one per seed, and write all answers with scores to `table`.

    `data` has one file per algorithm; `batch` is the number of prompts that are answered at once.
    A job that was killed continues with the set of prompts in which it was.
    """
    attention.use(adaptive_temperature.published(polynomial))
    work = parts.Parts(
        "transnar_evaluate",
        [*models, *data, *reasoners, polynomial],
        code=provenance["code"],
        settings={"arm": arm, "algorithms": algorithms, "batch": batch},
        seed=seed,
    )
    device = devices.for_tensors()
    sets = batches.read_all(data, algorithms, SPLIT)
    tables_of = []
    for index, path in enumerate(models):
        model = weights.read(path).to(device)
        reasoner = None
        if ARMS[arm].reasoner != "none":
            reasoner = reasoner_of(ARMS[arm], reasoners, index, seed).to(device)
        kept = partial(of_network, work, index)
        found = pd.DataFrame(rows_of(model, reasoner, arm, sets, batch, seed, kept))
        tables_of.append(found.assign(arm=arm, seed=index))
        if arm == "hybrid" and reasoner is not None and index < len(reasoners):
            found = pd.DataFrame(reasoner_alone(reasoner, sets, batch))
            tables_of.append(found.assign(arm="reasoner", seed=index))
    tables.write(pd.concat(tables_of, ignore_index=True), table, provenance=provenance)
    work.clear()


def of_network(work: parts.Parts, index: int, name: str, compute: Answers) -> list[str]:
    """The answers of one decoder to the set `name`: as an earlier job stored them, or computed."""
    return list(work.get(f"{index}-{name}", compute))


if __name__ == "__main__":
    job.run(snakemake, main)
