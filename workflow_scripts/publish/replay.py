"""Run jobs of an archive again and compare their results with the archived ones."""

import base64
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.models.registry import studies_of
from workflow_scripts.publish import explain, jobs
from workflow_scripts.publish.packing import (
    ELSEWHERE,
    EPOCH,
    PLACEHOLDER,
    ArchiveError,
    Member,
    sha256,
)
from workflow_scripts.shared.tables import PROVENANCE_KEY

CONFIG = "run/config.json"
# Recorded in a result but not compared: code is compared by its fingerprint, and the guard on
# programs of models depends on the machine's kernel.
NOTED = {"commit", "versions", "programs_read"}
COMMIT = re.compile(rb'"commit": "[^"]*"|\bcommit ([0-9a-f]{40}(-dirty)?|unknown)\b')
FAILURE = re.compile(r"^\w+: \w+: .*\(traceback in .*\)$", re.MULTILINE)
LAST_LINES = 5
WEIGHTS_ELSEWHERE = re.compile(ELSEWHERE + r"/([^/]+)/weights\.json")
BEGIN = f'{{\n  "placeholder": "{PLACEHOLDER}'.encode()  # of a placeholder
START_S = 2.0  # overhead of every job: Snakemake, Python, imports


@dataclass(frozen=True)
class Again:
    """One reproduced result and how it compares with the archived one."""

    path: str
    equal: bool
    how: str


def unpack(members: Mapping[str, Member], folder: Path) -> None:
    """Write the files into an empty folder with the times at which they are up to date."""
    for name, member in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(member.data)
        os.utime(path, (member.time_s, member.time_s))
    for placeholder in (folder / ELSEWHERE).glob("*"):
        os.utime(placeholder, (EPOCH, EPOCH))  # a folder that is an input is not newer than results


def choose(folder: Path, studies: Iterable[str], budget_s: float) -> list[jobs.Job]:
    """The quickest jobs of each study by their records: one, and more within the budget.

    A job whose environment has torch may train or query a model. Its record is too short if it
    resumed from a checkpoint or found earlier replies, so it is chosen only if no other job exists.
    The same holds for a job with an input that the archive does not have.
    """
    records = jobs.read_records(folder)
    made = [output for output in records if output.startswith("results/")]
    ran = jobs.behind(made, records)
    for job in ran:
        jobs.measure(job, folder)
    chosen = []
    for study in studies:
        its = [job for job in ran if job.script and job.outputs[0].split("/")[1] == study]
        its = [job for job in its if lacking(job, folder, records) is None] or its
        its = [job for job in its if not _with_torch(records[job.outputs[0]])] or its
        its.sort(key=lambda job: (job.seconds, job.name))
        spent = list(itertools.accumulate(max(job.seconds, START_S) for job in its))
        chosen += its[: max(1, sum(seconds <= budget_s for seconds in spent))]
    return chosen


def lacking(job: jobs.Job, folder: Path, records: Mapping[str, dict[str, Any]]) -> str | None:
    """An input of the job that is not in the unpacked archive, if any.

    It is either the result of a rule, or a file of which there is a placeholder.
    """
    for path in job.inputs:
        if path in records and not (folder / path).exists():
            return path
        if path not in records and (folder / path).is_file() and is_placeholder(folder / path):
            return path
    return None


def is_placeholder(path: Path) -> bool:
    """Whether a file stands for an input that is not in the archive."""
    with path.open("rb") as stream:
        return stream.read(len(BEGIN)) == BEGIN


def supply(folder: Path, at_hand: Iterable[Path]) -> None:
    """Put inputs that are at hand, recognised by their SHA-256, into the place of placeholders.

    Raises `ArchiveError` for a file that is none of them.
    """
    places: dict[str, list[Path]] = {}
    for path in folder.rglob("*") if at_hand else ():
        if path.is_file() and is_placeholder(path):
            places.setdefault(str(json.loads(path.read_bytes()).get("sha256")), []).append(path)
    for given in at_hand:
        found = places.get(sha256(given.read_bytes()))
        if found is None:
            raise ArchiveError(f"{given}: its SHA-256 is that of no input of the archived run")
        for place in found:
            shutil.copyfile(given, place)
            os.utime(place, (EPOCH, EPOCH))


def _with_torch(record: Mapping[str, Any]) -> bool:
    return b" torch" in base64.b64decode(record["conda_env"] or "")


def waves(folder: Path, chosen: list[jobs.Job]) -> list[list[jobs.Job]]:
    """The chosen jobs, in groups of jobs that do not depend on each other, directly or not.

    Snakemake re-runs everything that depends on a reproduced result, so the inputs of a job must be
    the archived ones when it runs.
    """
    records = jobs.read_records(folder)
    needs = {
        job.name: {each.name for each in jobs.behind(job.outputs[:1], records)} for job in chosen
    }
    groups: list[list[jobs.Job]] = []
    for job in chosen:
        for group in groups:
            if not any(
                each.name in needs[job.name] or job.name in needs[each.name] for each in group
            ):
                group.append(job)
                break
        else:
            groups.append([job])
    return groups


def check_current(folder: Path) -> None:
    """Raise `ArchiveError` with the reasons if the unpacked archive is not up to date."""
    try:
        stale = explain.plan(["--configfile", CONFIG], folder)
    except explain.PlanError as error:
        raise ArchiveError(f"the archived workflow cannot be planned: {error}") from error
    if stale:
        raise ArchiveError(f"the archive is not up to date:\n{explain.table(stale)}")


def run(folder: Path, group: list[jobs.Job], members: Mapping[str, Member]) -> dict[str, bytes]:
    """Delete the jobs' outputs in an unpacked archive, re-run the jobs, and return the new outputs.

    The folder is restored afterwards. Raises `ArchiveError` when a job fails.
    """
    outputs = [output for job in group for output in job.outputs]
    names = [
        path.relative_to(folder).as_posix()
        for output in outputs
        for path in jobs.files_of(folder / output)
        if path.exists()
    ]
    for output in outputs:
        path = folder / output
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "snakemake", *outputs]
    command += ["--configfile", CONFIG, "--cores", "1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        text = done.stdout + done.stderr
        said = FAILURE.findall(text) or text.strip().splitlines()[-LAST_LINES:]
        raise ArchiveError("a job of the archived run fails here: " + "\n".join(said))
    # A file of a folder that was not reproduced counts as empty.
    made = dict.fromkeys(names, b"") | {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for output in outputs
        for path in jobs.files_of(folder / output)
    }
    touched = [name for job in group for name in (job.log, job.benchmark)]
    unpack({name: members[name] for name in [*names, *touched] if name in members}, folder)
    return made


def compare(
    made: Mapping[str, bytes], members: Mapping[str, Member], tolerance: float
) -> list[Again]:
    """Compare each reproduced result with the archived one.

    Bytes are compared. With a tolerance above zero, numbers in tables and JSON also count as equal
    if they differ by less than the tolerance, relative to the larger.
    """
    hashes = _hashes(members)
    return [
        Again(name, *_compare(name, members[name].data, data, tolerance))
        if name in members
        else Again(name, sha256(data) == hashes.get(name), _by_hash(name, hashes))
        for name, data in sorted(made.items())
        if not name.endswith(".snakemake_timestamp")
    ]


def _hashes(members: Mapping[str, Member]) -> dict[str, str]:
    """SHA-256 of each result that is not packed, by its path."""
    found = {}
    for name, member in members.items():
        if match := WEIGHTS_ELSEWHERE.fullmatch(name):
            stated = json.loads(member.data) or {}
            for file, digest in (stated.get("weights_sha256") or {}).items():
                found[f"results/models/{match[1]}/converted/{file}"] = digest
    return found


def _by_hash(name: str, hashes: Mapping[str, str]) -> str:
    return "compared by its SHA-256" if name in hashes else "not in the archive"


def _compare(name: str, before: bytes, now: bytes, tolerance: float) -> tuple[bool, str]:
    if before == now:
        return True, "same bytes"
    (before, then), (now, here) = _without_provenance(name, before), _without_provenance(name, now)
    differs = sorted(key for key in then | here if then.get(key) != here.get(key))
    noted = f" except the recorded {', '.join(differs)}" if differs else ""
    allowed = set(differs) <= NOTED
    if before == now:
        return allowed, "same bytes" + noted
    if tolerance > 0 and name.endswith((".parquet", ".json")):
        distance = _distance(_content(name, before), _content(name, now))
        return allowed and distance <= tolerance, f"numbers differ by up to {distance:.2g}{noted}"
    return False, "bytes differ"


def _without_provenance(name: str, data: bytes) -> tuple[bytes, dict[str, Any]]:
    """A result without its provenance, and the provenance; see `shared/provenance.py`."""
    if name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(pa.BufferReader(data))
        metadata = dict(table.schema.metadata or {})
        noted = json.loads(metadata.pop(PROVENANCE_KEY, b"{}"))
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata(metadata), sink)
        return sink.getvalue().to_pybytes(), noted
    if name.endswith(".json"):
        content = json.loads(data)
        noted = content.pop("provenance", {}) if isinstance(content, dict) else {}
        if "versions" in content and "commit" in content:
            content, noted = {}, content  # all of it is provenance, as for a model's weights
        return json.dumps(content).encode(), noted
    return COMMIT.sub(b"", data), {}


def _content(name: str, data: bytes) -> Any:
    if name.endswith(".json"):
        return json.loads(data)
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(data)).to_pydict()


def _distance(before: Any, now: Any) -> float:
    """Largest relative difference between numbers; infinite if anything else differs."""
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
    members: Mapping[str, Member],
    budget_s: float,
    tolerance: float,
    only: Iterable[str] = (),
    at_hand: Iterable[Path] = (),
) -> list[Again]:
    """Unpack into an empty folder and run each study's quickest jobs, or those that produce `only`.

    `at_hand` are files that the archived run read from elsewhere. Raises `ArchiveError`.
    """
    with tempfile.TemporaryDirectory(prefix="faultlines-replay-") as name:
        folder = Path(name)
        unpack(members, folder)
        supply(folder, at_hand)
        if only:
            records = jobs.read_records(folder)
            chosen = [jobs.behind([path], records)[-1] for path in only]
        else:
            studies = studies_of(json.loads(members[CONFIG].data))
            chosen = choose(folder, studies, budget_s)
        check_current(folder)
        records = jobs.read_records(folder)
        lost = {job.name: lacking(job, folder, records) for job in chosen}
        made: dict[str, bytes] = {}
        for group in waves(folder, [job for job in chosen if lost[job.name] is None]):
            made |= run(folder, group, members)
        return compare(made, members, tolerance) + [
            Again(job.outputs[0], True, f"not run again: {path} is not in the archive")
            for job in chosen
            if (path := lost[job.name])
        ]
