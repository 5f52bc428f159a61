"""What the report shows of each study: the question, what was run, figures beside their claims."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.publish import embedded, overview
from workflow_scripts.publish.claim_view import anchor
from workflow_scripts.shared.claims import Kind
from workflow_scripts.shared.fingerprint import ROOT

CAPTIONS = ROOT / "resources/captions"
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
LEFT_OUT = ("speed", "test", "pitfall", "trap")  # sections about the code, not about the study


def studies(
    claims: Sequence[Mapping[str, Any]], figures: Sequence[str], config: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One entry per study, in the order of the claims; `figures` are the paths of their PNGs."""
    found = []
    for study in dict.fromkeys(claim["study"] for claim in claims):
        own = [claim for claim in claims if claim["study"] == study]
        drawn = [path for path in figures if Path(path).parts[-3] == study]
        text, sections = about(study)
        found.append(
            {
                "study": study,
                "anchor": anchor("study", study),
                "about": embedded.prose(text),
                "sections": [
                    {"title": title, "body": embedded.prose(body)} for title, body in sections
                ],
                "counts": overview.counts(claim for claim in own if claim["of_paper"]),
                "evidence": evidence(own),
                "reduced": reduced(own),
                "lists": lists(own),
                "figures": [figure(path, own, config) for path in drawn],
            }
        )
    return found


def lists(claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The claims under their headings: those about the paper, then what our instruments found."""
    ours = [claim for claim in claims if claim["kind"] == Kind.OURS]
    papers = [claim for claim in claims if claim["kind"] != Kind.OURS]
    return [("Claims", papers)] + ([("Ours, beyond the paper", ours)] if ours else [])


def about(study: str) -> tuple[str, list[tuple[str, str]]]:
    """From the study's README: the paper and the question; then its sections for a reader."""
    path = ROOT / "workflow_scripts" / study / "README.md"
    if not path.is_file():
        return "", []
    title, *rest = SECTION.split(path.read_text(encoding="utf-8"))
    text = re.sub(r"^# .*$|^    snakemake.*$", "", title, flags=re.MULTILINE).strip()
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return text, [
        (name, body) for name, body in pairs if not any(word in name.lower() for word in LEFT_OUT)
    ]


def evidence(claims: Iterable[Mapping[str, Any]]) -> list[str]:
    """How many measurements there are of each kind of evidence, most first."""
    counts = Counter(line["evidence"] for claim in claims for line in claim["lines"])
    return [f"{kind or 'not measured'} {count}" for kind, count in counts.most_common()]


def reduced(claims: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the notes of measurements say that was reduced against the paper, each once."""
    found = [
        part.removeprefix("reduced: ")
        for claim in claims
        for line in claim["lines"]
        for part in line["note"].split("; ")
        if part.startswith("reduced: ")
    ]
    return list(dict.fromkeys(found))


def figure(
    path: str, claims: Sequence[Mapping[str, Any]], config: Mapping[str, Any]
) -> dict[str, Any]:
    """A figure with its caption and the claims that it shows, what the paper says of each first.

    `stand_in` says that every measurement of these claims comes from stand-ins.
    """
    study, name = Path(path).parts[-3], Path(path).stem
    shown = [claim for claim in claims if name in claim["figures"]]
    lines = [line for claim in shown for line in claim["lines"] if line["evidence"]]
    return embedded.picture(path) | {
        "name": name,
        "anchor": anchor("figure", study, name),
        "caption": embedded.caption(CAPTIONS / study / f"{name}.rst", config),
        "file": path.removeprefix("results/"),
        "claims": shown,
        "stand_in": bool(lines) and all(line["stand_in"] for line in lines),
    }
