"""The training loop of the small decoders: AdamW, all seeds at once, able to go on after a kill.

The loss is the sum over seeds of each seed's own mean, and AdamW is elementwise, so each seed is
trained as if alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from workflow_scripts.perplexity import decoder
from workflow_scripts.perplexity.decoder import Parameters, Shape
from workflow_scripts.shared import files, progress, seeds

CURVE_POINTS = 50
BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class Settings:
    steps: int
    learning_rate: float  # peak
    warmup_steps: int
    final_rate: float  # last learning rate as a share of the peak; 1 holds it
    weight_decay: float
    checkpoint_every: int  # steps, of the state that a killed job resumes from


class Data(Protocol):
    """Where batches come from: a loss on a fresh batch, and the state of its streams."""

    def losses(self, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Mean loss in nats and share right on fresh strings, shape (S,) each."""
        ...

    def state(self) -> list[Tensor]: ...

    def restore(self, state: list[Tensor]) -> None: ...


class Streams:
    """A generator for each seed. How many seeds train together does not change what one sees."""

    def __init__(self, seed: int, indices: Sequence[int | str], *names: str | int) -> None:
        self.generators = [
            torch.Generator().manual_seed(seeds.derive(seed, "perplexity", *names, index))
            for index in indices
        ]

    def integers(self, high: int, shape: tuple[int, ...]) -> Tensor:
        """(S, *shape) integers from 0 to high - 1."""
        return torch.stack([torch.randint(high, shape, generator=g) for g in self.generators])

    def state(self) -> list[Tensor]:
        return [generator.get_state() for generator in self.generators]

    def restore(self, state: list[Tensor]) -> None:
        for generator, saved in zip(self.generators, state, strict=True):
            generator.set_state(saved)


def initial(seed: int, shape: Shape, indices: Sequence[int | str], *names: str | int) -> Parameters:
    """Freshly drawn models `indices`, stacked."""
    return decoder.stack(
        [
            decoder.initial(seeds.derive(seed, "perplexity", *names, "initial", index), shape)
            for index in indices
        ]
    )


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
    """Train `parameters` in place; return the learning curve, one row a seed and point.

    With `state`, a file is kept there every `checkpoint_every` steps, and a call that finds one
    goes on from it to the same weights. `each_step` is called with the number of steps done and
    the parameters after each one that this call makes.
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
        saved = torch.load(state, weights_only=True)
        step, curve = saved["step"], saved["curve"]
        with torch.no_grad():
            for name, tensor in parameters.items():
                tensor.copy_(saved["parameters"][name])
        optimiser.load_state_dict(saved["optimiser"])
        data.restore([stream.cpu() for stream in saved["data"]])
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
                        "data": data.state(),
                        "curve": curve,
                    }
                    torch.save(content, temporary)
    for tensor in parameters.values():
        tensor.requires_grad_(False)
    return curve
