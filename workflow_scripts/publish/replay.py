"""Jobs of an archive run again where it lies, and their results held against the archived ones."""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.publish import explain, jobs
from workflow_scripts.publish.packing import ArchiveError, Member

CONFIG = "run/config.json"
# Written into a result, but no part of it: the commit is recorded, the code's fingerprint compared.
COMMIT = re.compile(rb'"commit": "[^"]*"')
LAST_LINES = 5


@dataclass(frozen=True)
class Again:
    """One result made again, and how it compares with the archived one."""

    path: str
    equal: bool
    how: str


def unpack(members: Mapping[str, Member], folder: Path) -> None:
    """Write the files into an empty folder, with the times that keep them up to date."""
    for name, member in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(member.data)
        os.utime(path, (member.time_s, member.time_s))


def choose(folder: Path, studies: Iterable[str], budget_s: float) -> list[jobs.Job]:
    """Of each study its quickest jobs by the record: one, and more while the budget holds."""
    records = jobs.read_records(folder)
    made = [output for output in records if output.startswith("results/")]
    ran = jobs.behind(made, records)
    for job in ran:
        jobs.measure(job, folder)
    chosen = []
    for study in studies:
        spent = 0.0
        for job in sorted(ran, key=lambda each: (each.seconds, each.name)):
            if job.outputs[0].split("/")[1] == study and job.script:
                spent += job.seconds
                if spent > budget_s and spent != job.seconds:
                    break
                chosen.append(job)
    return chosen


def run(folder: Path, chosen: list[jobs.Job], cores: int = 1) -> None:
    """Delete the outputs of the chosen jobs in an unpacked archive and have Snakemake make them.

    Raises `ArchiveError` when the unpacked archive is not up to date before, or when a job fails.
    """
    arguments = ["--configfile", CONFIG, "--cores", str(cores)]
    try:
        stale = explain.plan(arguments, folder)
    except explain.PlanError as error:
        raise ArchiveError(f"the archived workflow cannot be planned: {error}") from error
    if stale:
        raise ArchiveError(f"the archive is not up to date:\n{explain.table(stale)}")
    outputs = [output for job in chosen for output in job.outputs]
    for output in outputs:
        for path in jobs.files_of(folder / output):
            path.unlink()
    command = [sys.executable, "-m", "snakemake", *outputs, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        raise ArchiveError(f"a job that had run before fails: {last}")


def compare(
    folder: Path, chosen: list[jobs.Job], members: Mapping[str, Member], tolerance: float
) -> list[Again]:
    """Each result of the chosen jobs beside the archived one.

    Bytes are compared; with a tolerance above zero, numbers of tables and JSON that differ by less
    than that, relative to the larger, count as equal too.
    """
    found = []
    for job in chosen:
        for output in job.outputs:
            for path in jobs.files_of(folder / output):
                name = path.relative_to(folder).as_posix()
                if path.name != ".snakemake_timestamp":
                    equal, how = _compare(name, members[name].data, path.read_bytes(), tolerance)
                    found.append(Again(name, equal, how))
    return found


def _compare(name: str, before: bytes, now: bytes, tolerance: float) -> tuple[bool, str]:
    if before == now:
        return True, "same bytes"
    before, now = _without_commit(name, before), _without_commit(name, now)
    if before == now:
        return True, "same bytes, but for the commit noted in it"
    if tolerance > 0 and name.endswith((".parquet", ".json")):
        distance = _distance(_content(name, before), _content(name, now))
        return distance <= tolerance, f"numbers differ by up to {distance:.2g}"
    return False, "other bytes"


def _without_commit(name: str, data: bytes) -> bytes:
    if not name.endswith(".parquet"):
        return COMMIT.sub(b"", data)
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(data))
    metadata = {key: COMMIT.sub(b"", value) for key, value in (table.schema.metadata or {}).items()}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    return sink.getvalue().to_pybytes()


def _content(name: str, data: bytes) -> Any:
    if name.endswith(".json"):
        return json.loads(data)
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(data)).to_pydict()


def _distance(before: Any, now: Any) -> float:
    """Largest relative difference of numbers in one place; infinite if all else differs."""
    match before, now:
        case (int() | float(), int() | float()) if not isinstance(before, bool):
            if before == now or (math.isnan(before) and math.isnan(now)):
                return 0.0
            return abs(before - now) / max(abs(before), abs(now))
        case (dict(), dict()) if before.keys() == now.keys():
            return max((_distance(before[key], now[key]) for key in before), default=0.0)
        case (list(), list()) if len(before) == len(now):
            return max((_distance(a, b) for a, b in zip(before, now, strict=True)), default=0.0)
    return 0.0 if before == now else math.inf


def all_of(
    members: Mapping[str, Member], budget_s: float, tolerance: float, only: Iterable[str] = ()
) -> list[Again]:
    """Unpack into an empty folder, run the quickest jobs of each study, or those that make `only`.

    Raises `ArchiveError`.
    """
    with tempfile.TemporaryDirectory(prefix="faultlines-replay-") as name:
        folder = Path(name)
        unpack(members, folder)
        if only:
            records = jobs.read_records(folder)
            chosen = [jobs.behind([path], records)[-1] for path in only]
        else:
            studies = json.loads(members[CONFIG].data)["studies"]
            chosen = choose(folder, studies, budget_s)
        run(folder, chosen)
        return compare(folder, chosen, members, tolerance)
