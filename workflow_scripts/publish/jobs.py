"""The jobs behind a set of results, from Snakemake's records."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.publish.packing import ArchiveError
from workflow_scripts.shared import snakemake_internals
from workflow_scripts.shared.job import measured
from workflow_scripts.shared.snakemake_internals import RECORDS, TORN

REMEDY = (
    "copy .snakemake along with the results, or accept the results as they are with "
    "snakemake --touch --forceall"
)
SCRIPT = re.compile(r"workflow_scripts/[\w/]+\.py")


@dataclass
class Job:
    """One job that ran. Paths are relative to the run's folder, times in seconds since 1970."""

    rule: str
    name: str  # rule and wildcards, as in the path of its log
    script: str | None  # in the project; None for a rule without a script
    log: str
    start_s: float
    end_s: float
    inputs: list[str]
    outputs: list[str] = field(default_factory=list)
    usage: dict[str, float] = field(default_factory=dict)  # wall seconds and MB, if measured

    @property
    def benchmark(self) -> str:
        """Path of its benchmark, which mirrors the log's."""
        return f"logs/benchmarks/{self.name}.tsv"

    @property
    def seconds(self) -> float:
        """Wall time as measured, else from the record of the job's start to its last output.

        Records are the second choice because `snakemake --touch` resets their times.
        """
        return self.usage.get("wall_s", max(0.0, self.end_s - self.start_s))


def read_records(folder: Path) -> dict[str, dict[str, Any]]:
    """Snakemake's record of each output, by the output's path; `folder` is the run's.

    Raises `ArchiveError` if there is none, as after `--drop-metadata`.
    """
    records = dict(snakemake_internals.records(folder))
    if not records:
        raise ArchiveError(f"{folder / RECORDS}: no records of what ran; {REMEDY}")
    return records


def behind(targets: Iterable[str], records: dict[str, dict[str, Any]]) -> list[Job]:
    """The jobs that produced the targets and their inputs, each after those that it depends on.

    A file without a record, such as a file of the project, is an input only. Raises `ArchiveError`
    for a target without a record, and for a needed record that cannot be read.
    """
    siblings: dict[tuple[str, ...], list[str]] = {}
    for output, record in records.items():
        if TORN in record:
            continue
        siblings.setdefault(_key(record), []).append(output)
    found: dict[tuple[str, ...], Job] = {}

    def visit(output: str) -> None:
        if why := records[output].get(TORN):
            raise ArchiveError(f"{why}; {REMEDY}")
        key = _key(records[output])
        if key in found:
            return
        for path in records[output]["input"]:
            if path in records:
                visit(path)
        outputs = sorted(siblings[key])
        found[key] = _job(records[output], outputs, [records[name] for name in outputs])

    targets = list(targets)
    if lost := [target for target in targets if target not in records]:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise ArchiveError(f"{lost[0]}{more}: no record of the job that wrote it; {REMEDY}")
    for target in targets:
        visit(target)
    return list(found.values())


def _key(record: dict[str, Any]) -> tuple[str, ...]:
    return (record["rule"], *record["log"])


def _job(record: dict[str, Any], outputs: list[str], records: list[dict[str, Any]]) -> Job:
    log = record["log"][0]
    script = SCRIPT.search(record["code"] or "")
    return Job(
        rule=record["rule"],
        name=log.removeprefix("logs/").removesuffix(".log"),
        script=script[0] if script else None,
        log=log,
        start_s=min(each["starttime"] for each in records),
        end_s=max(each["endtime"] for each in records),
        inputs=sorted(set(record["input"])),
        outputs=outputs,
    )


def files_of(path: Path) -> list[Path]:
    """The file, or all files below the folder, hidden ones included, by name."""
    if not path.is_dir():
        return [path]
    return sorted(entry for entry in path.rglob("*") if entry.is_file())


def in_project(path: str, folder: Path, root: Path, places: Mapping[str, str]) -> str:
    """A recorded path as it is in the archive, where project and run share one folder.

    `places` maps paths outside both to their placeholders.
    """
    whole = Path(os.path.normpath(folder / path))
    if placeholder := places.get(str(whole)):
        return placeholder
    base = folder if whole.is_relative_to(folder) else root
    return whole.relative_to(base).as_posix()


def measure(job: Job, folder: Path) -> None:
    """Add the wall time of the job's benchmark, and peak memory and CPU time from its log.

    A log has them from the kernel. Without a log, those of the benchmark are used: samples, the
    first after half a second, then far apart.
    """
    path = folder / job.benchmark
    if path.is_file():
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        if len(lines) > 1:
            row = dict(zip(lines[0], lines[-1], strict=True))
            wanted = {"wall_s": "s", "max_rss_mb": "max_rss", "cpu_s": "cpu_time"}
            values = {name: row.get(column, "NA") for name, column in wanted.items()}
            job.usage = {name: float(value) for name, value in values.items() if value != "NA"}
    job.usage |= measured(folder / job.log)
