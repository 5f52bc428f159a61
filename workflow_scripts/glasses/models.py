"""What is read inside a language model: representation gaps (E4) and sensitivity by position."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.glasses import gaps, model_sensitivity
from workflow_scripts.glasses.rows import Row
from workflow_scripts.glasses.theory import profile
from workflow_scripts.inference import engines
from workflow_scripts.shared import job, provenance, seeds, tables

log = logging.getLogger(__name__)


def sensitivity(engine: Any, settings: dict[str, Any], wording: str, seed: int) -> list[Row]:
    """Jacobian norms of the last token by position, and the bound, over prompts of digits."""
    reason = model_sensitivity.readable(engine.model, settings["widest"])
    if reason:
        log.warning("models.%s: no sensitivity, %s", engine.name, reason)
        return []
    prompts = gaps.Prompts(engine, wording)
    found: dict[str, list[np.ndarray]] = {}
    broken: dict[str, int] = {"fixed": 0, "varying": 0}
    for draw in range(settings["prompts"]):
        rng = seeds.generator(seed, "glasses", "heard", draw)
        ids, _ = prompts.tokens("last", gaps.sequence("digits", settings["digits"], rng))
        norms = model_sensitivity.norms(engine.model, ids)
        for name, values in norms.items():
            found.setdefault(name, []).append(values)
        for name in broken:
            broken[name] += int((norms[name] > norms["bound"] * (1 + 1e-9)).sum())
    stacked = {name: np.stack(each) for name, each in found.items()}
    rows = profile("heard", stacked, {})
    cases = stacked["bound"].size
    for name, count in broken.items():
        rows.append(
            {"experiment": "heard", "metric": f"bound_violations_{name}", "value": float(count)}
            | {"ci_low": float(count), "ci_high": float(count), "n": cases}
        )
    return rows


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    table: str,
    settings: dict[str, Any],
    heard_settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    # Attention is replaced anyway, and not every architecture has the default one.
    engine: Any = engines.load(model, spec, checkpoint, attention="eager")
    rows = gaps.measure(engine, settings, seeds.derive(seed, "glasses", "gaps"))
    rows += sensitivity(engine, heard_settings, settings["wording"], seed)
    tables.write(pd.DataFrame(rows).assign(model=model), table, provenance=provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with job.running(snakemake):
        main(
            snakemake.wildcards.model,
            snakemake.params.spec,
            snakemake.params.checkpoint,
            snakemake.output.table,
            snakemake.params.settings,
            snakemake.params.heard,
            snakemake.params.seed,
            provenance=provenance.of(snakemake),
        )
