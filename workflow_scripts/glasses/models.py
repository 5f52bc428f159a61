"""Measurements inside a language model: representation gaps (E4) and sensitivity by position."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.glasses import model_gaps, model_sensitivity
from workflow_scripts.glasses.changed_attention import Change, changed
from workflow_scripts.glasses.sensitivity import profile, stacked, violations
from workflow_scripts.inference import agreement, engines
from workflow_scripts.shared import job, seeds, tables
from workflow_scripts.shared.scores import Row, exact, interval, mean
from workflow_scripts.shared.statistics import Interval

log = logging.getLogger(__name__)


def sensitivity(engine: Any, settings: dict[str, Any], wording: str, seed: int) -> list[Row]:
    """Scores of the last token's Jacobian norms by position and their bound, over digit prompts."""
    reason = model_sensitivity.readable(engine.model, settings["widest"])
    if reason:
        log.warning("models.%s: no sensitivity, %s", engine.name, reason)
        return []
    prompts = model_gaps.Prompts(engine, wording)
    own, samples = model_sensitivity.measurable(engine.model), []
    for draw in range(settings["prompts"]):
        rng = seeds.generator(seed, "glasses", "heard", draw)  # "heard": changing it changes draws
        shown = model_gaps.sequence("digits", settings["digits"], rng)
        samples.append(model_sensitivity.norms(own, prompts.tokens("last", shown)[0]))
    norms = stacked([sample.by_kind() for sample in samples])
    rows = profile("model_sensitivity", norms, "prompts")
    ends = [stacked([getattr(each, end) for each in samples]) for end in ("least", "most")]
    for kind in ("fixed", "varying"):
        metric, n = f"bound_violations_{kind}", norms[kind].size
        number = violations(norms, kind)
        low, high = (violations(end | {"bound": norms["bound"]}, kind) for end in ends)
        if low == high:  # no error of an estimated norm, if any is estimated, changes the count
            rows.append(exact("model_sensitivity", metric, number, n, units="tokens"))
        else:
            broken = Interval(number, low, high, n)
            rows.append(interval("model_sensitivity", metric, broken, units="tokens"))
        if any((each.most[kind] > each.least[kind]).any() for each in samples):
            factors = [float(np.median(each.most[kind] / each.least[kind])) for each in samples]
            metric = f"interval_factor_{kind}"
            rows.append(mean("model_sensitivity", metric, factors, units="prompts"))
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
