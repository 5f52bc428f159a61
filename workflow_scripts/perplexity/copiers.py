"""E1: train small copiers with one kind of positions, all seeds in one training.

The paper's own model, optimiser, steps and seeds are not known; strings have up to 16 bits there.
"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from workflow_scripts.perplexity import copying, training, weights
from workflow_scripts.perplexity.decoder import Shape
from workflow_scripts.perplexity.training import Settings
from workflow_scripts.shared import files, job, provenance, tables


def main(
    path: str,
    curve: str,
    shape: Shape,
    settings: Settings,
    seed_count: int,
    batch: int,
    longest: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the weights of all seeds and the learning curve."""
    work = files.work_folder(
        "perplexity_copiers",
        code=provenance["code"],
        shape=shape._asdict(),
        settings=asdict(settings),
        drawn=[seed, seed_count, batch, longest],
    )
    indices = list(range(seed_count))
    parameters = training.initial(seed, shape, indices, "copying", shape.encoding)
    data = copying.Strings(seed, indices, batch, longest, shape)
    state = work / "state.pt"
    points = training.fit(parameters, data, settings, state)
    tables.write(pd.DataFrame(points), curve, provenance=provenance)
    weights.write(path, parameters, provenance, shape)
    state.unlink(missing_ok=True)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.weights,
            snakemake.output.curve,
            Shape(
                copying.VOCABULARY,
                copying.BITS,
                params.width,
                params.layers,
                params.heads,
                snakemake.wildcards.copier,
            ),
            Settings(
                params.steps,
                params.learning_rate,
                params.warmup_steps,
                params.final_rate,
                params.weight_decay,
                params.checkpoint_every,
            ),
            params.seeds,
            params.batch,
            params.longest,
            params.seed,
            provenance=provenance.of(snakemake),
        )
