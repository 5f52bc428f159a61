"""What a file system may be unable to do. Each gap is tolerated, and its cost is stated once.

A run states it, not each of its jobs, which inherit the variable that lists what has been stated.
"""

import errno
import fcntl
import os
import sys
import tempfile
from pathlib import Path

ABSENT = (errno.ENOSYS, errno.EOPNOTSUPP)
# Errors that mean "cannot", by call; every other error (EIO, ENOSPC, EACCES) is raised.
GAPS: dict[str, tuple[int, ...]] = {
    "flock": (*ABSENT, errno.ENOLCK, errno.EINVAL),
    "fsync": (*ABSENT, errno.EINVAL),
    "chmod": (*ABSENT, errno.EPERM),
}
COSTS = {
    "flock": (
        "has no file locks: start one run at a time in this folder; otherwise work may be done "
        "twice, and jobs on several machines may together exceed a spending limit"
    ),
    "fsync": "does not confirm that data are on disk: a power failure may lose the latest results",
    "chmod": "sets no permissions: who may read the results is up to its mount options",
}
SAID = "FAULTLINES_FILE_SYSTEM"


def lacks(call: str, error: OSError) -> bool:
    """Whether `error` means that the file system does not offer `call`; if so, state the cost."""
    if error.errno not in GAPS[call]:
        return False
    said = os.environ.get(SAID, "").split()
    if call not in said:
        os.environ[SAID] = " ".join([*said, call])
        reason = os.strerror(error.errno)
        print(f"The file system {COSTS[call]} ({call}: {reason}).", file=sys.stderr, flush=True)
    return True


def lock(descriptor: int, *, wait: bool = True) -> bool:
    """Lock an open file for one process; False if the file system has no locks.

    Closing the file or ending the process releases it. Raises `BlockingIOError` if another process
    holds it and `wait` is False.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        if not lacks("flock", error):
            raise
        return False
    return True


def sync(descriptor: int) -> None:
    """Wait until an open file or folder is on disk, where the file system can tell."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not lacks("fsync", error):
            raise


def sync_path(path: str | Path) -> None:
    """Wait until a file or folder is on disk, where the file system can tell."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def set_mode(path: str | Path, mode: int) -> None:
    """Set the permissions of a file or folder, where the file system can."""
    try:
        os.chmod(path, mode)
    except OSError as error:
        if not lacks("chmod", error):
            raise


def use_caches_at_hand() -> None:
    """Where the home folder is not writable, let libraries keep their caches in `work/cache`.

    Models that are in the cache of the hub there are still found.
    """
    home = Path(os.path.expanduser("~"))
    own = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
    if _writable(own):
        return
    os.environ.setdefault("HF_HOME", str(own / "huggingface"))
    os.environ["XDG_CACHE_HOME"] = os.path.abspath("work/cache")
    os.environ.setdefault("MPLCONFIGDIR", os.path.abspath("work/cache/matplotlib"))


def _writable(folder: Path) -> bool:
    """Whether the folder, or else the nearest one above it that exists, can be written to."""
    try:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
    except OSError:
        return False
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def try_out(folder: str | Path) -> None:
    """Use every call once in `folder`, so that a run states its gaps before its jobs start."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".try.")
    try:
        lock(descriptor)
        sync(descriptor)
        set_mode(name, 0o600)
        sync_path(folder)
    finally:
        os.close(descriptor)
        os.unlink(name)
