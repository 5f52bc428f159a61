"""E1, E2, E3: one optimiser learns the tasks of both streams one after the other.

All seeds and conditions are replicas of one vectorised run. A condition is a stream, a protocol
(`steps`: the same number of steps on every task; `matched`: until the same training loss), what
happens to the optimiser's state between tasks, and the rate (`tuned`, or a fixed one).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.optimizers import data, measures, streams, tune, updates
from workflow_scripts.optimizers.data import CLASSES, Split
from workflow_scripts.optimizers.network import Parameters
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.shared import files, job, progress, provenance, tables

PROBED_TASK = 1  # the task during which old accuracy is followed against the distance walked
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    hidden: list[int]
    batch: int
    steps: dict[str, int]  # of a task, by stream
    tasks: int  # of the permuted stream
    seeds: int
    stop_nats: float  # training loss at which the matched protocol ends a task
    most_steps: dict[str, int]  # of a task in the matched protocol, by stream
    loss_examples: int  # of a task, over which that loss is taken
    check_every: int  # steps between two looks at that loss
    probe_every: int  # steps between two looks at old accuracy
    fixed_rates: list[float]  # tried beside the tuned one on the classes


@dataclass(frozen=True)
class Condition:
    """What a group of seeds has in common."""

    protocol: str
    state: str
    rate: str
    learning_rate: float


def conditions(stream: str, tuned: float, fixed: list[float]) -> list[Condition]:
    """The conditions of a stream; an optimiser's state is reset as an ablation on one of them."""
    found = [
        Condition("steps", "kept", "tuned", tuned),
        Condition("matched", "kept", "tuned", tuned),
    ]
    if stream == "permuted":
        return [*found, Condition("steps", "reset", "tuned", tuned)]
    return found + [Condition("steps", "kept", f"{rate:g}", rate) for rate in fixed]


class Record:
    """Rows of measurements, one value a replica."""

    def __init__(self, keys: list[Row]) -> None:
        self.keys, self.rows = keys, list[Row]()

    def add(self, metric: str, values: Tensor, where: Tensor | None = None, **place: Any) -> None:
        """One row for each replica (of `where`, if given) from values of shape (R,)."""
        wanted = [True] * len(self.keys) if where is None else where.tolist()
        for key, value, keep in zip(self.keys, values.tolist(), wanted, strict=True):
            if keep:
                self.rows.append(key | place | {"metric": metric, "value": float(value)})


def weight_measures(record: Record, parameters: Parameters, task: int, spectrum: bool) -> None:
    for name, matrix in parameters.items():
        values = measures.singular_values(matrix[..., :-1])
        for metric, rank in measures.ranks(values).items():
            record.add(f"weight_{metric}", rank, layer=name, task=task)
        if spectrum:
            shares = values / values[:, :1].clamp(min=1.0e-30)
            for index in range(shares.shape[1]):
                record.add("weight_spectrum", shares[:, index], layer=name, task=task, index=index)


def activations(training: Training, task: int) -> tuple[list[Tensor], Tensor]:
    """Hidden activations on the test inputs of a task, or of all classes, and their labels."""
    stream = training.stream
    on = range(stream.tasks) if stream.name == "classes" else [task]
    outputs = [training.outputs("test", at) for at in on]
    hidden = [torch.cat(layers, 1) for layers in zip(*(out[2] for out in outputs), strict=True)]
    return hidden, torch.cat([out[1] for out in outputs], 1)


def activation_measures(record: Record, training: Training, task: int, after: int) -> None:
    """Ranks of the representations after `after` tasks; at the end spectra and class cosines."""
    hidden, labels = activations(training, task)
    last = after == training.stream.tasks
    for index, layer in enumerate(hidden, start=1):
        place: Row = {"layer": f"hidden{index}", "task": after}
        values = measures.activation_values(layer)
        for metric, rank in measures.ranks(values).items():
            record.add(f"activation_{metric}", rank, **place)
        if last:
            shares = values / values[:, :1].clamp(min=1.0e-30)
            for at in range(shares.shape[1]):
                record.add("activation_spectrum", shares[:, at], **place, index=at)
        if last and index == len(hidden) and training.stream.name == "classes":
            cosines = measures.class_cosines(layer, labels, CLASSES)
            beside = measures.off_diagonal(cosines)
            record.add("class_cosine_mean", beside.mean(1), **place)
            record.add("class_cosine_sd", beside.std(1), **place)
            for first in range(CLASSES):
                for second in range(CLASSES):
                    entry = cosines[:, first, second]
                    record.add("class_cosine", entry, **place, index=first, other=second)


def squared_distance(first: Parameters, second: Parameters) -> Tensor:
    parts = [(first[name] - second[name]).square().sum((1, 2)) for name in first]
    return torch.stack(parts).sum(0)


class Experiment:
    """One stream under one optimiser, task by task."""

    def __init__(
        self,
        name: str,
        rule: updates.Rule,
        tuned: float,
        settings: Settings,
        parts: dict[str, Split],
        seed: int,
    ) -> None:
        self.settings = settings
        self.stream = Stream(
            name, settings.tasks, parts, [str(i) for i in range(settings.seeds)], seed
        )
        self.conditions = conditions(name, tuned, settings.fixed_rates)
        replicas, keys = [], list[Row]()
        for condition in self.conditions:
            stop = settings.stop_nats if condition.protocol == "matched" else 0.0
            for row in range(settings.seeds):
                replicas.append(
                    Replica(row, condition.learning_rate, stop, condition.state == "reset")
                )
                keys.append({"stream": name, **asdict(condition), "seed": row})
        self.training = Training(self.stream, settings.hidden, CLASSES, rule, replicas)
        self.record = Record(keys)
        self.updates: Parameters = {}  # of the task before
        self.accuracies: list[Tensor] = []  # (R, T) on all tasks: untrained, then after each
        self.done = 0

    def evaluate(self, after: int) -> None:
        found = [self.training.accuracy("test", on) for on in range(self.stream.tasks)]
        for on, accuracy in enumerate(found, start=1):
            self.record.add("task_accuracy", accuracy, task=after, of_task=on)
        self.accuracies.append(torch.stack(found, 1))

    def summarise(self) -> None:
        """Average accuracy, forgetting and transfer after each task from the second on."""
        untrained, *after = self.accuracies
        for done in range(2, len(after) + 1):
            matrix = torch.stack(after[:done], 1)[:, :, :done]
            for metric, values in (
                ("average_accuracy", measures.average_accuracy(matrix)),
                ("learned_accuracy", matrix.diagonal(dim1=1, dim2=2).mean(1)),
                ("forgetting", measures.forgetting(matrix)),
                ("backward_transfer", measures.backward_transfer(matrix)),
                ("forward_transfer", measures.forward_transfer(matrix, untrained[:, :done])),
            ):
                self.record.add(metric, values, task=done)
        last = after[-1]
        self.record.add("earlier_accuracy", last[:, :-1].mean(1), task=len(after))
        places = torch.arange(len(after) - 1, dtype=last.dtype, device=last.device)
        places = (places - places.mean()) / (places - places.mean()).square().sum()
        self.record.add("earlier_accuracy_slope", last[:, :-1] @ places, task=len(after))

    def run_task(self) -> None:
        s, training, record = self.settings, self.training, self.record
        if self.done == 0:
            self.evaluate(0)
        before = dict(training.parameters)
        plain = torch.tensor(
            [k["protocol"] == "steps" and k["state"] == "kept" for k in record.keys]
        )

        def probe(step: int) -> None:
            if self.done == PROBED_TASK and step % s.probe_every == 0 and step <= steps:
                distance = squared_distance(training.parameters, before).sqrt()
                record.add("probe_distance", distance, plain, index=step)
                for on in (0, PROBED_TASK):
                    accuracy = training.accuracy("test", on)
                    record.add("probe_accuracy", accuracy, plain, index=step, of_task=on + 1)

        name = self.stream.name
        steps, most = s.steps[name], max(s.steps[name], s.most_steps[name])
        limits = torch.tensor(
            [steps if key["protocol"] == "steps" else s.most_steps[name] for key in record.keys]
        )
        training.train_task(self.done, most, s.batch, s.loss_examples, s.check_every, probe, limits)
        self.done += 1
        place: Row = {"task": self.done}
        record.add("steps", training.steps, **place)
        record.add("reached", ~training.moving, training.stops > 0, **place)
        record.add("train_loss_nats", training.task_loss(self.done - 1, s.loss_examples), **place)
        record.add("distance", squared_distance(training.parameters, before).sqrt(), **place)
        moved = {n: training.parameters[n][..., :-1] - before[n][..., :-1] for n in before}
        for layer, earlier in self.updates.items():
            shared = measures.overlap(earlier, moved[layer])
            record.add("update_overlap", shared, layer=layer, **place)
        self.updates = moved
        self.evaluate(self.done)
        last = self.done == self.stream.tasks
        weight_measures(record, training.parameters, self.done, last)
        activation_measures(record, training, self.done - 1, self.done)

    def run(self, checkpoint: Path) -> pd.DataFrame:
        """All tasks, with a checkpoint after each; the rows of every replica."""
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
        flags = pd.DataFrame(self.record.keys).assign(diverged=(~self.training.alive).tolist())
        frame = pd.DataFrame(self.record.rows)
        return frame.merge(flags, on=list(self.record.keys[0]), how="left")


def main(
    table: str,
    data_file: str,
    tuning: str,
    optimizer: str,
    rule_settings: dict[str, Any],
    settings: Settings,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    parts, tuned = data.load(data_file), tables.read(tuning)
    rule = updates.rule(optimizer, rule_settings)
    rates = {name: tune.chosen(tuned, name) for name in streams.NAMES}
    work = files.work_folder(
        "optimizers_continual",
        code=provenance["code"],
        optimizer=optimizer,
        rule=rule_settings,
        rates=rates,
        data=files.file_hash(data_file),
        settings=asdict(settings),
        seed=seed,
    )
    found, checkpoints = [], []
    for name in streams.NAMES:
        checkpoints.append(work / f"{name}.pt")
        experiment = Experiment(name, rule, rates[name], settings, parts, seed)
        found.append(experiment.run(checkpoints[-1]))
    tables.write(pd.concat(found, ignore_index=True), table, provenance=provenance)
    for checkpoint in checkpoints:
        checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            snakemake.input.data,
            snakemake.input.tuning,
            snakemake.wildcards.optimizer,
            params.rule["settings"],
            Settings(
                hidden=params.hidden,
                batch=params.batch,
                steps=params.steps,
                tasks=params.tasks,
                seeds=params.seeds,
                stop_nats=params.matched["stop_nats"],
                most_steps=params.matched["most_steps"],
                loss_examples=params.matched["loss_examples"],
                check_every=params.matched["check_every"],
                probe_every=params.probe_every,
                fixed_rates=params.fixed_rates,
            ),
            params.seed,
            provenance=provenance.of(snakemake),
        )
