"""Training to one loss: a first look at the hardest examples, against a look at all of them.

    python benchmarks/optimizers_stopping.py [--data data/mnist] [--config presets/overnight.yaml]

Both ways train the same networks to the loss of `optimizers.solutions`, in turns, and end at the
same step with the same weights. Process time, one thread. `looked_at` is the share of examples
that the first look leaves to be looked at.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import comparison
import torch
from scaling_paper import config_of

from workflow_scripts.optimizers import data, matched, network, registry
from workflow_scripts.optimizers.training import Training
from workflow_scripts.shared import job

RATE = {"adamw": 1e-3, "sgd": 0.1}


def solved(name: str, config: dict[str, Any], parts: dict[str, Any], seeds: int) -> Training:
    own = {key: value for key, value in config["solutions"].items() if key != "line_points"}
    settings = matched.Settings(
        config["hidden"], config["batch"], seeds, **own, **config["pruning"]
    )
    optimizer = registry.optimizer(name, config["optimizers"][name]["settings"])
    return matched.solve(optimizer, RATE[name], settings, parts, 1)


def watched(way: Callable[[], Training]) -> tuple[Training, int]:
    """A training, and the examples of all networks on which its loss is taken, batches aside."""
    count, nats = 0, network.nats

    def counted(parameters: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        nonlocal count
        found = nats(parameters, x, y)
        count += found.numel() if x.ndim == 2 else 0
        return found

    with mock.patch.object(network, "nats", counted):
        return way(), count


def main(arguments: argparse.Namespace) -> None:
    job.set_threads(1)
    config = config_of(*arguments.config)["optimizers"]
    parts = data.split(arguments.data, config["data"]["valid"], config["data"]["test"], 1)
    found = []
    for name in RATE:
        ours = partial(solved, name, config, parts, arguments.seeds)
        everyone = mock.patch.object(Training, "_near", lambda _, weights, rows, x, y: rows)

        def all_examples(ours: Any = ours, everyone: Any = everyone) -> Training:
            with everyone:
                return ours()

        (first, few), (every, all_of_them) = watched(ours), watched(all_examples)
        assert first.steps.tolist() == every.steps.tolist()
        for layer, matrix in every.parameters.items():
            torch.testing.assert_close(first.parameters[layer], matrix)
        notes = {"looked_at": round(few / all_of_them, 2)}
        ways: dict[str, Any] = {"ours": ours, "all examples": all_examples}
        taken = comparison.in_turns(ways, arguments.rounds, warm_up=0)
        case = f"{arguments.seeds * 2} networks, {name}, {Path(arguments.data).name}"
        found += comparison.rows(case, taken, **notes)
    comparison.report("optimizers_stopping", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--config", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args())
