"""Training of a reasoner, resumable from a checkpoint.

Ibarz et al. (2022, appendix A.2): Adam, gradients clipped to a norm, sizes in turn, one optimiser
step after the batch of each algorithm, and the weights with the best validation score. Every random
number is a function of seed and step, so a resumed training ends with the weights of one that was
not interrupted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workflow_scripts.clrs import reasoner_scores
from workflow_scripts.clrs.losses import Loss
from workflow_scripts.clrs.processors import Factory
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.trajectories import Schedule, Trajectories
from workflow_scripts.shared import devices, files, progress, seeds


@dataclass(frozen=True)
class Settings:
    """Width of the network and settings of its optimiser."""

    width: int
    steps: int  # batches of each algorithm
    batch: int  # trajectories per batch
    learning_rate: float
    max_grad_norm: float
    chunk_steps: int  # message steps that a gradient flows back through; 0: all
    validate_every: int = 50  # steps, if there is a validation set
    inverted_pointers: bool = False  # see `features.Encoders`


Sets = Mapping[str, Sequence[Trajectories]]  # algorithm -> its training sets, one per size


class Training:
    """The state of a training at some step.

    `data` maps each algorithm to its training sets, whose sizes alternate. `valid` maps it to one
    set that selects the best weights; without any, the last weights are kept.
    """

    def __init__(
        self,
        data: Sets,
        processor: Factory,
        settings: Settings,
        seed: int,
        valid: Mapping[str, Trajectories] | None = None,
    ) -> None:
        self.data, self.settings, self.seed, self.valid = data, settings, seed, valid or {}
        self.device = devices.for_tensors()
        specs = {name: sets[0].spec for name, sets in data.items()}
        with torch.random.fork_rng():
            torch.manual_seed(seeds.derive(seed, "clrs", "initial"))
            self.network = Reasoner(specs, settings.width, processor, settings.inverted_pointers)
        self.network.to(self.device)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=settings.learning_rate, fused=True
        )
        self.schedules = {
            name: [
                Schedule(s.lengths, settings.batch, seeds.derive(seed, "clrs", name, size))
                for size, s in enumerate(sets)
            ]
            for name, sets in data.items()
        }
        self.step = 0
        self.best_score, self.best = -1.0, self._copy()
        self.curve: list[dict[str, Any]] = []

    def advance(self) -> None:
        """Take one optimiser step on a batch of each algorithm; validate if it is due."""
        losses = {name: self._learn(name) for name in self.data}
        self.step += 1
        if self.step % self.settings.validate_every and self.step != self.settings.steps:
            return
        scores = {
            name: reasoner_scores.score(self.network, trajectories)["score"]
            for name, trajectories in self.valid.items()
        }
        mean = sum(scores.values()) / max(1, len(scores))
        if mean > self.best_score or not scores:
            self.best_score, self.best = mean, self._copy()
        self.curve += [
            {"step": self.step, "algorithm": name, "loss": loss, "score": scores.get(name)}
            for name, loss in losses.items()
        ]

    def _learn(self, name: str) -> float:
        sets, schedules = self.data[name], self.schedules[name]
        turn, place = divmod(self.step, len(sets))
        random = seeds.generator(self.seed, "clrs", "positions", name, self.step)
        batch = sets[place].batch(schedules[place].step(turn), random).to(self.device)
        noise = torch.Generator(self.device)
        noise.manual_seed(seeds.derive(self.seed, "clrs", "noise", name, self.step))
        loss, total = Loss(self.network.specs[name], batch), 0.0
        self.optimiser.zero_grad()
        for predictions in self.network.chunks(batch, self.settings.chunk_steps, noise):
            part = loss(predictions)
            part.backward()
            total += part.item()
        norm = self.settings.max_grad_norm
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), norm)
        self.optimiser.step()
        return total

    def _copy(self) -> dict[str, torch.Tensor]:
        """A copy of all weights, same shapes."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best_score": self.best_score,
            "best": self.best,
            "curve": self.curve,
        }
        with files.atomic(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint that `save` has written."""
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.curve = state["step"], state["curve"]
        self.best_score, self.best = state["best_score"], state["best"]


def train(
    data: Sets,
    processor: Factory,
    settings: Settings,
    seed: int,
    checkpoint: Path | None = None,
    checkpoint_every: int = 50,
    valid: Mapping[str, Trajectories] | None = None,
) -> tuple[Reasoner, pd.DataFrame]:
    """Train a reasoner; return it on the CPU with its selected weights, and its learning curve.

    Arguments as for `Training` and `finish`.
    """
    training = Training(data, processor, settings, seed, valid)
    finish(training, " ".join(data), checkpoint, checkpoint_every)
    training.network.load_state_dict(training.best)
    return training.network.cpu().eval(), pd.DataFrame(training.curve)


def finish(training: Any, what: str, checkpoint: Path | None, checkpoint_every: int) -> None:
    """Take the remaining steps of a `Training` (of a reasoner, or of a decoder in `transnar`).

    A file `checkpoint` is written every `checkpoint_every` steps. If it exists at the start, the
    training resumes from it and ends with the same weights. `what` labels the progress bar.
    """
    if checkpoint is not None and checkpoint.exists():
        training.restore(checkpoint)
    with progress.bar(training.settings.steps, what, "step") as bar:
        bar.update(training.step)
        while training.step < training.settings.steps:
            training.advance()
            bar.update()
            if checkpoint is not None and training.step % checkpoint_every == 0:
                training.save(checkpoint)
