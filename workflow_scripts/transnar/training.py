"""Training of one model on CLRS-Text: next tokens of answers, the reasoner frozen.

Adam as published, with a warm-up and clipping (neither is stated). Sets take turns step by step.
All draws are functions of seed and step, so a training that is taken up from a checkpoint goes on
exactly as an undisturbed one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.nn import functional

from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.shared import files, progress, seeds
from workflow_scripts.transnar import attention, batches
from workflow_scripts.transnar.arms import Arm
from workflow_scripts.transnar.batches import IGNORED, Pairs
from workflow_scripts.transnar.decoder import Model, Shape

CURVE_POINTS = 50

Sets = Sequence[Pairs]


@dataclass(frozen=True)
class Settings:
    steps: int
    batch: int  # rows a step
    learning_rate: float  # Adam, peak
    warmup_steps: int
    final_rate: float  # last learning rate as a share of the peak
    max_grad_norm: float


class Training:
    """A training at some step."""

    def __init__(
        self,
        sets: Sets,
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
        """Learning rate of this step: a warm-up, then a cosine down to the final one."""
        s = self.settings
        if self.step < s.warmup_steps:
            return s.learning_rate * (self.step + 1) / s.warmup_steps
        done = (self.step - s.warmup_steps) / max(1, s.steps - s.warmup_steps)
        share = 0.5 + 0.5 * torch.cos(torch.tensor(torch.pi * done)).item()
        return s.learning_rate * (s.final_rate + (1 - s.final_rate) * share)

    def advance(self) -> None:
        """One step."""
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
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "curve": self.curve,
        }
        with files.atomic(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
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
    sets: Sets,
    reasoners: Mapping[str, Reasoner],
    arm: Arm,
    shape: Shape,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    checkpoint_every: int = 100,
) -> tuple[Model, pd.DataFrame]:
    """A trained model on the CPU, and its learning curve; `checkpoint` as for a reasoner's."""
    training = Training(sets, reasoners, arm, shape, settings, seed)
    if checkpoint is not None and checkpoint.exists():
        training.restore(checkpoint)
    with progress.bar(settings.steps, "decoder", "step") as bar:
        bar.update(training.step)
        while training.step < settings.steps:
            training.advance()
            bar.update()
            if checkpoint is not None and training.step % checkpoint_every == 0:
                training.save(checkpoint)
    training.model.look(None)
    return training.model.cpu().eval(), pd.DataFrame(training.curve)
