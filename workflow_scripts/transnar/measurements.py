"""What the scores say about each claim: one function measures one quantity."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.readings import EvidenceOf, Found, measured, select
from workflow_scripts.transnar.contrasts import Pairs

ALL = {"algorithm": "all", "family": "all"}
ROLES = ("interpolation", "trained", "extrapolation")
BEYOND = ("interpolation", "extrapolation")
EDGE = 1e-9
PUBLISHED_STEPS = 10_000  # of a single-task reasoner (Ibarz et al. 2022)


def _evidence(paper_like: bool) -> Evidence:
    return Evidence.PROTOCOL if paper_like else Evidence.STAND_IN


def gain(
    paper_like: bool,
    metric: str,
    other: str,
    scores: pd.DataFrame,
    _: EvidenceOf,
    arm: str = "hybrid",
    form: str = "free",
    roles: Sequence[str] = BEYOND,
) -> Found:
    """An arm less another one, means over all algorithms, one entry for each size."""
    found = []
    for role in roles:
        wanted = ALL | {"experiment": "E1", "metric": f"{metric}_difference", "form": form}
        rows = select(scores, **wanted, arm=arm, other=other, reading="plain", role=role)
        for _place, row in rows.iterrows():
            shape = "" if form == "free" else ", shape given"
            note = f"{arm} less {other}, {row['nodes']} nodes ({role}){shape}"
            found.append(measured(row, _evidence(paper_like), note))
    return found or NotMeasured(f"arms {arm} and {other} are not both in this run")


def apart(
    paper_like: bool,
    pairs: Pairs,
    scores: pd.DataFrame,
    evidence_of: EvidenceOf,
    roles: Sequence[str] = BEYOND,
) -> Found:
    """The first arm less the second of each pair, CLRS score of free answers, for each size."""
    found: list[Measured] = []
    for arm, other in pairs:
        own = gain(paper_like, "clrs_score", other, scores, evidence_of, arm=arm, roles=roles)
        found += [] if isinstance(own, NotMeasured) else own
    known = set(scores["arm"])
    lacking = dict.fromkeys(arm for pair in pairs for arm in pair if arm not in known)
    return found or NotMeasured(
        f"not in this run: {', '.join(lacking)}; trained in the paper preset only, for each takes "
        "as long as any other arm"
    )


def reading_change(
    paper_like: bool,
    reading: str,
    scores: pd.DataFrame,
    _: EvidenceOf,
    arm: str = "hybrid",
    form: str = "given",
    roles: Sequence[str] = ROLES,
) -> Found:
    """What another way of reading the same trained decoders changes, CLRS score."""
    found = []
    for role in roles:
        wanted = ALL | {"experiment": "E1", "metric": "clrs_score_difference", "form": form}
        rows = select(scores, **wanted, arm=arm, other="plain", reading=reading, role=role)
        for _place, row in rows.iterrows():
            note = f"{arm}, {reading} less plain, {row['nodes']} nodes ({role})"
            found.append(measured(row, _evidence(paper_like), note))
    return found or NotMeasured(f"no {reading} reading of arm {arm} in this run")


def families(paper_like: bool, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Families whose gain at the shorter unseen size is above 20 points, with certainty."""
    rows = select(
        scores, experiment="E1", metric="clrs_score_difference", arm="hybrid", other="text",
        reading="plain", form="free", role="interpolation", algorithm="all",
    )  # fmt: skip
    rows = rows[rows["family"] != "all"]
    if rows.empty:
        return NotMeasured("no gain by family in this run")
    sure, may = (rows["ci_low"] > 0.2).sum(), (rows["ci_high"] > 0.2).sum()
    above = float((rows["value"] > 0.2).sum())
    note = f"of {len(rows)} families"
    return [Measured(above, float(sure), float(may), len(rows), _evidence(paper_like), note)]


def better(paper_like: bool, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of algorithms on which the hybrid is above the text model, at each size."""
    found = []
    for role in ROLES:
        rows = select(
            scores, experiment="E1", metric="clrs_score_difference", arm="hybrid", other="text",
            reading="plain", form="free", role=role,
        )  # fmt: skip
        rows = rows[rows["algorithm"] != "all"]
        if rows.empty:
            continue
        sure, may = (rows["ci_low"] > 0).mean(), (rows["ci_high"] > 0).mean()
        value, note = (rows["value"] > 0).mean(), f"of {len(rows)} algorithms, {role}"
        low, high = min(sure, value), max(may, value)
        found.append(Measured(float(value), low, high, len(rows), _evidence(paper_like), note))
    return found or NotMeasured("arms text and hybrid are not both in this run")


def loss(paper_like: bool, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """How much less the hybrid loses from the trained size to the longer one."""
    rows = select(scores, experiment="E1", metric="loss_difference", form="free")
    if rows.empty:
        return NotMeasured("the trained and the longer size are not both in this run")
    return [measured(rows.iloc[0], _evidence(paper_like), "loss of the text model less hybrid's")]


def parse(paper_like: bool, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Parse score of the hybrid, at each size."""
    found = []
    for role in ROLES:
        rows = select(
            scores, **ALL, experiment="E1", metric="parse_score", arm="hybrid", reading="plain",
            form="free", role=role,
        )  # fmt: skip
        for _place, row in rows.iterrows():
            note = f"hybrid, {row['nodes']} nodes ({role})"
            found.append(measured(row, _evidence(paper_like), note))
    return found or NotMeasured("arm hybrid is not in this run")


def reasoners(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Our reasoners less the published ones, at the published test size and steps or fewer."""
    rows = select(scores, experiment="reasoner", metric="score_less_published")
    found = []
    for _place, row in rows.iterrows():
        evidence = _evidence(row["steps"] >= PUBLISHED_STEPS)
        steps = f"{row['steps']:,} of {PUBLISHED_STEPS:,} steps"
        note = f"{row['algorithm']}, {row['nodes']} nodes, {steps}"
        found.append(measured(row, evidence, note))
    return found or NotMeasured("no reasoner was trained in this run")


def on(algorithms: Sequence[str], known: Sequence[str], test: Any) -> Any:
    """`test` where the run has these algorithms, else a reason."""
    lacking = [name for name in algorithms if name not in known]
    if not lacking:
        return test
    return partial(_lacking, f"not in this run: {', '.join(lacking)}")


def _lacking(reason: str, *_: Any) -> Found:
    return NotMeasured(reason)


def gains_of(
    paper_like: bool, algorithms: Sequence[str], scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Hybrid less text on some algorithms, at the sizes that were not trained."""
    found = []
    for algorithm in algorithms:
        for role in BEYOND:
            rows = select(
                scores, experiment="E1", metric="clrs_score_difference", arm="hybrid",
                other="text", reading="plain", form="free", role=role, algorithm=algorithm,
            )  # fmt: skip
            for _place, row in rows.iterrows():
                note = f"{algorithm}, {row['nodes']} nodes ({role})"
                found.append(measured(row, _evidence(paper_like), note))
    return found or NotMeasured("none of these algorithms is in this run")
