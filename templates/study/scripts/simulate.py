"""Replace this by the study's own data, training or simulation: means of uniform draws."""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.example_study import metrics
from workflow_scripts.shared import job, seeds, tables


def main(
    simulated: str,
    sizes: list[int],
    draws: int,
    repeats: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the spread of `draws` means of n uniform numbers, for each seed and size n."""
    rows = []
    for index in range(repeats):
        for size in sizes:
            rng = seeds.generator(seed, "example_study", str(index), str(size))
            means = rng.random((draws, size)).mean(axis=1)
            rows.append({"seed": index, "size": size, "value": float(metrics.spread(means))})
    frame = pd.DataFrame(rows).astype({"value": np.float64})
    tables.write(frame, simulated, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
