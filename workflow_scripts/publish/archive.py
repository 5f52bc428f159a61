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

from workflow_scripts.models import lock
from workflow_scripts.models.registry import checkpoint, converted, studies_of
from workflow_scripts.publish import (
    citation,
    code,
    crate,
    jobs,
    machine,
    packing,
    placeholders,
    redaction,
    zenodo,
)
from workflow_scripts.publish.packing import ArchiveError, Member
from workflow_scripts.shared import datasets, files, job
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.snakemake_internals import RECORDS, record_name


def main(
    targets: list[str],
    config: dict[str, Any],
    checkpoints: Mapping[str, str],
    latest: str | Path,
    folder: Path = Path(),
    root: Path = ROOT,
) -> Path:
    """Archive the targets and everything behind them; `folder` is the run's, `root` the project's.

    `checkpoints` maps each model to the folder or hub id that it is loaded from. Weights that rule
    models_convert made from a GGUF file are not packed; their hashes are.

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
    unpacked = not_packed(config, ran)
    members |= _results(ran, folder, published_s, unpacked)
    origins = {datasets.origin(path) for path in unpacked if datasets.is_fetched(path)}
    for name in sorted(origins | {str(lock.LOCK)}):
        if (path := folder / name).is_file():
            members[name] = Member(path.read_bytes())
    models = machine.models(config, checkpoints, folder)
    members |= _run(config, source, models) | placeholders.elsewhere(config, models, folder)
    inputs = placeholders.outside_inputs(ran, folder, root, placeholders.places(config))
    members |= {name: placeholders.of_input(Path(path)) for path, name in inputs.items()}
    known = placeholders.places(config) | inputs
    for each in ran:
        jobs.measure(each, folder)
        each.inputs = [jobs.in_project(path, folder, root, known) for path in each.inputs]
    members |= placeholders.not_code(ran, members | dict.fromkeys(records), (folder, root))
    members |= _records(ran, records)
    known |= placeholders.folders(config, inputs)
    members = clean(members, traces(known, folder, root, source))
    about = _about(config, source, ran, published_s)
    members["zenodo.json"] = Member(zenodo.deposit(about))
    for each in ran:
        each.inputs = [_as_entity(path, members) for path in each.inputs if path not in unpacked]
        each.outputs = [_as_entity(path, members) for path in each.outputs if path not in unpacked]
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


def not_packed(config: dict[str, Any], ran: Iterable[jobs.Job]) -> set[str]:
    """Outputs that a rule makes again and others may not hand on.

    They are weights made from a GGUF file (large) and public data sets (with own licences).
    """
    folders = [checkpoint(config["models"], name) for name in converted(config["models"])]
    return {
        output
        for each in ran
        for output in each.outputs
        if datasets.is_fetched(output)
        or (
            output.startswith(tuple(f"{folder}/" for folder in folders))
            and output.endswith(machine.WEIGHTS)
        )
    }


def _results(
    ran: Iterable[jobs.Job], folder: Path, time_s: float, unpacked: set[str]
) -> dict[str, Member]:
    """The jobs' outputs but those `unpacked`, logs and benchmarks.

    All get the same time (Snakemake compares benchmarks too), so the unpacked archive is up to
    date, whatever was copied or touched before. The record of each output has its own time.
    """
    members = {}
    for each in ran:
        for output in set(each.outputs) - unpacked:
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
    state = {
        "commit": source.commit,
        "dirty": source.dirty,
        "untracked": source.untracked,
        "skipped": source.skipped,
    }
    notes = {
        "config.json": config,
        "code.json": state,
        "machine.json": machine.hardware(),
        "models.json": models,
    }
    members = {f"run/{name}": packing.json_member(content) for name, content in notes.items()}
    members["run/environment.txt"] = Member(machine.packages().encode())
    if source.diff:
        members["run/uncommitted.diff"] = Member(source.diff)
    return members


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


def traces(
    elsewhere: Mapping[str, str], folder: Path, root: Path, source: code.Code
) -> list[redaction.Trace]:
    """What must not be in the archive; paths `elsewhere` are replaced by their placeholders."""
    known = {str(folder): "<run>", str(root): "<project>", **elsewhere}
    return redaction.traces(known, b"\n".join(source.files.values()))


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
        cleaned["run/redacted.json"] = packing.json_member(redacted)
    return cleaned


def _about(
    config: dict[str, Any], source: code.Code, ran: list[jobs.Job], published_s: float
) -> dict[str, Any]:
    cited = citation.read(source.files.get("CITATION.cff"))
    version = str(cited.get("version", "unknown"))
    made = [path for each in ran for path in each.outputs]
    known = {"results/scorecard.parquet": "scorecard", "results/report.html": "report"}
    known["results/provenance.html"] = "jobs, times, code and environments behind the results"
    for study in studies_of(config):
        known[f"results/{study}/claims.json"] = f"claims of study {study}"
        known[f"results/{study}/scores.parquet"] = f"scores of study {study}"
    outputs = {path: text for path, text in known.items() if path in made}
    state = f"commit {source.commit}" + (" with uncommitted changes" if source.dirty else "")
    return {
        "name": f"{cited['title']}: results at scale {config['scale']}",
        "description": f"Results, scores, claims, figures, report, logs, code and provenance of a "
        f"run of Faultlines {version} at scale {config['scale']}, seed "
        f"{config['seed']}, studies {', '.join(studies_of(config))}; code at {state}.",
        "citation": cited,
        "licenses": citation.licenses(cited),
        "license_url": cited.get("license-url"),
        "authors": citation.authors(cited),
        "version": version,
        "engine_version": metadata.version("snakemake"),
        "published": crate.moment(published_s),
        "outputs": outputs,
    }


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
