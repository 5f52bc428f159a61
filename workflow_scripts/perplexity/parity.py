"""E4: train on parity with both targets, and keep a checkpoint every so many steps.

The label of a bitstring is the XOR of its bits. Target `prefix` is the parity so far after every
bit, as the paper's "parity logits across the string" suggests; target `final` is the parity of the
whole string only, of 1 to 16 bits. All seeds of both targets are trained together. The paper takes
model and optimiser from Vitvitskyi et al. 2025 (2502.06751), which are not known.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.perplexity import decoder, training
from workflow_scripts.perplexity.decoder import Parameters, Shape
from workflow_scripts.perplexity.training import Settings, Streams
from workflow_scripts.shared import devices, files, job, seeds, tables

TARGETS = ("prefix", "final")
BITS = 2
HELD_OUT = 8  # one in so many of the longest strings is never trained on


def members(seed_count: int) -> list[tuple[str, int]]:
    """Target and seed of each model of a stack, in order."""
    return [(target, seed) for target in TARGETS for seed in range(seed_count)]


def split(seed: int, longest: int) -> tuple[Tensor, Tensor]:
    """Training and held-out strings of the longest size as numbers, shape (strings,) each.

    The split is the same for every model.
    """
    stream = torch.Generator().manual_seed(seeds.derive(seed, "perplexity", "parity", "split"))
    drawn = torch.randperm(2**longest, generator=stream)
    held_out = max(1, 2**longest // HELD_OUT)
    return drawn[held_out:], drawn[:held_out]


def bits_of(numbers: Tensor, size: int) -> Tensor:
    """The bits of numbers, the most significant first, (...) -> (..., size)."""
    return (numbers[..., None] >> torch.arange(size - 1, -1, -1)) & 1


def prefix_parity(bits: Tensor) -> Tensor:
    """XOR of all bits up to each position, (..., n) -> (..., n)."""
    return bits.cumsum(-1) % 2


class Strings:
    """Fresh training strings for every model of a stack; a causal model sees every prefix."""

    def __init__(self, seed: int, seed_count: int, rows: int, longest: int, shape: Shape) -> None:
        self.members = members(seed_count)
        names = [f"{target} {index}" for target, index in self.members]
        self.streams = Streams(seed, names, "parity", "train")
        self.train, _ = split(seed, longest)
        self.rows, self.longest, self.shape = rows, longest, shape
        final = torch.tensor([target == "final" for target, _ in self.members])
        self.final = final[:, None, None]

    def losses(self, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Nats per label and share of right labels, shape (S,) each."""
        bits = bits_of(
            self.train[self.streams.integers(len(self.train), (self.rows,))], self.longest
        )
        size = self.streams.integers(self.longest, (self.rows, 1)) + 1
        asked = ~self.final | (torch.arange(1, self.longest + 1) == size)
        device = decoder.device_of(parameters)
        bits, asked = bits.to(device), asked.to(device)
        target = prefix_parity(bits)
        logits = decoder.forward(parameters, bits, self.shape)
        right = (logits.argmax(-1) == target) & asked
        return training.masked_nats(logits, target, asked), right.sum((1, 2)) / asked.sum((1, 2))


def main(
    weights: str,
    curve: str,
    shape: dict[str, Any],
    settings: dict[str, Any],
    keep_every: int,
    seed_count: int,
    batch: int,
    longest: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the checkpoints of all models as one stack, and the learning curves.

    The first axis of the stack is (checkpoint, model), models in the order of `members`.
    """
    form = Shape(BITS, BITS, **shape)
    trained = Settings(**settings, checkpoint_every=keep_every)
    work = files.work_folder(
        "perplexity_parity",
        code=provenance["code"],
        shape=form._asdict(),
        settings=asdict(trained),
        drawn=[seed, seed_count, batch, longest, keep_every],
    )
    names = [f"{target} {index}" for target, index in members(seed_count)]
    start = training.initial(seed, form, names, "parity")
    parameters = decoder.to(start, devices.for_tensors())
    data = Strings(seed, seed_count, batch, longest, form)

    def kept(step: int) -> Path:
        return work / f"step{step}.safetensors"

    def keep(step: int, now: Parameters) -> None:
        if step % keep_every == 0:
            decoder.write(kept(step), now, form, {})

    state = work / "state.pt"
    points = pd.DataFrame(training.fit(parameters, data, trained, state, keep))
    points["target"] = [members(seed_count)[index][0] for index in points["seed"]]
    points["seed"] %= seed_count
    tables.write(points, curve, provenance=provenance)
    steps = range(keep_every, trained.steps + 1, keep_every)
    stack = decoder.stack([decoder.read(kept(step))[0] for step in steps])
    decoder.write(weights, stack, form, provenance)
    for file in [state, *map(kept, steps)]:
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
