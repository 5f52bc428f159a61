"""E1 and E7: train max-retrieval heads with one normaliser, all seeds together.

AdamW on cross-entropy, fresh sets at every step (the paper's appendix A, as public
re-implementations cite it; the number of steps is not known). The loss is the sum over seeds of
the mean loss of each, and AdamW is elementwise, so each seed is trained as if alone.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.shared import devices, files, job, progress, seeds, tables, weights
from workflow_scripts.softmax import retrieval
from workflow_scripts.softmax.retrieval import Parameters, Sampler

CURVE_POINTS = 50


@dataclass(frozen=True)
class Settings:
    """Settings of a training, from the config section `softmax.heads` and its task's own."""

    normaliser: str
    steps: int
    batch: int  # sets per step and seed
    learning_rate: float
    weight_decay: float
    width: int
    categories: int
    fewest_items: int
    most_items: int
    top_k: int


class Training:
    """State of a training at one step: parameters, optimiser, data streams, learning curve."""

    def __init__(self, settings: Settings, seed: int, indices: list[int]) -> None:
        self.settings, self.indices, self.step = settings, indices, 0
        self.device = devices.for_tensors()
        drawn = (settings.normaliser, settings.categories, settings.width, settings.most_items)
        starts = [seeds.derive(seed, "softmax", "initial", index) for index in indices]
        heads = retrieval.stack([retrieval.initial(start, *drawn) for start in starts])
        self.parameters: Parameters = {
            name: tensor.to(self.device).requires_grad_() for name, tensor in heads.items()
        }
        self.optimiser = torch.optim.AdamW(
            self.parameters.values(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.samplers = [Sampler(seed, "softmax", "train", index) for index in indices]
        self.curve: list[dict[str, Any]] = []

    def losses(self) -> tuple[Tensor, Tensor]:
        """Cross-entropy in nats and accuracy on fresh sets, shape (S,) each."""
        s = self.settings
        drawn = [
            sampler.draw(s.batch, s.most_items, s.categories, s.fewest_items)
            for sampler in self.samplers
        ]
        sets = retrieval.together(drawn, self.device)
        logits = retrieval.forward(self.parameters, sets, s.normaliser, s.top_k)
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), sets.label.flatten(), reduction="none"
        )
        right = (logits.argmax(-1) == sets.label).float()
        return loss.view(right.shape).mean(1), right.mean(1)

    def advance(self) -> None:
        """Run one training step."""
        loss, right = self.losses()
        self.optimiser.zero_grad()
        loss.sum().backward()
        self.optimiser.step()
        self.step += 1
        if self.step % max(1, self.settings.steps // CURVE_POINTS) == 0:
            rows = zip(self.indices, loss.tolist(), right.tolist(), strict=True)
            for index, nats, share in rows:
                row = {"seed": index, "step": self.step, "loss_nats": nats, "accuracy": share}
                self.curve.append(row)

    def save(self, path: Path) -> None:
        """Write a checkpoint to `path`."""
        state = {
            "step": self.step,
            "parameters": {name: t.detach() for name, t in self.parameters.items()},
            "optimiser": self.optimiser.state_dict(),
            "samplers": [sampler.state() for sampler in self.samplers],
            "curve": self.curve,
        }
        with files.atomic(path) as temporary:
            torch.save(state, temporary)

    def restore(self, path: Path) -> None:
        """Continue from the checkpoint at `path`."""
        state = torch.load(path, weights_only=True, map_location=self.device)
        with torch.no_grad():
            for name, tensor in self.parameters.items():
                tensor.copy_(state["parameters"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        for sampler, saved in zip(self.samplers, state["samplers"], strict=True):
            sampler.restore({name: stream.cpu() for name, stream in saved.items()})
        self.step, self.curve = state["step"], state["curve"]


def train(
    settings: Settings,
    seed: int,
    indices: list[int],
    checkpoint: Path | None = None,
    checkpoint_every: int = 1000,
) -> tuple[Parameters, pd.DataFrame]:
    """Train heads `indices` of `seed`; return their weights and learning curve.

    With `checkpoint`, the state is saved there every `checkpoint_every` steps, and a training that
    finds one resumes from it and ends in the same weights.
    """
    training = Training(settings, seed, indices)
    if checkpoint is not None and checkpoint.exists():
        training.restore(checkpoint)
    with progress.bar(settings.steps, settings.normaliser, "step", done=training.step) as bar:
        while training.step < settings.steps:
            training.advance()
            bar.update()
            if checkpoint is not None and training.step % checkpoint_every == 0:
                training.save(checkpoint)
    # The scale of a normaliser that does not learn one has no gradient and keeps its value.
    parameters = {name: tensor.detach().cpu() for name, tensor in training.parameters.items()}
    return parameters, pd.DataFrame(training.curve)


def main(
    heads: str,
    curve: str,
    normaliser: str,
    steps: int,
    seed_count: int,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the weights of all seeds to `heads` and their learning curves to `curve`."""
    own = dict(settings)
    checkpoint_every = own.pop("checkpoint_every")
    training = Settings(normaliser=normaliser, steps=steps, **own)
    work = files.work_folder(
        "softmax_train",
        output=heads,  # two trainings may have the same settings
        code=provenance["code"],
        seed=seed,
        seed_count=seed_count,
        settings=asdict(training),
    )
    checkpoint = work / "checkpoint.pt"
    indices = list(range(seed_count))
    parameters, points = train(training, seed, indices, checkpoint, checkpoint_every)
    tables.write(points, curve, provenance=provenance)
    weights.write(heads, parameters, provenance)
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
