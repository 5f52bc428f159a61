"""Training of one model on CLRS-Text: next tokens of answers, with a frozen reasoner.

Adam as published, with warm-up and clipping (the paper states neither). The sets alternate from
step to step. All draws are functions of seed and step, so a training that resumes from a checkpoint
ends with the weights of one that was not interrupted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.nn import functional

from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.training import finish
from workflow_scripts.shared import files, seeds
from workflow_scripts.transnar import attention, batches
from workflow_scripts.transnar.arms import Arm
from workflow_scripts.transnar.batches import IGNORED, Pairs
from workflow_scripts.transnar.decoder import Model, Shape

CURVE_POINTS = 50


@dataclass(frozen=True)
class Settings:
    """Settings of the optimiser."""

    steps: int
    batch: int  # rows per step
    learning_rate: float  # Adam, peak
    warmup_steps: int
    final_rate: float  # last learning rate as a share of the peak
    max_grad_norm: float


class Training:
    """The state of a training at some step.

    `reasoners` maps each algorithm in `sets` to its frozen reasoner.
    """

    def __init__(
        self,
        sets: Sequence[Pairs],
        reasoners: Mapping[str, Reasoner],
        arm: Arm,
        shape: Shape,
        settings: Settings,
        seed: int,
    ) -> None:
        self.sets, self.arm = sets, arm
        self.settings, self.seed, self.step = settings, seed, 0
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.reasoners = {name: own.to(self.device) for name, own in reasoners.items()}
        self.model = initial(shape, arm, seed).to(self.device)
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=settings.learning_rate, fused=True
        )
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
        batch = batches.training_batch(pairs, indices, random, self.model.shape)
        batch = batch.to(self.device)
        graph = None
        if self.arm.reasoner != "none":
            reasoner = self.reasoners[pairs.algorithm]
            graph = batches.graph(reasoner, pairs, indices, batch.labels)
        self.model.look(graph, self.arm.streams)
        logits = self.model(batch.text)
        loss = functional.cross_entropy(
            logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED
        )
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        self.optimiser.step()
        self.step += 1
        if self.step % max(1, self.settings.steps // CURVE_POINTS) == 0:
            row = {"step": self.step, "algorithm": pairs.algorithm, "nodes": pairs.nodes}
            self.curve.append(row | {"loss_nats": loss.item()})

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "curve": self.curve,
        }
        with files.atomic(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint that `save` has written."""
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.curve = state["step"], state["curve"]


def initial(shape: Shape, arm: Arm, seed: int) -> Model:
    """A model before training; equal seeds give equal weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(seed, "initial"))
        return Model(shape, attention.NAME if arm.adaptive else attention.PLAIN)


def train(
    training: Training, checkpoint: Path | None = None, checkpoint_every: int = 100
) -> tuple[Model, pd.DataFrame]:
    """Finish a training; return its model on the CPU, and its learning curve.

    `checkpoint` and `checkpoint_every` as for `finish`.
    """
    finish(training, "decoder", checkpoint, checkpoint_every)
    training.model.look(None)
    return training.model.cpu().eval(), pd.DataFrame(training.curve)
