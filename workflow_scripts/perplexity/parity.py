"""E4: train on parity for both readings of the target, and keep a checkpoint every so many steps.

The label of a bitstring is the XOR of its bits. Reading `prefix` asks for the parity so far after
every bit, as the paper's "parity logits across the string" suggests; reading `final` asks for the
parity of the whole string only, of 1 to 16 bits. All seeds of both readings train together. The
paper takes model and optimiser from Vitvitskyi et al. 2025 (2502.06751), which are not known.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from workflow_scripts.perplexity import decoder, training, weights
from workflow_scripts.perplexity.decoder import Parameters, Shape
from workflow_scripts.perplexity.training import Settings, Streams
from workflow_scripts.shared import files, job, provenance, seeds, tables

READINGS = ("prefix", "final")
BITS = 2
HELD_OUT = 8  # one in so many of the longest strings is never trained on


def members(seed_count: int) -> list[tuple[str, int]]:
    """Reading and seed of each model of a stack, in its order."""
    return [(reading, seed) for reading in READINGS for seed in range(seed_count)]


def split(seed: int, longest: int) -> tuple[Tensor, Tensor]:
    """Training and held-out strings of the longest size, as numbers, the same for every model."""
    stream = torch.Generator().manual_seed(seeds.derive(seed, "perplexity", "parity", "split"))
    drawn = torch.randperm(2**longest, generator=stream)
    held_out = max(1, 2**longest // HELD_OUT)
    return drawn[held_out:], drawn[:held_out]


def bits_of(numbers: Tensor, size: int) -> Tensor:
    """(…, size) bits, the most significant first."""
    return (numbers[..., None] >> torch.arange(size - 1, -1, -1)) & 1


def prefix_parity(bits: Tensor) -> Tensor:
    """XOR of all bits up to each position, of the shape of `bits`."""
    return bits.cumsum(-1) % 2


class Strings:
    """Fresh training strings for every model of the stack; the causal model sees each prefix."""

    def __init__(self, seed: int, seed_count: int, rows: int, longest: int, shape: Shape) -> None:
        self.members = members(seed_count)
        names = [f"{reading} {index}" for reading, index in self.members]
        self.streams = Streams(seed, names, "parity", "train")
        self.train, _ = split(seed, longest)
        self.rows, self.longest, self.shape = rows, longest, shape
        final = torch.tensor([reading == "final" for reading, _ in self.members])
        self.final = final[:, None, None]

    def losses(self, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Nats a label and share of right labels, shape (S,) each."""
        bits = bits_of(
            self.train[self.streams.integers(len(self.train), (self.rows,))], self.longest
        )
        size = self.streams.integers(self.longest, (self.rows, 1)) + 1
        asked = ~self.final | (torch.arange(1, self.longest + 1) == size)
        target = prefix_parity(bits)
        logits = decoder.forward(parameters, bits, self.shape)
        nats = functional.cross_entropy(
            logits.flatten(0, 2), target.flatten(), reduction="none"
        ).view(target.shape)
        count = asked.sum((1, 2))
        right = (logits.argmax(-1) == target) & asked
        return (nats * asked).sum((1, 2)) / count, right.sum((1, 2)) / count

    def state(self) -> list[Tensor]:
        return self.streams.state()

    def restore(self, state: list[Tensor]) -> None:
        self.streams.restore(state)


def main(
    path: str,
    curve: str,
    shape: Shape,
    settings: Settings,
    keep_every: int,
    seed_count: int,
    batch: int,
    longest: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the checkpoints of all models, one after another in a stack, and the learning curve.

    The stack's first axis is (checkpoint, model), models in the order of `members`.
    """
    work = files.work_folder(
        "perplexity_parity",
        code=provenance["code"],
        shape=shape._asdict(),
        settings=asdict(settings),
        drawn=[seed, seed_count, batch, longest, keep_every],
    )
    names = [f"{reading} {index}" for reading, index in members(seed_count)]
    parameters = training.initial(seed, shape, names, "parity")
    data = Strings(seed, seed_count, batch, longest, shape)

    def kept(step: int) -> Path:
        return work / f"step{step}.safetensors"

    def keep(step: int, now: Parameters) -> None:
        if step % keep_every == 0:
            weights.write(kept(step), now, {}, shape)

    state = work / "state.pt"
    points = pd.DataFrame(training.fit(parameters, data, settings, state, keep))
    points["reading"] = [members(seed_count)[index][0] for index in points["seed"]]
    points["seed"] %= seed_count
    tables.write(points, curve, provenance=provenance)
    steps = range(keep_every, settings.steps + 1, keep_every)
    stack = decoder.stack([weights.read(kept(step))[0] for step in steps])
    weights.write(path, stack, provenance, shape)
    for file in [state, *map(kept, steps)]:
        file.unlink(missing_ok=True)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.weights,
            snakemake.output.curve,
            Shape(BITS, BITS, params.width, params.layers, params.heads, params.encoding),
            Settings(
                params.steps,
                params.learning_rate,
                params.warmup_steps,
                params.final_rate,
                params.weight_decay,
                params.keep_every,
            ),
            params.keep_every,
            params.seeds,
            params.batch,
            params.longest,
            params.seed,
            provenance=provenance.of(snakemake),
        )
