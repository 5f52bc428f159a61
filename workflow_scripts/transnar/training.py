"""Training of one model on CLRS-Text: next tokens of answers, with a frozen reasoner.

Adam as published, with warm-up and clipping (the paper states neither). The sets alternate from
step to step. All draws are functions of seed and step, so a training that resumes from a checkpoint
ends with the weights of one that was not interrupted.

A batch passes through the network in parts of a bounded number of tokens, whose gradients add up to
those of the whole batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.training import finish
from workflow_scripts.shared import devices, files, seeds
from workflow_scripts.transnar import attention, batches
from workflow_scripts.transnar.arms import Arm
from workflow_scripts.transnar.batches import IGNORED, Batch, Pairs
from workflow_scripts.transnar.decoder import Coupled, Graph, Model, Shape

CURVE_POINTS = 50
AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"


@dataclass(frozen=True)
class Settings:
    """Settings of the optimiser, and of how a step is computed."""

    steps: int
    batch: int  # rows per step
    learning_rate: float  # Adam, peak
    warmup_steps: int
    final_rate: float  # last learning rate as a share of the peak
    max_grad_norm: float
    pass_tokens: int  # most tokens that pass at once, padding included
    recompute: bool  # keep only the input of each block, and compute the block again backwards
    precision: str  # of matrix products: float32, bfloat16, or auto


class Training:
    """The state of a training at some step.

    `reasoners` maps each algorithm in `sets` to its frozen reasoner. `model` is a pretrained
    decoder of that shape; without, one with random weights is made.
    """

    def __init__(
        self,
        sets: Sequence[Pairs],
        reasoners: Mapping[str, Reasoner],
        arm: Arm,
        shape: Shape,
        settings: Settings,
        seed: int,
        model: Coupled | None = None,
    ) -> None:
        self.sets, self.arm = sets, arm
        self.settings, self.seed, self.step = settings, seed, 0
        self.device = devices.for_tensors()
        self.precision = precision_on(self.device, settings.precision)
        self.reasoners = {name: own.to(self.device) for name, own in reasoners.items()}
        start: Coupled = initial(shape, arm, seed) if model is None else model
        self.model = start.to(self.device)
        if settings.recompute:
            self.model.recompute()
        learned = [each for each in self.model.parameters() if each.requires_grad]
        self.optimiser = torch.optim.Adam(learned, lr=settings.learning_rate, fused=True)
        self.curve: list[dict[str, Any]] = []

    def rate(self) -> float:
        """Learning rate of this step: a linear warm-up, then a cosine decay to the final rate."""
        s = self.settings
        if self.step < s.warmup_steps:
            return s.learning_rate * (self.step + 1) / s.warmup_steps
        done = (self.step - s.warmup_steps) / max(1, s.steps - s.warmup_steps)
        share = 0.5 + 0.5 * torch.cos(torch.tensor(torch.pi * done)).item()
        return s.learning_rate * (s.final_rate + (1 - s.final_rate) * share)

    def advance(self) -> None:
        """Take one optimiser step."""
        pairs = self.sets[self.step % len(self.sets)]
        random = seeds.generator(self.seed, "batch", self.step)
        indices = random.integers(0, len(pairs), self.settings.batch)
        shape, words = self.model.shape, self.model.words
        batch = batches.training_batch(pairs, indices, random, shape, words)
        graph = None
        if self.arm.reasoner != "none":
            reasoner = self.reasoners[pairs.algorithm]
            graph = batches.graph(reasoner, pairs, indices, batch.labels.to(self.device))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.zero_grad()
        loss = self.backward(batch, graph)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        self.optimiser.step()
        self.step += 1
        if self.step % max(1, self.settings.steps // CURVE_POINTS) == 0:
            row = {"step": self.step, "algorithm": pairs.algorithm, "nodes": pairs.nodes}
            self.curve.append(row | {"loss_nats": loss})

    def backward(self, batch: Batch, graph: Graph | None) -> float:
        """Add the gradients of the batch's mean loss; returns that loss, in nats per target.

        `batch` is on the CPU, with tensors of shape (B, T); `graph` is on the training's device.
        Raises `MemoryError` if a part of the batch does not fit into the memory of the GPU.
        """
        most = self.settings.pass_tokens
        count = int((batch.targets != IGNORED).sum())
        total = 0.0
        for rows in batches.passes(batch, most):
            part = batch.rows(rows).to(self.device)
            own = graph if graph is None else graph.rows(rows)
            try:
                loss = self._loss(part, own) / count
                loss.backward()
            except torch.OutOfMemoryError as error:
                raise MemoryError(
                    f"transnar.train.pass_tokens: {part.targets.numel()} tokens of the {most} "
                    "allowed do not fit into the memory of the GPU; lower it, or set "
                    "transnar.train.recompute: true"
                ) from error
            total += loss.item()
        return total

    def _loss(self, part: Batch, graph: Graph | None) -> Tensor:
        """The sum of the losses in nats over the targets of a part."""
        enabled = self.precision == BFLOAT16
        answered = (part.targets != IGNORED).any(0)  # the columns on the right with an answer
        targets = part.targets[:, int(answered.int().argmax()) :]
        with torch.autocast(self.device, torch.bfloat16, enabled=enabled):
            self.model.look(graph, self.arm.streams)
            logits = self.model(part.text, last=targets.shape[1])
        return functional.cross_entropy(
            logits.float().flatten(0, 1),
            targets.flatten(),
            ignore_index=IGNORED,
            reduction="sum",
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {
            "step": self.step,
            "model": self.model.trained(),
            "optimiser": self.optimiser.state_dict(),
            "curve": self.curve,
        }
        with files.atomic(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint that `save` has written."""
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.model.restore(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.curve = state["step"], state["curve"]


def precision_on(device: str, wanted: str) -> str:
    """The precision of matrix products on a device; `auto`: bfloat16 on a GPU, else float32."""
    if wanted != AUTO:
        return wanted
    return FLOAT32 if device == "cpu" else BFLOAT16


def initial(shape: Shape, arm: Arm, seed: int) -> Model:
    """A model before training; equal seeds give equal weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(seed, "initial"))
        return Model(shape, attention.NAME if arm.adaptive else attention.PLAIN)


def train(
    training: Training, checkpoint: Path | None = None, checkpoint_every: int = 100
) -> tuple[Coupled, pd.DataFrame]:
    """Finish a training; return its model on the CPU, and its learning curve.

    `checkpoint` and `checkpoint_every` as for `finish`.
    """
    finish(training, "decoder", checkpoint, checkpoint_every)
    training.model.look(None)
    return training.model.cpu().eval(), pd.DataFrame(training.curve)
