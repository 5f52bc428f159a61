"""One writer at a time for a job's outputs, on every machine that shares the folder.

Snakemake's own lock covers one run of the workflow. That is not enough on a cluster: jobs outlive
a killed run, and a job that was reported lost with its node may still be writing. Therefore each
job holds a file lock in `work/locks/` while it runs. The kernel releases the lock when the process
ends, however it ends. Network file systems (NFS, Lustre with `flock`) enforce it across nodes.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from workflow_scripts.shared import files, filesystem

GRACE_S = 5.0  # so that the other writer's run can delete the outputs of a failed job


@contextmanager
def only_writer(outputs: Sequence[str], identity: str) -> Iterator[bool]:
    """Hold the lock of `outputs` during the block; wait for another writer to end first.

    Yields True if that writer had the same `identity` (everything that determines the outputs) and
    wrote all of them. Outputs get their names last, so they are complete. A file system without
    locks has no other writer to wait for (`shared/filesystem.py`).
    """
    path = files.WORK / "locks" / files.content_hash(sorted(outputs))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as stream:
        other = _lock(stream, outputs)
        if other:
            time.sleep(GRACE_S)
        done = other.get("identity") == identity and all(map(os.path.exists, outputs))
        _sign(stream, identity)
        yield done


def _lock(stream: IO[str], outputs: Sequence[str]) -> dict[str, Any]:
    """Take the lock; return the signature of the writer that held it before, if there was one."""
    try:
        filesystem.lock(stream.fileno(), wait=False)
        return {}
    except BlockingIOError:
        other = _signature(stream)
        who = f"process {other.get('process')} on {other.get('host')}"
        job = other.get("slurm_job")
        who += f", Slurm job {job}" if job else ""
        print(f"{outputs[0]} is being written by {who}; waiting for it to end", file=sys.stderr)
        sys.stderr.flush()
        filesystem.lock(stream.fileno())
        return _signature(stream) or {"identity": None}


def _sign(stream: IO[str], identity: str) -> None:
    writer = {
        "identity": identity,
        "host": platform.node(),
        "process": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }
    stream.seek(0)
    stream.truncate()
    stream.write(json.dumps(writer))
    stream.flush()


def _signature(stream: IO[str]) -> dict[str, Any]:
    stream.seek(0)
    try:
        return json.loads(stream.read())
    except ValueError:
        return {}


def seen(paths: Sequence[str | Path]) -> list[list[Any]]:
    """Name, size in bytes and modification time in ns of files or folders."""
    stats = [(str(path), os.stat(path)) for path in paths]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


def identity_of(snakemake: Any) -> str:
    """Hash of what determines a job's outputs: rule, parameters, code, current inputs."""
    parameters = json.loads(json.dumps(dict(snakemake.params.items()), default=str))
    return files.content_hash([snakemake.rule, parameters, seen(list(snakemake.input))])
