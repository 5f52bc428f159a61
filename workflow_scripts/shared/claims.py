"""Claims of the papers, and the verdicts that our measurements give.

A study's `claims.py` holds a list of `Claim`. Each claim's test reads the study's scores and
returns what was measured; the verdict follows from the interval and the kind of evidence alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.shared import files, job, rows_read, trace

if TYPE_CHECKING:
    import pandas as pd


class Kind(StrEnum):
    """What a claim is. Only `PAPER` is counted as a claim of a paper."""

    PAPER = "claim"
    CONTROL = "control"  # a check of our measurement
    MISREADING = "misreading"  # a tempting reading, or the claim without one of its assumptions
    EXTENSION = (
        "extension"  # a question beside the paper's, or one that it discusses and does not test
    )
    OURS = "ours"  # what an instrument of ours finds; no paper says anything of the kind
    ERRATUM = "erratum"  # a slip in print


class Evidence(StrEnum):
    """The kind of run that a number comes from."""

    THEORY = "theory"
    PROTOCOL = "paper's own protocol"
    REDUCED = "reduced protocol"
    STAND_IN = "stand-in model"
    OTHER_MODEL = "other model"
    PAPER_MODEL = "paper's own model"


class Verdict(StrEnum):
    """What the evidence says about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTED = "not tested"


class Answer(StrEnum):
    """Whether a claim holds for one model, whatever the paper's models do."""

    HOLDS = "holds"
    FAILS = "fails"
    UNCLEAR = "unclear"
    NOT_MEASURED = "not measured"


IN_WORDS = {  # in a sentence
    Evidence.THEORY: "theory",
    Evidence.PROTOCOL: "the paper's own protocol",
    Evidence.REDUCED: "a reduced protocol",
    Evidence.STAND_IN: "a stand-in model",
    Evidence.OTHER_MODEL: "another model",
    Evidence.PAPER_MODEL: "the paper's own model",
}
ANSWERS = {
    Verdict.SUPPORTED: Answer.HOLDS,
    Verdict.CONTRADICTED: Answer.FAILS,
    Verdict.INCONCLUSIVE: Answer.UNCLEAR,
}


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


FEWEST_UNITS = 2  # of a sampled quantity that decides a claim

# The kinds of evidence that can decide a claim.
THEORY = frozenset({Evidence.THEORY})
PROTOCOL = frozenset({Evidence.PROTOCOL})
ANY_PROTOCOL = frozenset({Evidence.REDUCED, Evidence.PROTOCOL})
PAPER_MODEL = frozenset({Evidence.PAPER_MODEL})
ANY_MODEL = frozenset({Evidence.STAND_IN, Evidence.OTHER_MODEL, Evidence.PAPER_MODEL})


@dataclass(frozen=True)
class Measured:
    """A measured quantity with its 95 % interval.

    `n` counts the `units` that the interval was taken over (seeds, items, cases); `note` says what
    the number is and at which scale. Only an `exact` quantity has an interval of width 0; ends that
    are NaN mean that there is no interval, as for a single unit. `evidence` is the kind of run
    behind it, `model` the name of the model in the config, `condition` what distinguishes
    several measurements of one claim on one model. `reason`, where given, says why this measurement
    cannot decide the claim although its evidence is of the right kind. `rows` are the numbers of
    the rows of scores that the value was taken from as it is; none where it was computed from rows.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    evidence: Evidence
    note: str
    model: str | None = None
    reason: str | None = None
    exact: bool = False
    units: str = ""
    condition: str = ""
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class NotMeasured:
    """No number at this scale or with these models, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a paper.

    `decided_by` lists the kinds of evidence that can decide it: a stand-in model never decides a
    claim about a named model. `models` are the paper's models that decide it, by the names that the
    study's schema lists under `x-paper-models`. `region` is where the measured quantity must lie
    for the claim to hold. `test` gets the study's scores and a function from model name to
    evidence, and returns one measurement per measured model (or the reason why there is none).
    Raises `ValueError` for a claim that a paper's model decides, and no other model, without
    `models`.
    """

    id: str
    statement: str
    source: str
    quantity: str
    region: Region
    decided_by: frozenset[Evidence]
    test: Callable[["pd.DataFrame", Callable[[str], Evidence]], "Sequence[Measured] | NotMeasured"]
    published: Published | None = None
    models: tuple[str, ...] = ()
    kind: Kind = Kind.PAPER

    def __post_init__(self) -> None:
        paper, other = Evidence.PAPER_MODEL, Evidence.OTHER_MODEL
        if paper in self.decided_by and other not in self.decided_by and not self.models:
            raise ValueError(f"claim {self.id}: expected the paper's models that decide it")


@dataclass(frozen=True)
class ModelEvidence:
    """The evidence that each model of the config gives in a study.

    `models` is the config's section of that name. A model is the paper's own where its entry says
    `paper_model_of: {study: "the paper's name for it"}`.
    """

    models: Mapping[str, Mapping[str, Any]]
    study: str

    def __call__(self, model: str) -> Evidence:
        """The kind of evidence that the model `model` of the config gives."""
        if self.models[model]["source"] == "train":
            return Evidence.STAND_IN
        return Evidence.PAPER_MODEL if self.paper_name(model) else Evidence.OTHER_MODEL

    def paper_name(self, model: str | None) -> str | None:
        """The paper's name for a model of the config; None if the paper did not use it."""
        return self.models.get(model or "", {}).get("paper_model_of", {}).get(self.study)


def judge(
    claim: Claim,
    scores: "pd.DataFrame",
    evidence: ModelEvidence,
    figures: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Entries of `claims.json` for one claim: one per measurement, or one with the reason for none.

    `reading` is the verdict of the interval alone; `verdict` equals it only where the evidence can
    decide the claim; `answer` says whether the claim holds for the measured model; `trace` says
    what it was read from. `figures` maps each figure to the claims that it shows. Raises
    `ValueError` for a sampled quantity with an interval of width 0, for a value outside its
    interval, and for a value that is not finite.
    """
    base = {
        "id": claim.id,
        "kind": claim.kind,
        "statement": claim.statement,
        "source": claim.source,
        "quantity": claim.quantity,
        "region": [_finite(claim.region.low), _finite(claim.region.high)],
        "decided_by": sorted(claim.decided_by),
        "models": list(claim.models),
        "published": asdict(claim.published) if claim.published else None,
    }
    with rows_read.noting(scores) as read:
        found = claim.test(scores, evidence)
    places = {
        "figures": trace.showing(figures or {}, claim.id),
        "code": trace.code(evidence.study, claim.id, claim.test),
    }
    if isinstance(found, Sequence) and not found:
        found = NotMeasured("nothing was measured in this run")  # else the claim would disappear
    if isinstance(found, NotMeasured):
        return [
            base
            | {"measured": None, "evidence": None, "reading": None, "answer": None}
            | {"verdict": Verdict.NOT_TESTED, "reason": found.reason}
            | {"trace": trace.of(scores, (), read.rows, None, ()) | places}
        ]
    entries = []
    models = {measured.model for measured in found}
    for measured in found:
        _check(claim, measured)
        reading = _reading(claim, measured)
        reason = measured.reason or _cannot_decide(claim, measured, evidence)
        entries.append(
            base
            | {
                "measured": {
                    "value": measured.value,
                    "ci_low": _finite(measured.ci_low),
                    "ci_high": _finite(measured.ci_high),
                    "exact": measured.exact,
                    "n": measured.n,
                    "units": measured.units,
                    "note": measured.note,
                    "model": measured.model,
                    "condition": measured.condition,
                },
                "evidence": measured.evidence,
                "reading": reading,
                "answer": _answer(measured, reading),
                "verdict": Verdict.NOT_TESTED if reason else reading,
                "reason": reason,
                "trace": trace.of(scores, measured.rows, read.rows, measured.model, models)
                | places,
            }
        )
    return entries


def _check(claim: Claim, measured: Measured) -> None:
    if not math.isfinite(measured.value):
        raise ValueError(
            f"claim {claim.id}: expected a finite value, found {measured.value}; its test should "
            "drop the row or return NotMeasured"
        )
    if (measured.ci_low == measured.ci_high) != measured.exact:
        expected = "one value" if measured.exact else "an interval, or ends that are NaN"
        raise ValueError(
            f"claim {claim.id}: expected {expected} for {'an exact' if measured.exact else 'a'} "
            f"quantity, found [{measured.ci_low}, {measured.ci_high}] ({measured.note})"
        )
    # A rounding error past an end is allowed; an end that is NaN is not compared.
    slack = 1.0e-9 * max(1.0, abs(measured.value))
    if measured.ci_low > measured.value + slack or measured.ci_high < measured.value - slack:
        raise ValueError(
            f"claim {claim.id}: expected an interval around {measured.value}, found "
            f"[{measured.ci_low}, {measured.ci_high}] ({measured.note})"
        )


def _reading(claim: Claim, measured: Measured) -> Verdict:
    """The verdict of the interval alone. One unit of a sampled quantity decides nothing."""
    if measured.n < FEWEST_UNITS and not measured.exact:
        return Verdict.INCONCLUSIVE
    return claim.region.reading(measured.ci_low, measured.ci_high)


def _answer(measured: Measured, reading: Verdict) -> Answer | None:
    """The answer for the model that was measured; None for a stand-in, or where there is none."""
    if measured.evidence not in (Evidence.OTHER_MODEL, Evidence.PAPER_MODEL):
        return None
    return Answer.NOT_MEASURED if measured.reason else ANSWERS[reading]


def _cannot_decide(claim: Claim, measured: Measured, evidence: ModelEvidence) -> str | None:
    """Why this measurement cannot decide the claim; None if it can."""
    if measured.evidence not in claim.decided_by:
        needed = either(claim.decided_by)
        if claim.models and claim.decided_by == PAPER_MODEL:
            needed = " or ".join(claim.models)
        return f"{IN_WORDS[measured.evidence]} cannot decide it; needs {needed}"
    if measured.evidence is Evidence.PAPER_MODEL and claim.models:
        name = evidence.paper_name(measured.model)
        if name not in claim.models:
            return f"it is about {' or '.join(claim.models)}, not about {name or 'several models'}"
    return None


def write(
    path: str | Path,
    claims: Sequence[Claim],
    scores: "pd.DataFrame",
    evidence: ModelEvidence,
    provenance: dict[str, Any] | None = None,
    figures: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Judge every claim and write `claims.json`: {"provenance": …, "claims": […]}.

    `figures` maps each figure of the study to the ids of the claims that it shows. Raises
    `ValueError` for two claims with one id, or as `judge` does.
    """
    ids = [claim.id for claim in claims]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ValueError(f"claims: expected one claim per id, found several: {', '.join(twice)}")
    entries = [entry for claim in claims for entry in judge(claim, scores, evidence, figures)]
    files.write_json(path, {"provenance": provenance or {}, "claims": entries})


def run(
    snakemake: Any,
    all_claims: Callable[..., Sequence[Claim]],
    figures: Mapping[str, Sequence[str]],
) -> None:
    """Run a study's `claims.py` as a job: judge what `all_claims` returns on the study's scores.

    The rule has the input `scores` and the output `claims`; `all_claims` takes the rule's other
    inputs (published tables) and settings by name. `figures` maps each figure to the ids of the
    claims that it shows. `params.models` maps each model of the study to its entry in the config,
    for the evidence that it gives; studies without models omit it.
    """
    from workflow_scripts.shared import provenance, schemas, tables

    with job.running(snakemake):
        study = snakemake.rule.removesuffix("_claims")
        write(
            snakemake.output.claims,
            all_claims(**job.arguments(snakemake, all_claims)),
            tables.read(snakemake.input.scores, schemas.SCORES),
            ModelEvidence(snakemake.params.get("models", {}), study),
            provenance.of(snakemake),
            figures,
        )


def _finite(bound: float) -> float | None:
    """The number, or None (JSON's null) for one that is infinite or NaN."""
    return bound if math.isfinite(bound) else None


def either(kinds: frozenset[Evidence]) -> str:
    """Kinds of evidence in a sentence, joined by `or`."""
    return " or ".join(sorted(IN_WORDS[kind] for kind in kinds))
