"""Training the copiers of study `perplexity`: all seeds in one run, or one after another.

    python benchmarks/perplexity_seeds.py [--seeds 5] [--steps 20] [--rounds 3]

Both use the same code, strings and initial weights; their losses are compared before anything is
timed. Shape and batch as in config.yaml; one thread, process time.
"""

import argparse

import comparison
import torch
import yaml

from workflow_scripts.perplexity import copying, training
from workflow_scripts.perplexity.decoder import Shape
from workflow_scripts.perplexity.training import Settings
from workflow_scripts.shared import job
from workflow_scripts.shared.fingerprint import ROOT

ENCODING = "rope"


def main(seeds: int, steps: int, rounds: int) -> None:
    job.set_threads(1)
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["perplexity"]
    options = config["copying"]
    width, layers, heads = (options[name] for name in ("width", "layers", "heads"))
    shape = Shape(copying.VOCABULARY, copying.BITS, width, layers, heads, ENCODING)
    fields = {key: value for key, value in options.items() if key in Settings.__annotations__}
    settings = Settings(**(fields | {"steps": steps}))

    def train(indices: list[int]) -> list[float]:
        parameters = training.initial(1, shape, indices, "copying", ENCODING)
        data = copying.Strings(1, indices, options["batch"], options["longest"], shape)
        curve = training.fit(parameters, data, settings)
        return [row["loss_nats"] for row in curve if row["step"] == steps]

    every = list(range(seeds))
    together, alone = train(every), [train([index])[0] for index in every]
    torch.testing.assert_close(torch.tensor(together), torch.tensor(alone), rtol=1e-3, atol=1e-4)
    ways = {
        "together": lambda: train(every),
        "one after another": lambda: [train([index]) for index in every],
    }
    taken = comparison.in_turns(ways, rounds, warm_up=0)
    comparison.report("perplexity_seeds", comparison.rows(f"{seeds} copiers, {steps} steps", taken))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    main(given.seeds, given.steps, given.rounds)
