"""Which claims a run can decide, and which not and why, before anything runs.

    snakemake decidable --configfile my.yaml     # writes results/decidable.json

Each study's own `all_claims` is called with the arguments of its rule `<study>_claims`. A claim
names the evidence that decides it (`decided_by`) and the paper's models; its test carries what
the run followed of the paper's protocol (`shared/protocol.py`). Nothing else is written down
here. Where the interval of the published default run was too wide, its width also says how many
more units it would take there.
"""

import functools
import importlib
import inspect
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.shared import files, job
from workflow_scripts.shared.claims import (
    IN_WORDS,
    Claim,
    Evidence,
    Kind,
    ModelEvidence,
    either,
)
from workflow_scripts.shared.fingerprint import PACKAGE
from workflow_scripts.shared.measurements import untested
from workflow_scripts.shared.protocol import Protocol, Setting, evidence

if TYPE_CHECKING:
    import pandas as pd

PROTOCOLS = {Evidence.PROTOCOL, Evidence.REDUCED}
MOST_TIMES = 100  # as many units as the default run; beyond, a difference may as well be none
MODELS = {Evidence.STAND_IN, Evidence.OTHER_MODEL, Evidence.PAPER_MODEL}


def why_not(claim: Claim, known: ModelEvidence, data: Setting | None) -> str | None:
    """Why a run cannot decide a claim by the kind of its evidence; None if it can.

    `known` are the study's models; `data` is a setting of the paper beside those of the claim.
    """
    if _function(claim.test) is untested:
        return str(claim.test.args[0])  # type: ignore[attr-defined]
    if Evidence.THEORY in claim.decided_by:
        return None
    reasons = []
    if claim.decided_by & PROTOCOLS:
        run = followed(claim, data)
        if run is None or run.evidence in claim.decided_by:
            return None
        reasons.append(f"{IN_WORDS[run.evidence]} ({run.reduced})")
    if claim.decided_by & MODELS:
        found = {known(name) for name in known.models}
        names = {known.paper_name(name) for name in known.models}
        paper = Evidence.PAPER_MODEL in found and (
            not claim.models or bool(names & set(claim.models))
        )
        if (found & claim.decided_by) - {Evidence.PAPER_MODEL} or paper:
            return None
        reasons.append("another model" if found - {Evidence.STAND_IN} else "a stand-in model")
    needed = either(claim.decided_by)
    if claim.models and claim.decided_by <= MODELS:
        needed = " or ".join(claim.models)
    return f"{'; '.join(reasons)} cannot decide it; needs {needed}"


def followed(claim: Claim, data: Setting | None) -> Protocol | None:
    """What the run followed of the paper's protocol, as the claim's test was given it."""
    for value in _given(claim.test):
        if isinstance(value, Protocol):
            return value
        if isinstance(value, Mapping):
            runs = [run for run in value.values() if isinstance(run, Protocol)]
            if runs:
                return runs[0]
        if isinstance(value, Sequence) and value and all(isinstance(s, Setting) for s in value):
            return evidence(*([data] if data else []), *value)
    return None


def _given(test: Any) -> Iterator[Any]:
    """All arguments that a test already has, those of nested functions included."""
    while isinstance(test, functools.partial):
        yield from test.args
        yield from test.keywords.values()
        test = test.func


def _function(test: Any) -> Any:
    return _function(test.func) if isinstance(test, functools.partial) else test


def power(claim: Claim, rows: "pd.DataFrame", units: float) -> str:
    """Why a claim may stay open for want of units; "" if the default run says nothing of the kind.

    `rows` are the claim's rows of the default run, `units` the units of this run over its. An
    interval shrinks with the root of the units. Rows of language models are left out: models differ
    too much for one to tell anything of another.
    """
    worst = units
    texts = [""]
    of_no_model = rows["model"].isna() | rows["model"].str.startswith("MLP")
    for row in rows[of_no_model].dropna(subset=["ci_low", "ci_high"]).to_dict("records"):
        half = (row["ci_high"] - row["ci_low"]) / 2
        ends = [end for end in (claim.region.low, claim.region.high) if math.isfinite(end)]
        near = min((abs(row["value"] - end) for end in ends), default=math.inf)
        factor = (half / near) ** 2 if near > half / MOST_TIMES**0.5 else math.inf
        if half > 0 and factor > max(1.0, worst):
            worst = factor
            times = f"{factor:.0f}" if factor < math.inf else f"over {MOST_TIMES}"
            texts.append(
                f"the default run's interval would take about {times} times its {row['n']:.0f} "
                f"units; this run has {units:.1f} times as many"
            )
    return texts[-1]


# What the intervals of each study are over, mostly: its setting, below the study's section.
UNITS = {
    "softmax": "retrieval/seeds",
    "stochasticity": "draws",
    "parallel_sequential": "math/questions",
    "change_of_mind": "questions/factorial",
    "perplexity": "parity/seeds",
    "glasses": "tasks/draws",
    "optimizers": "seeds",
    "cocycles": "training/seeds",
    "transnar": "train/seeds",
}


def units(config: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, float]:
    """Seeds, draws or questions of each study in this config over those of config.yaml."""

    def count(settings: Mapping[str, Any], study: str, path: str) -> Any:
        found: Any = settings[study]
        for key in path.split("/"):
            found = found[key]
        return found

    return {
        study: count(config, study, path) / count(default, study, path)
        for study, path in UNITS.items()
    }


def of_study(
    study: str,
    arguments: Mapping[str, Any],
    models: Mapping[str, Any],
    units: float,
    data: Setting | None,
    default: "pd.DataFrame",
) -> list[dict[str, Any]]:
    """Study, id, kind, the reason why a claim stays open, and why its power may not suffice.

    `arguments` are those of the study's rule of claims, `units` the seeds or items of this run over
    those of the default run, `default` the claims of that.
    """
    module = importlib.import_module(f"{PACKAGE}.{study}.claims")
    wanted = inspect.signature(module.all_claims).parameters
    claims = module.all_claims(**{name: arguments[name] for name in wanted})
    known, found = ModelEvidence(models, study), []
    for claim in claims:
        reason = why_not(claim, known, data) or ""
        rows = default[(default["study"] == study) & (default["id"] == claim.id)]
        doubt = "" if reason else power(claim, rows, units)
        entry = {"study": study, "id": claim.id, "kind": claim.kind}
        found.append(entry | {"reason": reason, "power": doubt})
    return found


def main(
    default: str,
    arguments: dict[str, dict[str, Any]],
    units: dict[str, float],
    data: str,
    decidable: str,
) -> None:
    """Write the list for all studies of the run; `arguments` are those of their rules of claims.

    `default` is the file of the claims of the published default run.
    """
    import pandas as pd

    reference = pd.read_csv(default)
    on_mnist = Setting("data", data, "MNIST")
    rows = [
        row
        for study, own in arguments.items()
        for row in of_study(
            study,
            own,
            own.get("models", {}),
            units.get(study, 1.0),
            on_mnist if study == "optimizers" else None,
            reference,
        )
    ]
    files.write_json(decidable, rows)


def show(path: Path, console: Any) -> None:
    """Print how many claims of each study the run can decide, and why others stay open."""
    rows = [row for row in files.read_json(path) if row["kind"] == Kind.PAPER]
    open_ = [row for row in rows if row["reason"]]
    doubtful = [row for row in rows if row["power"]]
    decided = len(rows) - len(open_)
    console.print(f"Claims of the papers that this run can decide: {decided} of {len(rows)}.")
    for study, reason, ids in _joined(open_, "reason"):
        console.print(f"  {study} {', '.join(ids)}: {reason}", markup=False)
    if doubtful:
        console.print(f"Of these, {len(doubtful)} may lack power:")
    for study, reason, ids in _joined(doubtful, "power"):
        console.print(f"  {study} {', '.join(ids)}: {reason}", markup=False)


def _joined(rows: Iterable[dict[str, Any]], key: str) -> Iterator[tuple[str, str, list[str]]]:
    """Claims with one reason as one entry: study, reason, ids."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        found.setdefault((row["study"], row[key]), []).append(row["id"])
    for (study, reason), ids in found.items():
        yield study, reason, ids


if __name__ == "__main__":
    job.run(snakemake, main)
