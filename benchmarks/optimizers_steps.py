"""Training many networks, in one vectorised run or one after another; the cost of each optimiser.

    python benchmarks/optimizers_steps.py --seeds 10 --steps 40

Vectorised: `torch.func` over a stack of networks, each with its own rate. One after another: the
same code with one network at a time, and, where torch has the optimiser, plain `torch.nn` and
`torch.optim`. All do the same work on the same batches and alternate, so that a busy machine slows
all of them equally. Process time of `REFRESH` steps at a time, so that the cost of a refresh counts
with its right weight. `over_sgd` is the optimiser's time over SGD's, both vectorised.
"""

import argparse
from collections.abc import Callable
from typing import Any

import comparison
import torch
import yaml

from workflow_scripts.optimizers import data, registry
from workflow_scripts.optimizers.data import CLASSES
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.optimizers.updates import Optimizer
from workflow_scripts.shared.fingerprint import ROOT

LIBRARY = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3),
}
REFRESH = 10  # steps in which every optimiser refreshes its preconditioner at least once
KINDS = ("together", "alone", "modules")


class Together:
    """A vectorised run, one step per call."""

    def __init__(self, optimizer: Optimizer, stream: Stream, rows: list[int], steps: int) -> None:
        settings = yaml.safe_load((ROOT / "config.yaml").read_text())["optimizers"]
        self.batch, hidden = settings["batch"], settings["hidden"]
        replicas = [Replica(row, 1e-3) for row in rows]
        self.training = Training(stream, hidden, CLASSES, optimizer, replicas)
        self.index, self.noise = stream.draws(0, steps, self.batch)
        self.at = 0

    def __call__(self) -> None:
        training, step = self.training, self.at
        rows = training.rows
        x, y = training.stream.batch(0, rows, self.index[:, step])
        refresh = step % training.optimizer.refresh_every == 0
        training.advance(x, y, self.noise[rows, step], refresh)
        self.at += 1


class Modules:
    """Plain modules and `torch.optim`, one network after another."""

    def __init__(self, name: str, together: Together) -> None:
        self.together, self.at = together, 0
        self.networks, self.optimisers = [], []
        layers = list(together.training.parameters.values())
        for row in range(len(layers[0])):
            parts: list[torch.nn.Module] = []
            for matrix in layers:
                linear = torch.nn.Linear(matrix.shape[2] - 1, matrix.shape[1])
                with torch.no_grad():
                    linear.weight.copy_(matrix[row, :, :-1])
                    linear.bias.copy_(matrix[row, :, -1])
                parts += [linear, torch.nn.ReLU()]
            self.networks.append(torch.nn.Sequential(*parts[:-1]))
            self.optimisers.append(LIBRARY[name](self.networks[-1].parameters()))

    def __call__(self) -> None:
        t = self.together
        rows = t.training.rows
        x, y = t.training.stream.batch(0, rows, t.index[:, self.at])
        for row, (network, optimiser) in enumerate(
            zip(self.networks, self.optimisers, strict=True)
        ):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(x[row]), y[row]).backward()
            optimiser.step()
        self.at += 1


def each(parts: list[Together]) -> Callable[[], None]:
    def step() -> None:
        for part in parts:
            part()

    return step


def several(step: Callable[[], None]) -> Callable[[], None]:
    def steps() -> None:
        for _ in range(REFRESH):
            step()

    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())["optimizers"]
    parts = data.split("digits", 300, 300, 1)
    rows, steps = list(range(arguments.seeds)), arguments.steps + REFRESH
    stream = Stream("single", 1, parts, [str(row) for row in rows], 1)
    ways: dict[Any, Callable[[], None]] = {}
    for name, entry in settings["optimizers"].items():
        optimizer = registry.optimizer(name, entry["settings"])
        together = Together(optimizer, stream, rows, steps)
        if name in LIBRARY:
            ways[name, "modules"] = Modules(name, together)
        ways[name, "together"] = together
        ways[name, "alone"] = each([Together(optimizer, stream, [row], steps) for row in rows])
    taken = comparison.in_turns(
        {way: several(step) for way, step in ways.items()}, arguments.steps // REFRESH
    )
    found = []
    for name in settings["optimizers"]:
        own = {kind: taken[name, kind] for kind in KINDS if (name, kind) in taken}
        over = min(taken[name, "together"]) / min(taken["sgd", "together"])
        case = f"{name}, {REFRESH} steps of {arguments.seeds} networks"
        found += comparison.rows(case, own, over_sgd=round(over, 2))
    comparison.report("optimizers_steps", found)


if __name__ == "__main__":
    main()
