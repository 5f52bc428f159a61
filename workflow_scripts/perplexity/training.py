"""The training loop of the small decoders: AdamW, all seeds at once, resumable.

The loss is the sum over seeds of the mean loss of each, and AdamW is elementwise, so each seed is
trained as if alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.perplexity import decoder
from workflow_scripts.perplexity.decoder import Parameters, Shape
from workflow_scripts.shared import files, progress, seeds

CURVE_POINTS = 50
BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class Settings:
    """Settings of a training."""

    steps: int
    learning_rate: float  # peak
    warmup_steps: int
    final_rate: float  # last learning rate as a share of the peak; 1 keeps it constant
    weight_decay: float
    checkpoint_every: int  # steps between states from which a killed job resumes


class Streams:
    """One generator per seed; what a seed draws does not depend on the others."""

    def __init__(self, seed: int, indices: Sequence[int | str], *names: str | int) -> None:
        self.generators = [
            torch.Generator().manual_seed(seeds.derive(seed, "perplexity", *names, index))
            for index in indices
        ]

    def integers(self, high: int, shape: tuple[int, ...]) -> Tensor:
        """Integers from 0 to high - 1, shape (S, *shape)."""
        return torch.stack([torch.randint(high, shape, generator=g) for g in self.generators])

    def state(self) -> list[Tensor]:
        """State of each generator, for a checkpoint."""
        return [generator.get_state() for generator in self.generators]

    def restore(self, state: list[Tensor]) -> None:
        """Continue from what `state` returned, one byte vector of shape (bytes,) per generator."""
        for generator, saved in zip(self.generators, state, strict=True):
            generator.set_state(saved)


class Data(Protocol):
    """The data of a task: fresh batches from its streams, and the loss on them."""

    streams: Streams

    def losses(self, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Mean loss in nats and share right on fresh strings, shape (S,) each."""
        ...


def initial(seed: int, shape: Shape, indices: Sequence[int | str], *names: str | int) -> Parameters:
    """Draw models `indices` and stack them."""
    return decoder.stack(
        [
            decoder.initial(seeds.derive(seed, "perplexity", *names, "initial", index), shape)
            for index in indices
        ]
    )


def masked_nats(logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean cross-entropy in nats where `mask` is True, shape (S,).

    `logits` has shape (S, B, T, values), `target` and `mask` have shape (S, B, T).
    """
    nats = functional.cross_entropy(logits.flatten(0, 2), target.flatten(), reduction="none")
    return (nats.view(target.shape) * mask).sum((1, 2)) / mask.sum((1, 2))


def learning_rate(step: int, settings: Settings) -> float:
    """Linear warm-up to the peak, then half a cosine down to `final_rate` of it at the end."""
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    down = 0.5 * (1.0 + math.cos(math.pi * step / settings.steps))
    return settings.learning_rate * warm * (settings.final_rate + (1 - settings.final_rate) * down)


def fit(
    parameters: Parameters,
    data: Data,
    settings: Settings,
    state: Path | None = None,
    each_step: Callable[[int, Parameters], None] | None = None,
) -> list[dict[str, Any]]:
    """Train `parameters` in place, on their device; return one row per seed and point of the curve.

    With `state`, the training is saved there every `checkpoint_every` steps, and a call that finds
    the file resumes from it and ends in the same weights. `each_step` is called after each step of
    this call with the number of steps done and the parameters.
    """
    for tensor in parameters.values():
        tensor.requires_grad_()
    optimiser = torch.optim.AdamW(
        parameters.values(),
        lr=settings.learning_rate,
        betas=BETAS,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    step, curve = 0, []
    if state is not None and state.exists():
        saved = torch.load(state, weights_only=True, map_location=decoder.device_of(parameters))
        step, curve = saved["step"], saved["curve"]
        with torch.no_grad():
            for name, tensor in parameters.items():
                tensor.copy_(saved["parameters"][name])
        optimiser.load_state_dict(saved["optimiser"])
        data.streams.restore([stream.cpu() for stream in saved["data"]])
    with progress.bar(settings.steps, "training", "step") as bar:
        bar.update(step)
        while step < settings.steps:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(step, settings)
            loss, right = data.losses(parameters)
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
            step += 1
            bar.update()
            if step % max(1, settings.steps // CURVE_POINTS) == 0:
                points = enumerate(zip(loss.tolist(), right.tolist(), strict=True))
                curve += [
                    {"seed": index, "step": step, "loss_nats": nats, "right": share}
                    for index, (nats, share) in points
                ]
            if each_step is not None:
                each_step(step, parameters)
            if state is not None and step % settings.checkpoint_every == 0:
                with files.atomic(state) as temporary:
                    content = {
                        "step": step,
                        "parameters": {name: t.detach() for name, t in parameters.items()},
                        "optimiser": optimiser.state_dict(),
                        "data": data.streams.state(),
                        "curve": curve,
                    }
                    torch.save(content, temporary)
    for tensor in parameters.values():
        tensor.requires_grad_(False)
    return curve
