"""The GPUs of a job: as many as its rule asks for, and none where it asks for none.

CUDA reads `CUDA_VISIBLE_DEVICES` when it is first used, not when torch is imported, so a job sets
it before its work. On a cluster, Slurm chooses a job's GPUs. On one machine the jobs of all runs
of a user choose theirs by file locks, and none is given twice unless the run says so.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from workflow_scripts.shared import filesystem

VISIBLE = "CUDA_VISIBLE_DEVICES"
# How many jobs share a GPU in a run on one machine; not set on a cluster.
JOBS_PER_GPU = "FAULTLINES_JOBS_PER_GPU"
DEV = Path("/dev")
CPU = Path("/proc/cpuinfo")
# Instructions that multiply bfloat16, as x86-64 and Arm processors call them. Those of AVX-512 are
# twice as fast as float32 on AMD's Zen 4 and half as fast on Intel's Emerald Rapids, which has AMX
# for the purpose, unless a virtual machine hides it (measured, docs/benchmarks.md).
BFLOAT16, AVX512, INTEL = {"amx_bf16", "bf16"}, "avx512_bf16", "GenuineIntel"
LIST_S = 60  # a driver that is not resident takes seconds to load
POLL_S = 1.0


def asked(resources: Any) -> int:
    """The number of GPUs in a job's resources: `gpu`, or that of a Slurm site's own `gres`."""
    gres = str(resources.get("gres", ""))
    found = re.search(r"gpu(?:[:=][\w.]*[A-Za-z]\w*)?(?:[:=](\d+))?", gres)
    return int(resources.get("gpu", 0) or 0) or (int(found[1] or 1) if found else 0)


def dtype(wanted: str) -> str:
    """`wanted`, or for `auto` bfloat16 where this job's device is faster in it, else float32.

    A processor without it computes bfloat16 50 times slower than float32.
    """
    if wanted != "auto":
        return wanted
    return "bfloat16" if visible() or prefers_bfloat16() else "float32"


def prefers_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 faster than float32; False where not known."""
    text = CPU.read_text() if CPU.exists() else ""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.M)
    flags = set(found[1].split()) if found else set()
    return bool(flags & BFLOAT16) or (AVX512 in flags and INTEL not in text)


def present() -> list[str]:
    """Identifiers of this machine's NVIDIA GPUs, or of the parts (MIG) that they are split into.

    In the order of `nvidia-smi`, which lists them whatever a job may see; without that program
    (some containers) their numbers.
    """
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=LIST_S)
        text = done.stdout if not done.returncode else ""
    except (OSError, subprocess.SubprocessError):
        return [str(number) for number, _ in enumerate(DEV.glob("nvidia[0-9]*"))]
    found: list[list[str]] = []
    for line in text.splitlines():
        if match := re.search(r"UUID: ([\w-]+)", line):
            if line.startswith("GPU"):
                found.append([match[1]])
            elif found:
                found[-1].append(match[1])
    return [each for gpu in found for each in (gpu[1:] or gpu)]


def visible() -> list[str]:
    """Identifiers of the GPUs that this process may use, by `CUDA_VISIBLE_DEVICES`."""
    allowed = os.environ.get(VISIBLE)
    if allowed is not None and not re.search(r"\w", allowed.replace("-1", "")):
        return []
    found = present()
    if allowed is None:
        return found
    chosen: list[str] = []
    for entry in map(str.strip, allowed.split(",")):
        if entry.isdigit():
            chosen += found[int(entry) : int(entry) + 1]
        else:  # the start of an identifier is enough
            chosen += [each for each in found if entry and each.startswith(entry)][:1]
    return chosen


def for_tensors() -> str:
    """Where a job's tensors live: "cuda" where it sees a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def share(limit: int) -> None:
    """Let jobs of a run on this machine share GPUs if they may use more than there are, `limit`."""
    count = len(visible())
    os.environ[JOBS_PER_GPU] = str(max(1, -(-limit // count)) if count else 1)


@contextmanager
def reserved(count: int) -> Iterator[list[str] | None]:
    """Let this process see `count` GPUs during the block, which no other job of this user has.

    Yields their identifiers; None where Slurm has chosen them or none are known. Waits for other
    jobs to end. If the machine has fewer GPUs, all of them are visible.
    """
    before = os.environ.get(VISIBLE)
    with ExitStack() as held:
        chosen: list[str] | None = []
        if count:
            found = visible() if JOBS_PER_GPU in os.environ else []
            chosen = _locked(found, min(count, len(found)), held) if found else None
        if chosen is not None:
            os.environ[VISIBLE] = ",".join(chosen)
        try:
            yield chosen
        finally:
            if before is None:
                os.environ.pop(VISIBLE, None)
            else:
                os.environ[VISIBLE] = before


def _locked(found: list[str], count: int, held: ExitStack) -> list[str]:
    """`count` of the GPUs, locked until `held` closes; those with the fewest jobs first."""
    folder = Path(tempfile.gettempdir()) / f"faultlines-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    waits = False
    while True:
        with ExitStack() as taken:
            chosen: list[str] = []
            for place in range(int(os.environ[JOBS_PER_GPU])):
                for gpu in found:
                    if gpu in chosen or len(chosen) == count:
                        continue
                    stream = taken.enter_context((folder / f"{gpu}.{place}").open("w"))
                    try:
                        filesystem.lock(stream.fileno(), wait=False)
                    except BlockingIOError:
                        continue
                    chosen.append(gpu)
            if len(chosen) == count:
                held.push(taken.pop_all())
                return chosen
        if not waits:
            print(
                f"waiting for {count} of {len(found)} GPUs: other jobs have them", file=sys.stderr
            )
            waits = True
        time.sleep(POLL_S)
