"""What the report shows of each claim: its measurements, and the trace of each.

One entry per claim, with one line per measurement. Links to an entry are `#<study>-<id>`.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import pandas as pd

from workflow_scripts.publish import bars, scorecard
from workflow_scripts.publish.scorecard import measured_text, published_text, records
from workflow_scripts.shared import rows_read
from workflow_scripts.shared.claims import Evidence, Kind, Verdict
from workflow_scripts.shared.fingerprint import ROOT

MOST_ROWS = 12  # rows of scores that a line shows; it names the numbers of the others
# Of several measurements of one claim, the first of these stands for it.
ORDER = (Verdict.CONTRADICTED, Verdict.INCONCLUSIVE, Verdict.SUPPORTED, Verdict.NOT_TESTED)
Columns = Mapping[str, Sequence[Any]]  # a table of scores, from which single rows are quickly read
SHOWN = ["metric", "model", "seed", "value", "ci_low", "ci_high", "n", "units", "note"]


def anchor(*names: str) -> str:
    """The address of a part of the report: letters, digits, dots, underscores and hyphens."""
    return "-".join(re.sub(r"[^\w.]+", "-", name).strip("-") for name in names if name)


def claims(
    entries: Mapping[str, Sequence[Mapping[str, Any]]],
    scores: Mapping[str, pd.DataFrame],
    scale: str,
    read: Iterable[tuple[str, str, str]] = (),
) -> list[dict[str, Any]]:
    """All claims, in the order of the studies' `claims.json` (`entries`).

    `scores` holds the studies' tables of scores; `read` the studies, models and experiments whose
    replies have a page.
    """
    plain = {study: [dict(entry) for entry in own] for study, own in entries.items()}
    card = records(scorecard.collect(plain, scale))
    flat = [(study, entry) for study, own in entries.items() for entry in own]
    pages = set(read)
    grouped: dict[tuple[str, str], list[tuple[Mapping[str, Any], dict[str, Any]]]] = {}
    for (study, entry), row in zip(flat, card, strict=True):
        grouped.setdefault((study, entry["id"]), []).append((entry, row))
    columns = {
        study: {str(name): table[name].tolist() for name in table}
        for study, table in scores.items()
    }
    return [
        _claim(study, claim, lines, columns[study], pages)
        for (study, claim), lines in grouped.items()
    ]


def _claim(
    study: str,
    claim: str,
    lines: list[tuple[Mapping[str, Any], dict[str, Any]]],
    scores: Columns,
    pages: set[tuple[str, str, str]],
) -> dict[str, Any]:
    first, row = lines[0]
    across = bars.axis([entry for entry, _ in lines])
    shown = [_line(study, claim, *line, across, scores, pages) for line in lines]
    verdicts = {line["verdict"] for line in shown}
    return {
        "anchor": anchor(study, claim),
        "study": study,
        "id": claim,
        "kind": str(first["kind"]),
        "of_paper": first["kind"] == Kind.PAPER,
        "statement": first["statement"],
        "source": first["source"],
        "quantity": first["quantity"],
        "region": region(first["region"]),
        "needs": "; ".join(first["models"]) or " or ".join(first["decided_by"]),
        "published": published_text(row),
        "published_source": row["published_source"],
        "figures": list(first["trace"]["figures"]),
        "code": [place | {"name": _name(place)} for place in first["trace"]["code"]],
        "command": f"snakemake results/{study}/claims.json --forcerun {study}_claims",
        "verdict": next(str(each) for each in ORDER if each in verdicts),
        "lines": shown,
        "distance": max((line["distance"] for line in shown), default=-1.0),
    }


def _line(
    study: str,
    claim: str,
    entry: Mapping[str, Any],
    row: Mapping[str, Any],
    across: bars.Axis | None,
    scores: Columns,
    pages: set[tuple[str, str, str]],
) -> dict[str, Any]:
    trace = entry["trace"]
    numbers = rows_read.numbers(trace["rows"])
    every = [*numbers, *rows_read.numbers(trace["also_read"])]
    experiments = list(dict.fromkeys(scores["experiment"][row] for row in every))
    model = row["model"] or ""
    return {
        "anchor": anchor(study, claim, model, row["condition"] or ""),
        "measured": measured_text(row),
        "bar": bars.bar(entry, across) if across and entry["measured"] else "",
        "model": model,
        "condition": row["condition"] or "",
        "evidence": str(entry["evidence"] or ""),
        "stand_in": entry["evidence"] == Evidence.STAND_IN,
        "verdict": str(entry["verdict"]),
        "answer": str(entry["answer"] or ""),
        "reading": str(entry["reading"] or ""),
        "reason": entry["reason"] or "",
        "note": row["note"] or "",
        "metrics": trace["metrics"],
        "rows": table(scores, numbers[:MOST_ROWS]),
        "row_numbers": ranges_text(trace["rows"]),
        "also": _also(scores, trace["also_read"]),
        "also_numbers": ranges_text(trace["also_read"]),
        "replies": [
            {"experiment": each, "anchor": anchor("replies", study, model, each)}
            for each in experiments
            if (study, model, each) in pages
        ],
        "distance": distance(entry),
    }


def table(scores: Columns, numbers: Sequence[int]) -> dict[str, Any] | None:
    """Some rows of scores, with the columns that are not empty there; None without rows."""
    if not numbers:
        return None
    others = [name for name in scores if name not in (*SHOWN, "experiment", "exact")]
    cells = {
        name: [_cell(scores[name][number]) for number in numbers]
        for name in ("experiment", *others, *SHOWN)
    }
    heads = [name for name, column in cells.items() if name == "experiment" or any(column)]
    lines = zip(*(cells[name] for name in heads), strict=True)
    return {
        "heads": ["row", *heads],
        "cells": [[str(n), *line] for n, line in zip(numbers, lines, strict=True)],
    }


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _also(scores: Columns, found: rows_read.Ranges) -> list[str]:
    """The further rows that a claim's test read, counted by experiment and metric."""
    rows = rows_read.numbers(found)
    counts = Counter((scores["experiment"][row], scores["metric"][row]) for row in rows)
    return [f"{experiment} {metric} ({count})" for (experiment, metric), count in counts.items()]


def ranges_text(found: rows_read.Ranges) -> str:
    """Row numbers as text: "3, 7 to 12"."""
    return ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in found)


def region(ends: Sequence[float | None]) -> str:
    """Where the measured quantity must lie for the claim to hold, in words."""
    low, high = ends
    if low is None and high is None:
        return "any value"
    if high is None:
        return "above 0" if low == 1.0e-9 else f"at least {low:g}"
    if low is None:
        return "below 0" if high == -1.0e-9 else f"at most {high:g}"
    return f"exactly {low:g}" if low == high else f"{low:g} to {high:g}"


def distance(entry: Mapping[str, Any]) -> float:
    """How far the measured value is from the published number, from 0 to 2; -1 where unknown.

    Their difference over the larger of the two, without signs. It is 0 where the interval contains
    the published number, and unknown for a published 0, such as the number of counterexamples.
    """
    published, found = bars.number(entry), entry["measured"]
    if not published or found is None:
        return -1.0
    low, high = found["ci_low"], found["ci_high"]
    if low is None or high is None or low <= published <= high:
        return 0.0
    largest = max(abs(published), abs(found["value"]))
    return abs(found["value"] - published) / largest


def _name(place: Mapping[str, Any]) -> str:
    """A place as `file:line`, as editors read it."""
    return f"{place['file']}:{place['first']}"


def source(place: Mapping[str, Any]) -> str:
    """The lines of a place: a function, or the expression that writes a claim down."""
    path = ROOT / place["file"]
    if not path.is_file():
        return ""
    lines, blocks = _parsed(str(path))
    first, last = place["first"], place["last"]
    if not place["function"]:
        around = [block for block in blocks if block[0] <= first and last <= block[1]]
        first, last = max(around, default=(first, last))
    return "\n".join(lines[first - 1 : last])


@cache
def _parsed(path: str) -> tuple[list[str], list[tuple[int, int]]]:
    """The lines of a module, and the first and last lines of its calls and tuples."""
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    tree = ast.parse(text if path.endswith(".py") else "")  # a Snakefile is not Python
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Call | ast.Tuple))
    return text.splitlines(), [(node.lineno, node.end_lineno or node.lineno) for node in nodes]
