"""E1: train small copiers with one kind of positions, all seeds together.

The paper's model, optimiser, steps and seeds are not known; its strings have up to 16 bits.
"""

from typing import Any

import pandas as pd

from workflow_scripts.perplexity import copying, decoder, training
from workflow_scripts.shared import devices, files, job, tables


def main(
    weights: str,
    curve: str,
    copier: str,
    shape: dict[str, int],
    settings: dict[str, Any],
    seed_count: int,
    batch: int,
    longest: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the weights of all seeds of the encoding `copier`, and their learning curves."""
    form = decoder.Shape(copying.VOCABULARY, copying.BITS, **shape, encoding=copier)
    work = files.work_folder(
        "perplexity_copiers",
        code=provenance["code"],
        shape=form._asdict(),
        settings=settings,
        drawn=[seed, seed_count, batch, longest],
    )
    indices = list(range(seed_count))
    start = training.initial(seed, form, indices, "copying", copier)
    parameters = decoder.to(start, devices.for_tensors())
    data = copying.Strings(seed, indices, batch, longest, form)
    state = work / "state.pt"
    points = training.fit(parameters, data, training.Settings(**settings), state)
    tables.write(pd.DataFrame(points), curve, provenance=provenance)
    decoder.write(weights, parameters, form, provenance)
    state.unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
