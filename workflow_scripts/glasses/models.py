"""Measurements inside a language model: representation gaps (E4) and sensitivity by position."""

import logging
from typing import Any

import pandas as pd

from workflow_scripts.glasses import model_gaps, model_sensitivity
from workflow_scripts.glasses.changed_attention import Change, changed
from workflow_scripts.glasses.sensitivity import profile, stacked, violations
from workflow_scripts.inference import agreement, engines
from workflow_scripts.shared import job, seeds, tables
from workflow_scripts.shared.scores import Row, exact

log = logging.getLogger(__name__)


def sensitivity(engine: Any, settings: dict[str, Any], wording: str, seed: int) -> list[Row]:
    """Scores of the last token's Jacobian norms by position and their bound, over digit prompts."""
    reason = model_sensitivity.readable(engine.model, settings["widest"])
    if reason:
        log.warning("models.%s: no sensitivity, %s", engine.name, reason)
        return []
    prompts = model_gaps.Prompts(engine, wording)
    own, samples = model_sensitivity.in_float64(engine.model), []
    for draw in range(settings["prompts"]):
        rng = seeds.generator(seed, "glasses", "heard", draw)  # "heard": changing it changes draws
        shown = model_gaps.sequence("digits", settings["digits"], rng)
        samples.append(model_sensitivity.norms(own, prompts.tokens("last", shown)[0]))
    norms = stacked(samples)
    rows = profile("model_sensitivity", norms, "prompts")
    for kind in ("fixed", "varying"):
        metric, broken = f"bound_violations_{kind}", violations(norms, kind)
        rows.append(exact("model_sensitivity", metric, broken, norms[kind].size, units="tokens"))
    return rows


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    asked: dict[str, Any],
    table: str,
    gap_settings: dict[str, Any],
    sensitivity_settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the scores of one model; the settings are `gaps` and `model_sensitivity`.

    `asked` gives the wording. No reply is read, so a base model gets no examples.
    """
    wording = asked["wording"]
    # Attention is replaced anyway, and not every architecture has the default one.
    engine: Any = engines.load(model, spec, checkpoint, attention="eager")
    agreement.reproduces(engine, "glasses", changed(engine.model, Change()))
    rows = model_gaps.measure(engine, gap_settings, wording, seeds.derive(seed, "glasses", "gaps"))
    rows += sensitivity(engine, sensitivity_settings, wording, seed)
    tables.write(pd.DataFrame(rows).assign(model=model), table, provenance=provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
