"""Samples of replies for the report: one page per study, model and experiment."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workflow_scripts.publish.claim_view import anchor
from workflow_scripts.shared import schemas, tables

SHOWN, SHOWN_FAILURES = 8, 4  # replies on a page, and failures among them
LONGEST = 1500  # characters of a prompt or reply that a page shows


def pages(
    asked: Sequence[Mapping[str, Any]], readable: Sequence[str], cost: pd.DataFrame
) -> list[dict[str, Any]]:
    """One page per study, model and experiment with replies.

    `readable` are the tables that `publish_replies` writes, in the order of `asked`; `cost` is
    `spent.table` of every model, with the column `model`.
    """
    found = []
    for entry, path in zip(asked, readable, strict=True):
        frame = tables.read(path, schemas.READINGS)
        for experiment, rows in frame.groupby("experiment", sort=True):
            found.append(_page(entry["study"], entry["model"], str(experiment), rows, path, cost))
    return found


def _page(
    study: str, model: str, experiment: str, rows: pd.DataFrame, path: str, cost: pd.DataFrame
) -> dict[str, Any]:
    failed = rows["failure"] != ""
    counted = rows["failure"][failed].value_counts()
    known = cost[
        (cost["study"] == study) & (cost["model"] == model) & (cost["experiment"] == experiment)
    ]
    return {
        "anchor": anchor("replies", study, model, experiment),
        "study": study,
        "model": model,
        "experiment": experiment,
        "replies": len(rows),
        "failed": int(failed.sum()),
        "cut_off": _share(known["cut_off"]),
        "failures": [f"{reason} ({count})" for reason, count in counted.items()],
        "file": path.removeprefix("results/"),
        "samples": [
            {name: clipped(str(value)) for name, value in row.items()}
            for row in sample(rows).to_dict("records")
        ],
    }


def _share(values: "pd.Series[float]") -> str:
    return f"{values.iloc[0]:.1%}" if len(values) and pd.notna(values.iloc[0]) else ""


def sample(rows: pd.DataFrame) -> pd.DataFrame:
    """Some of the replies, spread evenly over the table: failures first, then those that were read.

    No drawing of numbers: the same replies give the same page.
    """
    failed = rows["failure"] != ""
    bad = _spread(rows[failed], SHOWN_FAILURES)
    return pd.concat([bad, _spread(rows[~failed], SHOWN - len(bad))])


def _spread(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    if len(rows) <= count:
        return rows
    return rows.iloc[[place * len(rows) // count for place in range(count)]]


def clipped(text: str) -> str:
    """The text up to `LONGEST` characters, with the number of those left out."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters in the table)"
