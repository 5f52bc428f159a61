"""From scores to measurements of claims: one function per quantity.

`run` is the protocol of the run's decoders. Statements about sizes are measured per role of a size:
interpolation, trained, extrapolation.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import EvidenceOf, Found, measured, select
from workflow_scripts.shared.protocol import Protocol
from workflow_scripts.transnar.arm_names import model_of
from workflow_scripts.transnar.contrasts import Pairs, pretrained

ROLES = ("interpolation", "trained", "extrapolation")
BEYOND = ("interpolation", "extrapolation")
WHOLE: dict[str, Any] = {"algorithm": "all", "family": "all"}
AS_TRAINED: dict[str, Any] = {"experiment": "E1", "inference": "plain", "form": "free"}
VERSUS: dict[str, Any] = {"arm": "hybrid", "other": "text", **AS_TRAINED}
GAIN: dict[str, Any] = {"metric": "clrs_score_difference", **VERSUS}
PUBLISHED_STEPS = 10_000  # of a reasoner, per algorithm (Ibarz et al. 2022)
DUST = 1.0e-12

pick = partial(select, seeds="pooled", undefined="drop")


def _number(row: pd.Series, run: Protocol, note: str, condition: str, **more: Any) -> Measured:
    """One row as a measurement; the note names what the run reduced."""
    reduced = f"reduced: {run.reduced}" if run.reduced else ""
    text = "; ".join(part for part in (note, reduced) if part)
    return measured(row, run.evidence, text, condition=condition, **more)


def _size(row: pd.Series) -> str:
    return f"{row['nodes']} nodes, {row['role']}"


def _per_size(
    rows: pd.DataFrame, roles: Sequence[str], run: Protocol, note: str, what: str = ""
) -> list[Measured]:
    """One measurement per row at the sizes of these roles, in this order; `what` it is about."""
    return [
        _number(row, run, note, ", ".join(filter(None, (what, _size(row)))))
        for role in roles
        for _, row in rows[rows["role"] == role].iterrows()
    ]


def _levels(scores: pd.DataFrame, row: pd.Series, metric: str) -> list[float]:
    """The scores whose difference a row is."""
    place = {name: row[name] for name in ("algorithm", "family", "nodes", "form")}
    other = str(row["other"])
    if other == "plain":
        ways = [(row["arm"], row["inference"]), (row["arm"], "plain")]
    else:
        ways = [(row["arm"], row["inference"]), (other, row["inference"])]
    found = [
        pick(scores, experiment="E1", metric=metric, arm=arm, inference=way, **place)
        for arm, way in ways
    ]
    return [float(rows["value"].iloc[0]) for rows in found if len(rows)]


def _saturated(scores: pd.DataFrame, row: pd.Series, metric: str) -> str | None:
    """Why a difference of two scores at 0 or at 1 measures nothing; None elsewhere."""
    levels = _levels(scores, row, metric)
    if len(levels) < 2:
        return None
    if max(levels) <= DUST:
        return "both are at 0 on all prompts: no difference can be measured"
    if min(levels) >= 1 - DUST:
        return "both are at 1 on all prompts: no difference can be measured"
    return None


def _differences(
    scores: pd.DataFrame,
    rows: pd.DataFrame,
    roles: Sequence[str],
    run: Protocol,
    metric: str,
    what: str,
) -> list[Measured]:
    """One measurement per difference at the sizes of these roles."""
    return [
        _number(row, run, "", f"{what}, {_size(row)}", reason=_saturated(scores, row, metric))
        for role in roles
        for _, row in rows[rows["role"] == role].iterrows()
    ]


def gain(
    run: Protocol,
    metric: str,
    pairs: Pairs,
    scores: pd.DataFrame,
    _: EvidenceOf,
    roles: Sequence[str] = BEYOND,
) -> Found:
    """The first arm minus the second of each pair, free answers, all algorithms, per size."""
    found: list[Measured] = []
    rows = pick(scores, **AS_TRAINED | WHOLE, metric=f"{metric}_difference")
    for arm, other in pairs:
        own = pick(rows, arm=arm, other=other)
        found += _differences(scores, own, roles, run, metric, f"{arm} minus {other}")
    known = set(scores["arm"])
    lacking = dict.fromkeys(arm for pair in pairs for arm in pair if arm not in known)
    return found or NotMeasured(f"not in this run: {', '.join(lacking)}; add to transnar.arms")


def pretrained_gain(run: Protocol, scores: pd.DataFrame, evidence: EvidenceOf) -> Found:
    """Hybrid minus text on each pretrained model, free answers, all algorithms, per untrained size.

    The paper's own model decides by the paper's protocol only.
    """
    found: list[Measured] = []
    rows = pick(scores, **AS_TRAINED | WHOLE, metric="clrs_score_difference")
    for arm, other in pretrained(scores["arm"].dropna()):
        model = str(model_of(arm))
        kind = evidence(model)
        if kind is Evidence.PAPER_MODEL and run.reduced:
            kind = Evidence.REDUCED
        own = pick(rows, arm=arm, other=other)
        found += [
            replace(one, model=model, evidence=kind)
            for one in _differences(scores, own, BEYOND, run, "clrs_score", f"{arm} minus {other}")
        ]
    return found or NotMeasured(
        "no pretrained decoder was trained; name a model in transnar.pretrained.models (a "
        "substitute: MassiveText, on which the paper's was pretrained, is not public)"
    )


def inference_change(
    run: Protocol,
    inference: str,
    scores: pd.DataFrame,
    _: EvidenceOf,
    arm: str = "hybrid",
    form: str = "given",
    roles: Sequence[str] = ROLES,
) -> Found:
    """The change of the CLRS score if the same trained decoders run differently at inference."""
    wanted = WHOLE | {"experiment": "E1", "metric": "clrs_score_difference", "form": form}
    rows = pick(scores, **wanted, arm=arm, other="plain", inference=inference)
    what = f"{arm}, {inference} minus plain"
    found = _differences(scores, rows, roles, run, "clrs_score", what)
    return found or NotMeasured(f"arm {arm} was not run with inference {inference}")


def several_families(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The third largest gain of a family at the shorter untrained size."""
    gains = pick(scores, **GAIN, role="interpolation", algorithm="all")
    gains = gains[gains["family"] != "all"]
    rows = pick(scores, **VERSUS, metric="gain_of_several")
    if rows.empty:
        return NotMeasured(f"{len(gains)} of 8 families are in this run; needs at least 3")
    above = int((gains["value"] > 0.2).sum())
    return _per_size(rows, BEYOND, run, f"{above} of {len(gains)} families above 0.2")


def better(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The gain that more than half of the algorithms reach, per size."""
    rows = pick(scores, **VERSUS, metric="gain_of_most")
    gains = pick(scores, **GAIN)
    gains = gains[gains["algorithm"] != "all"]
    found = []
    for role in ROLES:
        own = gains[gains["role"] == role]
        note = f"a gain on {int((own['value'] > 0).sum())} of {len(own)} algorithms"
        found += _per_size(rows, (role,), run, note)
    return found or NotMeasured("arms text and hybrid are not both in this run")


def gain_by_size(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The gain at each untrained size minus the gain at the trained one."""
    rows = pick(scores, **VERSUS, metric="gain_less_trained")
    found = _per_size(rows, BEYOND, run, "")
    return found or NotMeasured("the trained and another size are not both in this run")


def level_inside(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The score that more than half of the algorithms reach at the trained size, per arm."""
    found: list[Measured] = []
    for arm in ("text", "hybrid"):
        rows = pick(scores, **AS_TRAINED, metric="score_of_most", arm=arm)
        found += _per_size(rows, ("trained",), run, "", arm)
    return found or NotMeasured("the trained size is not in this run")


def parse(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Parse scores of both arms, per size."""
    found: list[Measured] = []
    for arm in ("text", "hybrid"):
        rows = pick(scores, **AS_TRAINED | WHOLE, metric="parse_score", arm=arm)
        found += _per_size(rows, ROLES, run, "", arm)
    return found or NotMeasured("arms text and hybrid are not in this run")


def least_parse_gain(run: Protocol, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Parse score, hybrid minus text, of the algorithm where it is least, at the longer size."""
    rows = pick(scores, **VERSUS, metric="least_parse_gain")
    found = _per_size(rows, BEYOND, run, "")
    return found or NotMeasured("arms text and hybrid are not both in this run")


def _of_algorithms(
    algorithms: Sequence[str],
    known: Sequence[str],
    measure: Callable[[str], list[Measured]],
) -> Found:
    """The measurements of several algorithms, if the run has them all; `known` are the run's."""
    lacking = [name for name in algorithms if name not in known]
    if lacking:
        return NotMeasured(f"not in this run: {', '.join(lacking)}")
    found = [one for algorithm in algorithms for one in measure(algorithm)]
    return found or NotMeasured("none of these algorithms is in this run")


def gains_of(
    run: Protocol,
    algorithms: Sequence[str],
    known: Sequence[str],
    scores: pd.DataFrame,
    _: EvidenceOf,
) -> Found:
    """Hybrid minus text on some algorithms, at untrained sizes; `known` are those of the run."""

    def of(algorithm: str) -> list[Measured]:
        rows = pick(scores, **GAIN, algorithm=algorithm)
        return _differences(scores, rows, BEYOND, run, "clrs_score", algorithm)

    return _of_algorithms(algorithms, known, of)


def where_text_fails(
    run: Protocol,
    algorithms: Sequence[str],
    known: Sequence[str],
    scores: pd.DataFrame,
    _: EvidenceOf,
) -> Found:
    """The smaller of 0.1 minus the text score and the hybrid score minus 0.3, shorter size."""

    def of(algorithm: str) -> list[Measured]:
        rows = pick(scores, **VERSUS, metric="margin_where_text_fails", algorithm=algorithm)
        levels = [
            pick(scores, **AS_TRAINED, metric="clrs_score", algorithm=algorithm, arm=arm)
            for arm in ("text", "hybrid")
        ]
        text, hybrid = (float(pick(own, role="interpolation")["value"].mean()) for own in levels)
        note = f"text {text:.3f}, hybrid {hybrid:.3f}"
        return _per_size(rows, BEYOND, run, note, algorithm)

    return _of_algorithms(algorithms, known, of)


def reasoners(
    run: Callable[[str, str], Protocol], training: str, scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Our reasoners minus the published ones at 64 nodes (80 for strings).

    `run` gives the protocol of an entry of `clrs.reasoners` and a kind of training.
    """
    trained = pick(scores, experiment="reasoner", metric="score", training=training)
    rows = pick(scores, experiment="reasoner", metric="score_less_published", training=training)
    if trained.empty:
        return NotMeasured(f"no {training} reasoner was trained in this run")
    if rows.empty:
        return NotMeasured("no test set has 64 nodes (80 for strings); add 64 to clrs.data.test")
    found = []
    for _place, row in rows.iterrows():
        protocol = run(str(row["arm"]), training)
        few = None if row["n"] > 1 else "one training has no interval; raise clrs.train.seeds"
        condition = f"{row['algorithm']}, {row['nodes']} nodes"
        found.append(_number(row, protocol, "", condition, reason=few))
    return found
