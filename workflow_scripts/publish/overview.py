"""The first page of the report: what ran, what it found, and where it is weak."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.publish import answers, machine
from workflow_scripts.publish.scorecard import records
from workflow_scripts.shared import job
from workflow_scripts.shared.claims import Answer, Verdict

MOST_DIFFERENT = 5
UNREAD = 0.1  # share of replies from which an experiment is weak
FEW_SEEDS = 5
SIGNS = {"supported": "+", "contradicted": "–", "inconclusive": "?", "not tested": ""}


def machine_facts() -> dict[str, str]:
    """The machine that writes the report, in words."""
    found = machine.hardware()
    processor = f"{found['cores']} cores" + (
        f", {found['processor']}" if found["processor"] else ""
    )
    return {
        "machine": f"{processor}, {found['memory_gib']:g} GiB, {found['system']}",
        "GPUs": "; ".join(found["gpus"]) or "none",
    }


def spent_time(logs: Path) -> dict[str, str]:
    """CPU time of the jobs and the largest of their peak memories, from the ends of their logs."""
    usage = [found for path in logs.rglob("*.log") if (found := job.measured(path))]
    if not usage:
        return {}
    cpu_s = sum(each["cpu_s"] for each in usage)
    peak_mb = max(each["max_rss_mb"] for each in usage)
    return {
        "time": f"{duration(cpu_s)} of CPU in {len(usage)} jobs",
        "memory": f"{peak_mb / 1024:.1f} GiB in the largest job",
    }


def duration(seconds: float) -> str:
    """A time in words, in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def models(config: Mapping[str, Any], cost: pd.DataFrame) -> list[dict[str, str]]:
    """One line per model of the run: what it is, and what it was asked.

    `cost` is `spent.table` of every model, with the column `model`.
    """
    listed = [name for names in config["studies"].values() for name in names or ()]
    found = []
    for name in dict.fromkeys(listed):
        spec, own = config["models"][name], cost[cost["model"] == name]
        trained = spec["source"] == "train"
        said = {
            "model": name,
            "what": "stand-in, trained by this run" if trained else answers.named_source(spec),
        }
        for column in ("prompts", "replies", "prompt_tokens", "completion_tokens"):
            total = own[column].sum(min_count=1)
            said[column] = "–" if pd.isna(total) else f"{int(total):,}"
        found.append(said)
    return found


def strips(claims: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One strip per study with one cell per claim of its paper, and the counts by verdict."""
    found = []
    for study in dict.fromkeys(claim["study"] for claim in claims):
        own = [claim for claim in claims if claim["study"] == study and claim["of_paper"]]
        cells = [
            {
                "anchor": claim["anchor"],
                "state": claim["verdict"],
                "sign": SIGNS[claim["verdict"]],
                "title": f"{claim['id']}, {claim['verdict']}: {claim['statement']}",
            }
            for claim in own
        ]
        found.append({"study": study, "cells": cells, "counts": counts(own)})
    return found


def counts(claims: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Number of claims per verdict."""
    tally = Counter(claim["verdict"] for claim in claims)
    return {str(verdict): tally[str(verdict)] for verdict in Verdict}


def by_model(claims: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """For each model that the workflow did not train: one strip per study, of its answers."""
    found = []
    for name in names:
        rows = []
        for study in dict.fromkeys(claim["study"] for claim in claims):
            cells = []
            for claim in (each for each in claims if each["study"] == study and each["of_paper"]):
                given = {line["answer"] for line in claim["lines"] if line["model"] == name}
                if answer := next((str(a) for a in answers.ORDER if a in given), None):
                    cells.append(_answered(claim, answer))
            if cells:
                rows.append({"study": study, "cells": cells})
        tally = Counter(cell["state"] for row in rows for cell in row["cells"])
        found.append(
            {"model": name, "rows": rows, "counts": {str(a): tally[str(a)] for a in Answer}}
        )
    return found


def _answered(claim: Mapping[str, Any], answer: str) -> dict[str, str]:
    return {
        "anchor": claim["anchor"],
        "state": answer,
        "sign": answers.LOOKS[Answer(answer)][1],
        "title": f"{claim['id']}, {answer}: {claim['statement']}",
    }


def most_different(claims: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The claims of papers whose measured value is furthest from the published number.

    Stand-ins are left out: they are no models of the papers. So is a measurement whose interval
    contains the published number.
    """
    found = [
        {"claim": claim, "line": line}
        for claim in claims
        if claim["of_paper"]
        for line in claim["lines"]
        if line["distance"] > 0 and not line["stand_in"]
    ]
    found.sort(key=lambda pair: -pair["line"]["distance"])
    once = {pair["claim"]["anchor"]: pair for pair in reversed(found)}
    return sorted(once.values(), key=lambda pair: -pair["line"]["distance"])[:MOST_DIFFERENT]


def weak_spots(
    entries: Mapping[str, Sequence[Mapping[str, Any]]], cost: pd.DataFrame, left_out: Sequence[str]
) -> list[str]:
    """Where the run cannot be relied on, one sentence each: replies, seeds, claims not tested."""
    said = []
    lost = cost[cost["unread"] > UNREAD]
    for (model, study), rows in lost.groupby(["model", "study"], sort=False):
        every = cost[(cost["model"] == model) & (cost["study"] == study) & cost["unread"].notna()]
        worst = records(rows.sort_values("unread", ascending=False))[0]
        said.append(
            f"{model} in {study}: more than {UNREAD:.0%} of the replies could not be read in "
            f"{len(rows)} of {len(every)} experiments (most in {worst['experiment']}: "
            f"{worst['unread']:.0%})."
        )
    measured = [
        (study, entry) for study, own in entries.items() for entry in own if entry["measured"]
    ]
    few = Counter(
        study
        for study, entry in measured
        if entry["measured"]["units"] in ("seeds", "heads")
        and not entry["measured"]["exact"]
        and entry["measured"]["n"] < FEW_SEEDS
    )
    if few:
        told = ", ".join(f"{study} {count}" for study, count in few.items())
        said.append(f"Measurements over fewer than {FEW_SEEDS} seeds: {told}.")
    open_ended = Counter(
        study
        for study, entry in measured
        if entry["measured"]["ci_low"] is None and entry["measured"]["ci_high"] is None
    )
    if open_ended:
        told = ", ".join(f"{study} {count}" for study, count in open_ended.items())
        said.append(f"Measurements without an interval, which decide nothing: {told}.")
    said += _untested(entries)
    if left_out:
        said.append(f"Studies that are not part of this run: {', '.join(left_out)}.")
    return said


def _untested(entries: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """How many measurements decide nothing because of their evidence, and how many are missing."""
    kinds: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for study, own in entries.items():
        for entry in own:
            if entry["verdict"] != Verdict.NOT_TESTED:
                continue
            if entry["measured"] is None:
                missing[study] += 1
            elif entry["evidence"] not in entry["decided_by"]:
                kinds[str(entry["evidence"])] += 1
    said = []
    if kinds:
        told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        said.append(
            f"Measurements that decide nothing because the claim needs other evidence: {told}."
        )
    if missing:
        told = ", ".join(f"{study} {count}" for study, count in missing.items())
        said.append(f"Claims without any measurement in this run: {told}.")
    return said
