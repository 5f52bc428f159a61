"""S1 in rounds: a model is asked for more draws only until its distance from the target is decided.

Before a model is asked, simulated runs say how many draws would decide (`planned`). Then each round
asks for the same draws as S1 would, from the same store, for the targets that are still open. The
test may be looked at after every round (`shared/evalues.py`), unlike a p-value. Off unless the
config has `stochasticity.stopping`; then S1 is not asked in any other way.
"""

import logging
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.inference import engines, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import job, tables
from workflow_scripts.shared.evalues import Distance
from workflow_scripts.shared.scores import Row
from workflow_scripts.stochasticity import asking, metrics, parsing, requests, targets
from workflow_scripts.stochasticity.asking import Manner
from workflow_scripts.stochasticity.stopping_scores import OPEN, ROUNDS

log = logging.getLogger(__name__)


def test_of(target: str, settings: dict[str, Any]) -> Distance:
    """The test of a target. Either side of its interval takes half of the level."""
    probabilities = targets.of(target).probabilities
    return Distance(probabilities, settings["tolerance"], settings["level"] / 2)


def planned(settings: dict[str, Any], model: str, seed: int) -> list[Row]:
    """How many draws would decide each target, for samplers at the distances under `plan_for`."""
    rows = []
    for target in settings["targets"]:
        test = test_of(target, settings)
        limits = settings["step"], settings["most"], settings["power"]
        for plan in test.plan(settings["plan_for"], *limits, seed):
            said = f"at most {plan.n}" if plan.n else f"more than {settings['most']}"
            log.info(
                "%s: a sampler at a distance of %g is found to be %s in %s draws",
                target, plan.truth, plan.decides, said,
            )  # fmt: skip
            rows.append(
                {"model": model, "target": target, "part": "planned", "truth": plan.truth}
                | {"draws": plan.n, "decision": plan.decides}
            )
    return rows


def asked(
    manner: Manner, settings: dict[str, Any], engine: Any, store: Any, model: str, seed: int
) -> list[Row]:
    """Ask in rounds of `step` draws per open target, `most` at most."""
    rows: list[Row] = []
    waiting = list(settings["targets"])
    for n in range(settings["step"], settings["most"] + 1, settings["step"]):
        sent = inference.table(
            request
            for request in requests.styles(manner, n, seed)
            if request["experiment"] == "S1" and request["target"] in waiting
        )
        told = runner.generate(sent, engine, store)
        drawn = parsing.draws(sent, told)
        for target, own in drawn.groupby("target", sort=False):
            row = of_draws(str(target), own, settings) | {"model": model, "draws": n}
            rows.append(row)
            if row["decision"] != OPEN:
                waiting.remove(target)
                log.info("%s: %s after %d draws", target, row["decision"], n)
        if not waiting:
            break
    return rows


def of_draws(target: str, drawn: pd.DataFrame, settings: dict[str, Any]) -> Row:
    """The row of a target's draws so far: their distance, its interval and the decision."""
    values = drawn["value"].dropna().to_numpy()
    test = test_of(target, settings)
    counts = targets.of(target).counts(values) if values.size else np.zeros(0)
    found: Row = {"target": target, "part": "asked", "tokens": int(drawn["tokens"].sum())}
    found |= {"read": values.size, "decision": OPEN}
    if values.size == 0:
        return found
    far = float(metrics.total_variation(counts / values.size, test.probabilities))
    low, high = test.interval(counts)
    return found | {
        "tv": far,
        "low": min(low, far),
        "high": max(high, far),
        "decision": test.decision(counts) or OPEN,
    }


def main(
    rounds: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    settings: dict[str, Any],
    asked_as: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Plan, then ask one model; `settings` is the config's section `stochasticity.stopping`.

    `asked_as` is what the model's kind says (`kinds.asked`).
    """
    rows = planned(settings, model, seed)
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    manner = asking.of(model, asked_as, spec, checkpoint)
    rows += asked(manner, settings, engine, runner.store_of(engine), model, seed)
    frame = pd.DataFrame(rows, columns=list(ROUNDS.columns))
    tables.write(frame, rounds, ROUNDS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
