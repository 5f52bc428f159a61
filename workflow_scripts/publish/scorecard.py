"""Every claim of every study with its published and measured values: Parquet and Markdown."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from workflow_scripts.shared import files, job, provenance, tables
from workflow_scripts.shared.claims import Evidence, Kind, Verdict
from workflow_scripts.shared.fingerprint import ROOT

SCHEMA = ROOT / "schemas" / "claims.schema.yaml"
TEMPLATES = ROOT / "resources" / "templates"
VERDICTS = [str(verdict) for verdict in Verdict]
MODEL_EVIDENCE = {Evidence.OTHER_MODEL, Evidence.PAPER_MODEL}
PLURALS = {"control": "controls", "misreading": "misreadings", "extension": "extensions"}
PLURALS |= {"claim": "claims", "ours": "claims of our own", "erratum": "errata"}


class ClaimsError(ValueError):
    """A claims file that does not fit its schema; the message names file and claim."""


def read_claims(path: str | Path) -> list[dict[str, Any]]:
    """The entries of one study's `claims.json`, checked against `schemas/claims.schema.yaml`.

    Raises `ClaimsError` naming the file, the claim and what does not fit.
    """
    from jsonschema import Draft202012Validator

    content = files.read_json(path)
    validator = Draft202012Validator(yaml.safe_load(SCHEMA.read_text(encoding="utf-8")))
    for error in validator.iter_errors(content):
        place = list(error.absolute_path)
        claim = ""
        if len(place) > 1 and place[0] == "claims":
            claim = f", claim {content['claims'][place[1]].get('id', f'number {place[1]}')}"
        key = ".".join(map(str, place[2:])) or "file"
        raise ClaimsError(f"{path}{claim}: {key}: {error.message}; delete it and run again")
    return content["claims"]


def collect(claims: Mapping[str, list[dict[str, Any]]], scale: str) -> pd.DataFrame:
    """One row per measurement (one for a claim without any), in the order of the studies."""
    rows = [_row(study, entry, scale) for study, entries in claims.items() for entry in entries]
    columns = list(_row("", _EMPTY, ""))
    return pd.DataFrame(rows, columns=columns)


def markdown(scorecard: pd.DataFrame, left_out: Sequence[str] = ()) -> str:
    """The scorecard as Markdown: counts, then one table per study, then what our instruments found.

    `left_out` are the studies that are not part of the run.
    """
    scale = ", ".join(scorecard["scale"].unique())
    lines = ["# Scorecard", "", f"Scale: **{scale}**. {_note(left_out)}", ""]
    lines += ["| study | claims | " + " | ".join(VERDICTS) + " |"]
    lines += ["|---" * (2 + len(VERDICTS)) + "|"]
    for name, number, counts in counted(scorecard):
        numbers = " | ".join(str(counts[verdict]) for verdict in VERDICTS)
        lines.append(f"| {name} | {number} | {numbers} |")
    ours = scorecard["kind"] == Kind.OURS
    for study, rows in scorecard[~ours].groupby("study", sort=False):
        lines += ["", f"## {study}", "", *_table(rows)]
    if ours.any():
        lines += ["", "## Ours", "", OURS]
    for study, rows in scorecard[ours].groupby("study", sort=False):
        lines += ["", f"### {study}: ours", "", *_table(rows)]
    return "\n".join(lines) + "\n"


def _table(rows: pd.DataFrame) -> list[str]:
    head = ["| claim | published | measured | evidence | verdict |", "|---|---|---|---|---|"]
    return head + [_markdown_line(row) for row in records(rows)]


def counted(scorecard: pd.DataFrame) -> list[tuple[str, int, dict[str, int]]]:
    """Name, number of claims and number of measurements per verdict.

    One entry per study for the claims of its paper; then one for each other kind, over all studies.
    """
    papers = scorecard[scorecard["kind"] == Kind.PAPER]
    entries = [
        (str(study), int(own["id"].nunique()), tally(own))
        for study in scorecard["study"].unique()
        for own in [papers[papers["study"] == study]]
    ]
    for kind, rows in scorecard[scorecard["kind"] != Kind.PAPER].groupby("kind", sort=False):
        number = len(rows[["study", "id"]].drop_duplicates())
        entries.append((f"all studies: {PLURALS[str(kind)]}", number, tally(rows)))
    return entries


def tally(rows: pd.DataFrame) -> dict[str, int]:
    """Number of measurements per verdict."""
    counts = rows["verdict"].value_counts()
    return {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS}


def published_text(row: Mapping[str, Any]) -> str:
    """The published number or direction with its tag, or a dash if none is known."""
    if row["published"] is None:
        return "–"
    return f"{row['published']} ({row['published_tag']})"


def measured_text(row: Mapping[str, Any]) -> str:
    """The measured value with its interval and n, or a dash."""
    if row["value"] is None:
        return "–"
    value = _number(row["value"])
    low, high = ("" if row[end] is None else _number(row[end]) for end in ("ci_low", "ci_high"))
    interval = f" [{low or '…'}, {high or '…'}]" if low or high else " (no interval)"
    units = f" {row['units']}" if row["units"] else ""
    return f"{value}{'' if row['exact'] else interval}, n\u00a0=\u00a0{int(row['n'])}{units}"


def about(row: Mapping[str, Any]) -> str:
    """Model and condition of a measurement, in brackets; "" without either."""
    parts = [str(row[key]) for key in ("model", "condition") if row[key]]
    return f" ({', '.join(parts)})" if parts else ""


NOTE = (
    "A stand-in is a small model that this workflow trained. Its numbers show that a measurement "
    "works; they decide nothing about the papers' models. A claim that is measured on several "
    "models or conditions has one verdict for each. Controls, misreadings, extensions, claims of "
    "our own and errata are not claims of a paper and are counted apart."
)
OURS = (
    "What instruments of this project find beyond the papers. It decides no claim of a paper and "
    "is counted under no study."
)


def _note(left_out: Sequence[str]) -> str:
    names = ", ".join(left_out)
    return f"{NOTE} Studies that are not part of this run: {names}." if names else NOTE


_KEYS = ("id", "kind", "statement", "source", "quantity", "published", "measured", "evidence")
_EMPTY: dict[str, Any] = dict.fromkeys(
    (*_KEYS, "reading", "decided_by", "answer", "verdict", "reason")
)


def _row(study: str, entry: dict[str, Any], scale: str) -> dict[str, Any]:
    published, found = entry["published"] or {}, entry["measured"] or {}
    value = published.get("value")
    return {
        "study": study,
        "id": entry["id"],
        "kind": entry["kind"],
        "statement": entry["statement"],
        "source": entry["source"],
        "quantity": entry["quantity"],
        "published": value if value is None or isinstance(value, str) else _number(value),
        "published_tag": published.get("tag"),
        "published_source": published.get("source"),
        "value": found.get("value"),
        "ci_low": found.get("ci_low"),
        "ci_high": found.get("ci_high"),
        "exact": found.get("exact"),
        "n": found.get("n"),
        "units": found.get("units"),
        "note": found.get("note"),
        "model": found.get("model"),
        "condition": found.get("condition"),
        "evidence": entry["evidence"],
        "reading": entry["reading"],
        "about_models": bool(MODEL_EVIDENCE & set(entry["decided_by"] or [])),
        "answer": entry["answer"],
        "verdict": entry["verdict"],
        "reason": entry["reason"],
        "scale": scale,
    }


def records(scorecard: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values; a missing value is None."""
    plain = scorecard.astype(object).where(scorecard.notna(), None)
    # Not iterrows, which infers a dtype per row and turns None in a row of text into NaN.
    return [{str(key): row[key] for key in row} for row in plain.to_dict("records")]


def _markdown_line(fields: Mapping[str, Any]) -> str:
    evidence = f"{fields['evidence'] or '–'}{about(fields)}"
    measured = measured_text(fields)
    if fields["value"] is not None:
        measured = f"{fields['quantity']}: {measured}"
    if fields["note"]:
        measured += f"; {fields['note']}"
    verdict = f"**{fields['verdict']}**"
    if fields["reason"]:
        verdict += f": {fields['reason']}"
        if fields["reading"]:
            verdict += f" (reading: {fields['reading']})"
    kind = "" if fields["kind"] == Kind.PAPER else f" *{fields['kind']}*:"
    claim = f"**{fields['id']}**{kind} {fields['statement']} ({fields['source']})"
    published = published_text(fields)
    if fields["published_source"]:
        published += f"; {fields['published_source']}"
    cells = (claim, published, measured, evidence, verdict)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _number(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.1e}" if abs(value) < 1e-3 or abs(value) >= 1e6 else f"{value:.4g}"


def main(
    claims: Mapping[str, str],
    scale: str,
    parquet: str,
    markdown_file: str,
    provenance: dict[str, Any] | None = None,
    left_out: Sequence[str] = (),
) -> None:
    """Write the scorecard in two formats; `claims` maps each study to its `claims.json`.

    `left_out` are the studies that are not part of the run.
    """
    scorecard = collect({study: read_claims(path) for study, path in claims.items()}, scale)
    tables.write(scorecard, parquet, provenance=provenance)
    files.write_text(markdown_file, markdown(scorecard, left_out))


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            dict(zip(snakemake.params.studies, snakemake.input.claims, strict=True)),
            snakemake.params.scale,
            snakemake.output.parquet,
            snakemake.output.markdown,
            provenance.of(snakemake),
            snakemake.params.left_out,
        )
