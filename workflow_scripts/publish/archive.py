"""The run as one zip to publish with a paper: an RO-Crate that can be checked and replayed.

Unpacked, it is the project with the results of this run in place: code, results, logs, and
Snakemake's records, so any single rule can be re-run in the unpacked folder.
"""

import json
import os
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.models.registry import studies_of
from workflow_scripts.publish import code, crate, jobs, machine, packing, redaction, zenodo
from workflow_scripts.publish.packing import ArchiveError, Member
from workflow_scripts.shared import files, job, sources
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.snakemake_internals import RECORDS, record_name

ELSEWHERE = "models-elsewhere"  # replaces the folders of models that are not in the archive


def main(
    targets: list[str],
    config: dict[str, Any],
    checkpoints: Mapping[str, str],
    latest: str | Path,
    folder: Path = Path(),
    root: Path = ROOT,
) -> Path:
    """Archive the targets and everything behind them; `folder` is the run's, `root` the project's.

    `checkpoints` maps each model to the folder or hub id that it is loaded from.

    Writes `faultlines-<date>-<hash>.zip` next to `latest`, which becomes a link to it, and returns
    its path. The date is that of the last result, or SOURCE_DATE_EPOCH (seconds since 1970) if set;
    the hash is the manifest's. The same results give the same bytes.

    Traces of this machine or its user are removed from text and from the provenance of tables.
    Raises `ArchiveError` naming any other file that has one.
    """
    folder, latest = folder.resolve(), Path(latest)
    records = jobs.read_records(folder)
    ran = jobs.behind(targets, records)
    source = code.read(root)
    published_s = float(os.environ.get("SOURCE_DATE_EPOCH") or max(each.end_s for each in ran))
    members = {name: Member(data) for name, data in source.files.items()}
    members |= _results(ran, folder, published_s)
    models = machine.models(config, checkpoints, folder)
    members |= _run(config, source, models) | _weights_elsewhere(models)
    for each in ran:
        jobs.measure(each, folder)
        each.inputs = [jobs.in_project(path, folder, root) for path in each.inputs]
    members |= _records(ran, records)
    members = clean(members, traces(config, folder, root, source))
    about = _about(config, source, ran, published_s)
    members["zenodo.json"] = Member(zenodo.deposit(about))
    for each in ran:
        each.inputs = [_as_entity(path, members) for path in each.inputs]
        each.outputs = [_as_entity(path, members) for path in each.outputs]
    members[crate.METADATA] = Member(crate.describe(members, ran, about))
    digest = packing.sha256(packing.manifest(members))[:12]
    path = latest.parent / f"faultlines-{crate.moment(published_s)[:10]}-{digest}.zip"
    with files.atomic(path) as temporary:
        packing.write(members, temporary)
    # A link, so Snakemake notices when the archive is gone.
    link = latest.with_name(f".{latest.name}.{os.getpid()}")
    link.symlink_to(path.name)
    link.replace(latest)
    return path


def _results(ran: Iterable[jobs.Job], folder: Path, time_s: float) -> dict[str, Member]:
    """The jobs' outputs, logs and benchmarks.

    All get the same time (Snakemake compares benchmarks too), so the unpacked archive is up to
    date, whatever was copied or touched before. The record of each output has its own time.
    """
    members = {}
    for each in ran:
        for output in each.outputs:
            for path in jobs.files_of(folder / output):
                name = path.relative_to(folder).as_posix()
                members[name] = Member(path.read_bytes, time_s)
        for name in (each.log, each.benchmark):
            if (folder / name).is_file():
                members[name] = Member((folder / name).read_bytes, time_s)
    return members


def _run(
    config: dict[str, Any], source: code.Code, models: dict[str, dict[str, Any]]
) -> dict[str, Member]:
    """Settings, code, environment, machine and models of the run."""
    state = {"commit": source.commit, "dirty": source.dirty, "untracked": source.untracked}
    notes = {
        "config.json": config,
        "code.json": state,
        "machine.json": machine.hardware(),
        "models.json": models,
    }
    members = {f"run/{name}": _json(content) for name, content in notes.items()}
    members["run/environment.txt"] = Member(machine.packages().encode())
    if source.diff:
        members["run/uncommitted.diff"] = Member(source.diff)
    return members


def _weights_elsewhere(models: dict[str, dict[str, Any]]) -> dict[str, Member]:
    """A placeholder folder with the hashes of the weights, for each model outside the run."""
    return {
        f"{ELSEWHERE}/{name}/weights.json": _json(spec["weights_sha256"])
        for name, spec in models.items()
        if sources.local_path(spec)
    }


def _records(ran: Iterable[jobs.Job], records: Mapping[str, dict[str, Any]]) -> dict[str, Member]:
    """Snakemake's records with paths as in the archive, where project and run share one folder."""
    members = {}
    for each in ran:
        names = dict(zip(sorted(set(records[each.outputs[0]]["input"])), each.inputs, strict=True))
        for output in each.outputs:
            record = records[output]
            moved = {names[path]: value for path, value in record["input_checksums"].items()}
            record = record | {
                "input": [names[path] for path in record["input"]],
                "input_checksums": moved,
            }
            members[f"{RECORDS}/{record_name(output)}"] = Member(
                json.dumps(record, sort_keys=True).encode()
            )
    return members


def _json(content: Any) -> Member:
    # Keys keep their order: for Snakemake, settings in another order are other settings.
    text = json.dumps(content, indent=2, ensure_ascii=False)
    return Member((text + "\n").encode())


def traces(
    config: dict[str, Any], folder: Path, root: Path, source: code.Code
) -> list[redaction.Trace]:
    """What must not be in the archive; folders of models are replaced by their placeholders."""
    places = {str(folder): "<run>", str(root): "<project>"}
    for name, spec in config["models"].items():
        if path := sources.local_path(spec):
            places[path.rstrip("/")] = f"{ELSEWHERE}/{name}"
    return redaction.traces(places, b"\n".join(source.files.values()))


def clean(members: Mapping[str, Member], wanted: list[redaction.Trace]) -> dict[str, Member]:
    """The files without traces of this machine; `run/redacted.json` lists the files that had any.

    Code is not changed. Raises `ArchiveError` naming each file that still has a trace.
    """
    cleaned, redacted, problems = dict(members), {}, []
    for name, member in members.items():
        data = member.data
        found = redaction.find(name, data, wanted)
        if found and name.startswith(("results/", "logs/", "run/", f"{RECORDS}/")):
            data = redaction.redact(name, data, wanted)
            redacted[name] = found
            cleaned[name] = Member(data, member.time_s)
            found = redaction.find(name, data, wanted)
        problems += [f"{name}: holds {kind}" for kind in found]
    if problems:
        raise ArchiveError("the archive would reveal private information: " + "; ".join(problems))
    if redacted:
        cleaned["run/redacted.json"] = _json(redacted)
    return cleaned


def _about(
    config: dict[str, Any], source: code.Code, ran: list[jobs.Job], published_s: float
) -> dict[str, Any]:
    citation = yaml.safe_load(source.files["CITATION.cff"])
    made = [path for each in ran for path in each.outputs]
    known = {"results/scorecard.parquet": "scorecard", "results/report.html": "report"}
    for study in studies_of(config):
        known[f"results/{study}/claims.json"] = f"claims of study {study}"
        known[f"results/{study}/scores.parquet"] = f"scores of study {study}"
    outputs = {path: text for path, text in known.items() if path in made}
    state = f"commit {source.commit}" + (" with uncommitted changes" if source.dirty else "")
    return {
        "name": f"{citation['title']}: results at scale {config['scale']}",
        "description": f"Results, scores, claims, figures, report, logs, code and provenance of a "
        f"run of Faultlines {citation['version']} at scale {config['scale']}, seed "
        f"{config['seed']}, studies {', '.join(studies_of(config))}; code at {state}.",
        "citation": citation,
        "license": citation["license"],
        "authors": [author.get("name") or _person(author) for author in citation["authors"]],
        "version": citation["version"],
        "engine_version": metadata.version("snakemake"),
        "published": crate.moment(published_s),
        "outputs": outputs,
    }


def _person(author: Mapping[str, str]) -> str:
    return f"{author['given-names']} {author['family-names']}"


def _as_entity(path: str, members: Mapping[str, Member]) -> str:
    """The path, with a slash at its end for a folder, as in RO-Crate."""
    return path if path in members else f"{path}/"


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            list(snakemake.input),
            snakemake.config,
            snakemake.params.checkpoints,
            snakemake.output.latest,
        )
