"""Claims of the papers, and the verdicts that our measurements give.

A study's `claims.py` holds a list of `Claim`. Each claim's test reads the study's scores and
returns what was measured; the verdict follows from the interval and the kind of evidence alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.shared import files, job

if TYPE_CHECKING:
    import pandas as pd


class Evidence(StrEnum):
    """The kind of run that a number comes from."""

    THEORY = "theory"
    PROTOCOL = "paper's own protocol"
    STAND_IN = "stand-in model"
    OTHER_MODEL = "other model"
    PAPER_MODEL = "paper's own model"


class Verdict(StrEnum):
    """What the evidence says about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Published:
    """A published number or direction, and its source.

    `tag` says how we know it: published, published-2nd, derived, … (docs/scorecard.md).
    """

    value: float | str
    tag: str
    source: str


@dataclass(frozen=True)
class Region:
    """The values of the measured quantity under which the claim is true: low <= value <= high."""

    low: float = -math.inf
    high: float = math.inf

    def reading(self, ci_low: float, ci_high: float) -> Verdict:
        """The verdict of an interval alone: wholly inside, wholly outside, or neither."""
        if self.low <= ci_low and ci_high <= self.high:
            return Verdict.SUPPORTED
        if ci_high < self.low or ci_low > self.high:
            return Verdict.CONTRADICTED
        return Verdict.INCONCLUSIVE


POSITIVE = Region(low=1.0e-9)  # zero itself is not in it
NEGATIVE = Region(high=-1.0e-9)
NONE = Region(0.0, 0.0)  # no exception at all
ALL = Region(1.0, 1.0)  # every case
MOST = Region(low=0.5)  # at least half


def around(value: float, margin: float) -> Region:
    """The published value, give or take a margin."""
    return Region(value - margin, value + margin)


def rounding(limit: float) -> Region:
    """An error that rounding explains: between 0 and `limit`."""
    return Region(0.0, limit)


# The kinds of evidence that can decide a claim.
THEORY = frozenset({Evidence.THEORY})
PROTOCOL = frozenset({Evidence.PROTOCOL})
PAPER_MODEL = frozenset({Evidence.PAPER_MODEL})
STAND_IN_OR_PROTOCOL = frozenset({Evidence.STAND_IN, Evidence.PROTOCOL})
ANY_MODEL = frozenset({Evidence.STAND_IN, Evidence.OTHER_MODEL, Evidence.PAPER_MODEL})


@dataclass(frozen=True)
class Measured:
    """A measured quantity with its 95 % interval (both ends equal for an exact computation).

    `n` counts what the interval was taken over (seeds, items, cases); `note` says what the number
    is and at which scale. `evidence` is the kind of run behind it. `reason`, where given, says why
    this measurement cannot decide the claim although its evidence is of the right kind.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    evidence: Evidence
    note: str
    model: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class NotMeasured:
    """No number at this scale or with these models, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a paper.

    `decided_by` lists the kinds of evidence that can decide it: a stand-in model never decides a
    claim about a named model. `region` is where the measured quantity must lie for the claim to
    hold. `test` gets the study's scores and a function from model name to evidence, and returns one
    measurement per measured model (or the reason why there is none).
    """

    id: str
    statement: str
    source: str
    quantity: str
    region: Region
    decided_by: frozenset[Evidence]
    test: Callable[["pd.DataFrame", Callable[[str], Evidence]], "Sequence[Measured] | NotMeasured"]
    published: Published | None = None


def evidence_of(models: dict[str, Any], study: str) -> Callable[[str], Evidence]:
    """Map a model's name to the evidence it gives in `study`, from the config's `models`."""

    def evidence(model: str) -> Evidence:
        spec = models[model]
        if spec["source"] == "train":
            return Evidence.STAND_IN
        if study in spec.get("paper_model_of", []):
            return Evidence.PAPER_MODEL
        return Evidence.OTHER_MODEL

    return evidence


def judge(
    claim: Claim, scores: "pd.DataFrame", evidence: Callable[[str], Evidence]
) -> list[dict[str, Any]]:
    """Entries of `claims.json` for one claim: one per measurement, or one with the reason for none.

    `reading` is the verdict of the interval alone; `verdict` equals it only where the evidence can
    decide the claim.
    """
    base = {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "quantity": claim.quantity,
        "region": [_finite(claim.region.low), _finite(claim.region.high)],
        "decided_by": sorted(claim.decided_by),
        "published": asdict(claim.published) if claim.published else None,
    }
    found = claim.test(scores, evidence)
    if isinstance(found, Sequence) and not found:
        found = NotMeasured("nothing was measured in this run")  # else the claim would disappear
    if isinstance(found, NotMeasured):
        return [
            base
            | {"measured": None, "evidence": None, "reading": None}
            | {"verdict": Verdict.NOT_TESTED, "reason": found.reason}
        ]
    entries = []
    for measured in found:
        reading = claim.region.reading(measured.ci_low, measured.ci_high)
        reason = measured.reason
        if reason is None and measured.evidence not in claim.decided_by:
            reason = f"a {measured.evidence} cannot decide it; needs {_either(claim.decided_by)}"
        entries.append(
            base
            | {
                "measured": {
                    "value": measured.value,
                    "ci_low": measured.ci_low,
                    "ci_high": measured.ci_high,
                    "n": measured.n,
                    "note": measured.note,
                    "model": measured.model,
                },
                "evidence": measured.evidence,
                "reading": reading,
                "verdict": Verdict.NOT_TESTED if reason else reading,
                "reason": reason,
            }
        )
    return entries


def write(
    path: str | Path,
    claims: Sequence[Claim],
    scores: "pd.DataFrame",
    evidence: Callable[[str], Evidence],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Judge every claim and write `claims.json`: {"provenance": …, "claims": […]}.

    Raises `ValueError` for two claims with one id, or a measurement that is not finite.
    """
    ids = [claim.id for claim in claims]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ValueError(f"claims: expected one claim per id, found several: {', '.join(twice)}")
    entries = [entry for claim in claims for entry in judge(claim, scores, evidence)]
    for entry in entries:
        for name in ("value", "ci_low", "ci_high"):
            number = (entry["measured"] or {}).get(name)
            if number is not None and not math.isfinite(number):
                raise ValueError(
                    f"claim {entry['id']}: expected a finite {name}, found {number}; its test "
                    "should drop the row or return NotMeasured"
                )
    files.write_json(path, {"provenance": provenance or {}, "claims": entries})


def run(snakemake: Any, all_claims: Callable[..., Sequence[Claim]]) -> None:
    """Run a study's `claims.py` as a job: judge what `all_claims` returns on the study's scores.

    The rule has the input `scores` and the output `claims`; `all_claims` takes the rule's other
    inputs (published tables) and settings by name. `params.models` maps each model of the study to
    its entry in the config, for the evidence that it gives; studies without models omit it.
    """
    from workflow_scripts.shared import provenance, schemas, tables

    with job.running(snakemake):
        study = snakemake.rule.removesuffix("_claims")
        write(
            snakemake.output.claims,
            all_claims(**job.arguments(snakemake, all_claims)),
            tables.read(snakemake.input.scores, schemas.SCORES),
            evidence_of(snakemake.params.get("models", {}), study),
            provenance.of(snakemake),
        )


def _finite(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None


def _either(kinds: frozenset[Evidence]) -> str:
    return " or ".join(sorted(kinds))
