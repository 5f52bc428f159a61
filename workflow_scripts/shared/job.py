"""The thin shell around a script when Snakemake runs it."""

import contextlib
import gc
import inspect
import os
import re
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workflow_scripts.shared import devices, locks, provenance, terminal_text
from workflow_scripts.shared.fingerprint import ROOT

# The one list of variables that size a thread pool; Snakemake's own list lacks some of them.
POOLS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TORCH_NUM_THREADS",
    "RAYON_NUM_THREADS",
)

MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # unit of `ru_maxrss`
INHERITED = 1.05  # a child's peak up to this factor may be its parent's, counted less exactly
INTERRUPTED = 130  # exit status after SIGINT, as in shells
CPU_LINE = "CPU time: {:.2f} s to start, {:.2f} s to work"
MEMORY_LINE = "Peak memory: {:.0f} MB"
MEASURED = re.compile(
    "\n".join((MEMORY_LINE, CPU_LINE))
    .replace("{:.0f}", r"(?P<max_rss_mb>\d+)")
    .replace("{:.2f}", r"(?P<start_s>[\d.]+)", 1)
    .replace("{:.2f}", r"(?P<work_s>[\d.]+)")
    + r"\n?\Z"
)


def export_python_path() -> None:
    """Let the scripts of every job import `workflow_scripts`, whatever environment they run in."""
    os.environ["PYTHONPATH"] = str(ROOT)


def growing(amount: int | Callable[[Any], int]) -> Callable[[Any, int], int]:
    """Memory or time for a job: twice the amount at each further attempt.

    `amount` is a number, or a function of the wildcards.
    """

    def asked(wildcards: Any, attempt: int) -> int:
        first = amount(wildcards) if callable(amount) else amount
        return first * 2 ** (attempt - 1)

    return asked


def project_file(path: str) -> str:
    """A file of the project as seen from the working directory, so that moving re-runs nothing."""
    return os.path.relpath(ROOT / path)


def run(snakemake: Any, main: Callable[..., None]) -> None:
    """Run a script's `main` as a job, with the rule's values of the same names as arguments."""
    with running(snakemake):
        main(**arguments(snakemake, main))


def arguments(snakemake: Any, function: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of `function` that a rule provides, by parameter name.

    A parameter takes the input, output, setting under `params` or wildcard of its name;
    `provenance` and `threads` come from the job. Other values of the rule are ignored. Raises
    `TypeError` for a parameter that the rule does not name, or names twice.
    """
    sources = {
        kind: dict(getattr(snakemake, kind).items())
        for kind in ("input", "output", "params", "wildcards")
    }
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        places = [kind for kind, known in sources.items() if name in known]
        if len(places) > 1:
            raise TypeError(f"rule {snakemake.rule}: {name} is in both {' and '.join(places)}")
        if places:
            value = sources[places[0]][name]
            found[name] = list(value) if isinstance(value, list) else value
        elif name == "provenance":
            found[name] = provenance.of(snakemake)
        elif name == "threads":
            found[name] = snakemake.threads
        elif parameter.default is inspect.Parameter.empty:
            raise TypeError(
                f"rule {snakemake.rule}: {function.__name__} expects {name}, which is not an "
                "input, output, setting or wildcard of the rule"
            )
    return found


@contextlib.contextmanager
def running(snakemake: Any) -> Iterator[None]:
    """Run the block as a job: its threads, GPUs, log, and one readable line if it fails.

    Everything that the block prints, from Python or below, goes to the rule's log, whose last lines
    give its peak memory and the CPU time before the block and in it. An exception leaves its
    traceback there and one line on the terminal; the process then ends with status 1. No two
    processes run a job with the same outputs at once; a process that waited for another one with
    the same work ends with status 0.
    """
    outputs = [str(path) for path in snakemake.output]
    with locks.only_writer(outputs, locks.identity_of(snakemake)) as done:
        if done:
            print(f"{snakemake.rule}: another job has done the same work", file=sys.stderr)
            raise SystemExit(0)
        gpus = devices.asked(getattr(snakemake, "resources", {}))
        with _logged(snakemake), devices.reserved(gpus):
            yield
    # Nothing is left to do. Collecting garbage among everything imported, three times as the
    # interpreter ends, would take half a second of CPU time.
    gc.freeze()


@contextlib.contextmanager
def _logged(snakemake: Any) -> Iterator[None]:
    set_threads(snakemake.threads)
    log = Path(str(snakemake.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal, encoding = os.dup(2), sys.stderr.encoding
    start_s = cpu_s()
    with log.open("w", encoding="utf-8") as stream:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        terminal_text.tolerate("utf-8")
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            line = f"{snakemake.rule}: {type(error).__name__}: {error} (traceback in {log})\n"
            os.write(terminal, line.encode(encoding, errors="replace"))
            sys.stderr.flush()
            raise SystemExit(1) from error
        except KeyboardInterrupt:
            print("interrupted; run the same command again to resume", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None
        finally:
            sys.stdout.flush()
            print(MEMORY_LINE.format(peak_mb()), file=sys.stderr)
            print(CPU_LINE.format(start_s, cpu_s() - start_s), file=sys.stderr)
            sys.stderr.flush()


def cpu_s() -> float:
    """CPU time in seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def peak_mb() -> float:
    """Peak resident memory in MB (2^20 bytes) of this process and of its children that have ended.

    The kernel's own peaks, not samples. The largest child counts on top of this process if its peak
    is higher. Otherwise it cannot be told apart: a child's peak starts at that of its parent.
    """
    own, child = (
        resource.getrusage(who).ru_maxrss * MAXRSS_BYTES / 2**20
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    with contextlib.suppress(OSError):  # Linux; `ru_maxrss` starts with the peak of Snakemake
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        own = int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 2**10  # type: ignore[index]
    return own + child if child > INHERITED * own else own


def measured(log: str | Path) -> dict[str, float]:
    """What the last lines of a job's log say: `cpu_s`, `max_rss_mb`; empty without them."""
    try:
        text = Path(log).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found = MEASURED.search(text)
    if found is None:
        return {}
    cpu_s = float(found["start_s"]) + float(found["work_s"])
    return {"cpu_s": cpu_s, "max_rss_mb": float(found["max_rss_mb"])}


def set_threads(threads: int) -> None:
    """Size every thread pool of this process and of its children to `threads`."""
    for variable in POOLS:
        os.environ[variable] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)
    elif "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
