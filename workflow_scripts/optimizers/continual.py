"""E1, E2, E3: one optimiser learns the tasks of both streams in sequence.

All seeds and conditions are replicas of one vectorised run. A condition is a stream, a protocol
(`steps`: the same number of steps on every task; `matched`: until the same training loss), whether
the optimiser's state is kept or reset between tasks, and the rate (`tuned` or a fixed one).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.optimizers import metrics, registry, tune
from workflow_scripts.optimizers.data import CLASSES, Split, load
from workflow_scripts.optimizers.network import Parameters, squared_distance
from workflow_scripts.optimizers.records import Key, Record
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.optimizers.updates import Optimizer
from workflow_scripts.shared import files, job, progress, tables

AT_FIXED_RATES = ("adam", "adamw")  # a secondary account gives Adam's rates; texts differ on which
PROBED_TASK = 1  # index of the task during which old accuracy is recorded against distance


@dataclass(frozen=True)
class Settings:
    """How both streams are trained and evaluated."""

    hidden: list[int]
    batch: int
    steps: dict[str, int]  # per task, by stream
    tasks: int  # of the permuted stream
    seeds: int
    probe_every: int  # steps between evaluations of old accuracy
    fixed_rates: list[float]  # of Adam and AdamW on the classes, beside the tuned one
    stop_nats: float  # training loss at which the matched protocol ends a task
    most_steps: dict[str, int]  # per task in the matched protocol, by stream
    loss_examples: int  # of a task, over which that loss is taken
    check_every: int  # steps between evaluations of that loss


@dataclass(frozen=True)
class Condition:
    """What the seeds of a group share."""

    protocol: str
    state: str
    rate: str
    learning_rate: float


def conditions(stream: str, tuned: float, fixed: list[float]) -> list[Condition]:
    """The conditions of a stream; resetting the state is an ablation on permuted tasks only."""
    found = [
        Condition("steps", "kept", "tuned", tuned),
        Condition("matched", "kept", "tuned", tuned),
    ]
    if stream == "permuted":
        return [*found, Condition("steps", "reset", "tuned", tuned)]
    return found + [Condition("steps", "kept", f"{rate:g}", rate) for rate in fixed]


def activations(training: Training, task: int) -> tuple[list[Tensor], Tensor]:
    """Hidden activations (R, N, width) and labels (R, N) on the test set of a task or stream."""
    stream = training.stream
    on = range(stream.tasks) if stream.name == "classes" else [task]
    outputs = [training.outputs("test", at) for at in on]
    hidden = [torch.cat(layers, 1) for layers in zip(*(out[2] for out in outputs), strict=True)]
    return hidden, torch.cat([out[1] for out in outputs], 1)


def record_weights(record: Record, parameters: Parameters, task: int, spectrum: bool) -> None:
    """Record ranks, and on request spectra, of the weights, matrices (R, out, in + 1)."""
    for name, matrix in parameters.items():
        values = metrics.singular_values(matrix[..., :-1])
        record.add_ranks("weight", values, layer=name, task=task)
        if spectrum:
            record.add_spectrum("weight", values, layer=name, task=task)


def record_activations(record: Record, training: Training, task: int, after: int) -> None:
    """Record ranks of the representations after `after` tasks; at the end spectra and cosines."""
    hidden, labels = activations(training, task)
    last = after == training.stream.tasks
    for index, layer in enumerate(hidden, start=1):
        place: Key = {"layer": f"hidden{index}", "task": after}
        values = metrics.activation_values(layer)
        record.add_ranks("activation", values, **place)
        if last:
            record.add_spectrum("activation", values, **place)
        if last and index == len(hidden) and training.stream.name == "classes":
            cosines = metrics.class_cosines(layer, labels, CLASSES)
            beside = metrics.off_diagonal(cosines)
            record.add("class_cosine_mean", beside.mean(1), **place)
            record.add("class_cosine_sd", beside.std(1), **place)
            for first in range(CLASSES):
                for second in range(CLASSES):
                    entry = cosines[:, first, second]
                    record.add("class_cosine", entry, **place, index=first, other=second)


class Experiment:
    """One stream under one optimiser, task by task."""

    def __init__(
        self,
        name: str,
        optimizer: Optimizer,
        tuned: float,
        settings: Settings,
        parts: dict[str, Split],
        seed: int,
    ) -> None:
        self.settings = settings
        names = [str(index) for index in range(settings.seeds)]
        self.stream = Stream(name, settings.tasks, parts, names, seed)
        self.conditions = conditions(name, tuned, settings.fixed_rates)
        replicas, keys = [], list[Key]()
        for condition in self.conditions:
            stop = settings.stop_nats if condition.protocol == "matched" else 0.0
            for row in range(settings.seeds):
                reset = condition.state == "reset"
                replicas.append(Replica(row, condition.learning_rate, stop, reset))
                keys.append({"stream": name, **asdict(condition), "seed": row})
        self.training = Training(self.stream, settings.hidden, CLASSES, optimizer, replicas)
        self.record = Record(keys)
        self.updates: Parameters = {}  # change of each matrix by the previous task
        self.accuracies: list[Tensor] = []  # (R, T): at the start, then after each task
        self.done = 0

    def evaluate(self, after: int) -> None:
        """Record the test accuracy on every task after `after` of them."""
        found = [self.training.accuracy("test", on) for on in range(self.stream.tasks)]
        for on, accuracy in enumerate(found, start=1):
            self.record.add("task_accuracy", accuracy, task=after, of_task=on)
        self.accuracies.append(torch.stack(found, 1))

    def summarise(self) -> None:
        """Record average accuracy, forgetting and transfer after each task from the second on."""
        untrained, *after = self.accuracies
        for done in range(2, len(after) + 1):
            matrix = torch.stack(after[:done], 1)[:, :, :done]
            for metric, values in (
                ("average_accuracy", metrics.average_accuracy(matrix)),
                ("learned_accuracy", matrix.diagonal(dim1=1, dim2=2).mean(1)),
                ("forgetting", metrics.forgetting(matrix)),
                ("backward_transfer", metrics.backward_transfer(matrix)),
                ("forward_transfer", metrics.forward_transfer(matrix, untrained[:, :done])),
            ):
                self.record.add(metric, values, task=done)
        last = after[-1]
        self.record.add("earlier_accuracy", last[:, :-1].mean(1), task=len(after))
        places = torch.arange(len(after) - 1, dtype=last.dtype, device=last.device)
        places = (places - places.mean()) / (places - places.mean()).square().sum()
        self.record.add("earlier_accuracy_slope", last[:, :-1] @ places, task=len(after))

    def run_task(self) -> None:
        """Train on the next task and record what it changed."""
        s, training, record = self.settings, self.training, self.record
        if self.done == 0:
            self.evaluate(0)
        before = dict(training.parameters)
        plain = torch.tensor(
            [k["protocol"] == "steps" and k["state"] == "kept" for k in record.keys]
        )

        name = self.stream.name
        steps, most = s.steps[name], max(s.steps[name], s.most_steps[name])
        probed = range(s.probe_every, steps + 1, s.probe_every) if self.done == PROBED_TASK else ()

        def probe(step: int) -> None:
            if step in probed:
                distance = squared_distance(training.parameters, before).sqrt()
                record.add("probe_distance", distance, plain, index=step)
                for on in (0, PROBED_TASK):
                    accuracy = training.accuracy("test", on)
                    record.add("probe_accuracy", accuracy, plain, index=step, of_task=on + 1)

        limits = torch.tensor(
            [steps if key["protocol"] == "steps" else s.most_steps[name] for key in record.keys]
        )
        training.train_task(
            self.done, most, s.batch, s.loss_examples, s.check_every, probe, limits, probed
        )
        self.done += 1
        place: Key = {"task": self.done}
        record.add("steps", training.steps, **place)
        record.add("reached", ~training.moving, training.stops > 0, **place)
        record.add("train_loss_nats", training.task_loss(self.done - 1, s.loss_examples), **place)
        record.add("distance", squared_distance(training.parameters, before).sqrt(), **place)
        moved = {n: training.parameters[n][..., :-1] - before[n][..., :-1] for n in before}
        for layer, earlier in self.updates.items():
            shared = metrics.overlap(earlier, moved[layer])
            record.add("update_overlap", shared, layer=layer, **place)
        self.updates = moved
        self.evaluate(self.done)
        last = self.done == self.stream.tasks
        record_weights(record, training.parameters, self.done, last)
        record_activations(record, training, self.done - 1, self.done)

    def run(self, checkpoint: Path) -> pd.DataFrame:
        """Run all tasks, with a checkpoint after each; returns the rows of every replica."""
        if checkpoint.exists():
            extra = self.training.restore(checkpoint)
            self.record.rows, self.updates, self.accuracies, self.done = extra
        with progress.bar(self.stream.tasks, self.stream.name, "task") as bar:
            bar.update(self.done)
            while self.done < self.stream.tasks:
                self.run_task()
                bar.update()
                extra = [self.record.rows, self.updates, self.accuracies, self.done]
                self.training.save(checkpoint, extra)
        self.summarise()
        return self.record.frame(self.training.alive)


def main(
    data: str,
    tuning: str,
    table: str,
    optimizer: str,
    settings: dict[str, Any],
    training: dict[str, Any],
    matched: dict[str, Any],
    streams: list[str],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Train one optimiser on `streams` at its tuned rates; write `table`, the rows of `Experiment`.

    `settings` are the optimiser's, `training` and `matched` together those of `Settings`.
    """
    parts, tuned = load(data), tables.read(tuning)
    known = registry.optimizer(optimizer, settings)
    rates = {name: tune.chosen(tuned, name) for name in streams}
    fixed = training["fixed_rates"] if optimizer in AT_FIXED_RATES else []
    plan = Settings(**(training | {"fixed_rates": fixed}), **matched)
    work = files.work_folder(
        "optimizers_continual",
        code=provenance["code"],
        optimizer=optimizer,
        optimizer_settings=settings,
        rates=rates,
        data=files.file_hash(data),
        settings=asdict(plan),
        seed=seed,
    )
    found, checkpoints = [], []
    for name in streams:
        checkpoints.append(work / f"{name}.pt")
        experiment = Experiment(name, known, rates[name], plan, parts, seed)
        found.append(experiment.run(checkpoints[-1]))
    tables.write(pd.concat(found, ignore_index=True), table, provenance=provenance)
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
