"""The report of a run: one page that opens without a network; and Snakemake's, of how it was made.

Snakemake's own report opens with a graph of its rules. Readers come for results, so the page is
ours, and Snakemake's lies beside it for what it is best at: jobs, times, code and environments.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from workflow_scripts.publish import (
    claim_view,
    embedded,
    overview,
    reply_view,
    spent,
    study_view,
)
from workflow_scripts.publish.scorecard import TEMPLATES, read_claims
from workflow_scripts.shared import files, job, schemas, tables
from workflow_scripts.shared.fingerprint import ROOT

PARTS = ("report.css", "report.js")


class ReportError(RuntimeError):
    """Snakemake failed to write its report; the message has its last lines."""


def content(
    config: Mapping[str, Any],
    claims: Mapping[str, str],
    scores: Mapping[str, str],
    figures: Sequence[str],
    asked: Sequence[Mapping[str, Any]],
    readable: Sequence[str],
    reply_tables: Mapping[str, Mapping[str, Sequence[str]]],
    answered: Sequence[str],
    pages: Sequence[str],
    left_out: Sequence[str],
    logs: Path,
) -> dict[str, Any]:
    """What the page shows.

    `claims` and `scores` map each study to its files; `figures` are PNGs, `pages` Markdown about
    models; `readable` are the tables of `publish_replies` in the order of `asked`; `reply_tables`
    maps each model to its tables by study; `answered` are the models that were not trained here,
    `left_out` the studies that are not part of the run; `logs` is the folder of the jobs' logs.
    """
    cost = _cost(reply_tables, scores)
    replies = reply_view.pages(asked, readable, cost)
    entries = {study: read_claims(path) for study, path in claims.items()}
    shown = claim_view.claims(
        entries,
        {study: tables.read(path, schemas.SCORES) for study, path in scores.items()},
        config["scale"],
        [(page["study"], page["model"], page["experiment"]) for page in replies],
    )
    papers = [claim for claim in shown if claim["of_paper"]]
    return {
        "scale": config["scale"],
        "facts": facts(config, claims, logs),
        "models": overview.models(config, cost),
        "counts": overview.counts(papers),
        "others": len(shown) - len(papers),
        "strips": overview.strips(shown),
        "answers": overview.by_model(shown, answered),
        "different": overview.most_different(shown),
        "weak": overview.weak_spots(entries, cost, left_out),
        "claims": shown,
        "choices": choices(shown),
        "studies": study_view.studies(shown, figures, config),
        "cards": cards(pages),
        "replies": replies,
        "code": code(shown),
    }


def facts(config: Mapping[str, Any], claims: Mapping[str, str], logs: Path) -> dict[str, str]:
    """What ran, in a few words each."""
    origins = [files.read_json(path)["provenance"] for path in claims.values()]
    commits = dict.fromkeys(str(origin.get("commit", "unknown"))[:12] for origin in origins)
    versions = origins[0].get("versions", {}) if origins else {}
    told = ", ".join(f"{name} {versions[name]}" for name in ("python", "torch") if name in versions)
    known = {"scale": str(config["scale"]), "seed": str(config["seed"])}
    known |= {"commit": ", ".join(commits)} | overview.machine_facts()
    return known | overview.spent_time(logs) | ({"software": told} if told else {})


def _cost(
    reply_tables: Mapping[str, Mapping[str, Sequence[str]]], scores: Mapping[str, str]
) -> pd.DataFrame:
    """`spent.table` of every model, with the column `model`."""
    found = [
        spent.table(model, asked, scores).assign(model=model)
        for model, asked in reply_tables.items()
    ]
    columns = [*spent.COLUMNS, "model"]
    cost = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
    numbers = [name for name in spent.COLUMNS if name not in ("study", "experiment")]
    return cost.astype(dict.fromkeys(numbers, float))


def choices(claims: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What the scorecard can be filtered by: the values that occur, in their order."""
    lines = [line for claim in claims for line in claim["lines"]]
    return {
        "study": list(dict.fromkeys(claim["study"] for claim in claims)),
        "verdict": list(dict.fromkeys(line["verdict"] for line in lines)),
        "model": sorted({line["model"] for line in lines if line["model"]}),
        "evidence": list(dict.fromkeys(line["evidence"] for line in lines if line["evidence"])),
        "kind": list(dict.fromkeys(claim["kind"] for claim in claims)),
    }


def cards(pages: Sequence[str]) -> list[dict[str, str]]:
    """The models' pages, from Markdown: of answers for those brought, cards for stand-ins."""
    found = []
    for path in map(Path, pages):
        text = path.read_text(encoding="utf-8")
        found.append({"model": path.parent.name, "body": embedded.prose(text)})
    return found


def code(claims: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The source behind all claims, each place once, under its name."""
    places = {f"{p['name']} {p['function']}": p for claim in claims for p in claim["code"]}
    return {name: claim_view.source(place) for name, place in places.items()}


def render(shown: Mapping[str, Any]) -> str:
    """The page as HTML, with its style and script inside."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in PARTS)
    # A tag in the text would end the element that holds it.
    sources = json.dumps(shown["code"], ensure_ascii=False).replace("<", r"\u003c")
    template = environment.get_template("report.html.j2")
    return template.render(shown, style=style, script=script, sources=sources)


def provenance(config: Mapping[str, Any], targets: Sequence[str], path: str) -> None:
    """Write Snakemake's report of the jobs behind `targets`.

    This calls Snakemake from within Snakemake. The outer call holds the folder's lock; the inner
    one only reads and takes none. Raises `ReportError`.
    """
    folder = files.work_folder("report", config=config)
    settings = folder / "config.json"
    files.write_text(settings, json.dumps(config))
    with files.atomic(path) as temporary:
        command = [sys.executable, "-m", "snakemake", *targets]
        command += ["--snakefile", str(ROOT / "Snakefile"), "--nolock", "--quiet"]
        command += ["--configfile", str(settings), "--report", str(temporary)]
        done = subprocess.run(command, capture_output=True, text=True)
        print(done.stdout, done.stderr, sep="", file=sys.stderr)
        if done.returncode:
            last = " | ".join(done.stderr.strip().splitlines()[-3:])
            raise ReportError(f"{Path(path).name}: {last}")


def main(
    shown: Mapping[str, Any],
    config: Mapping[str, Any],
    report: str,
    provenance_file: str,
) -> None:
    """Write the page that shows `content`, and Snakemake's report of the jobs behind it."""
    files.write_text(report, render(shown))
    provenance(config, ["scorecard"], provenance_file)


if __name__ == "__main__":
    with job.running(snakemake):
        given, settings = snakemake.input, snakemake.params
        found = content(
            snakemake.config,
            dict(zip(settings.studies, given.claims, strict=True)),
            dict(zip(settings.studies, given.scores, strict=True)),
            [path for path in given.studies if Path(path).match("figures/*.png")],
            settings.asked,
            list(given.replies),
            settings.reply_tables,
            settings.answered,
            list(given.pages),
            settings.left_out,
            Path("logs"),
        )
        main(found, snakemake.config, snakemake.output.report, snakemake.output.provenance)
