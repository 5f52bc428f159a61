"""The thin shell around a script when Snakemake runs it."""

import gc
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workflow_scripts.shared import locks, provenance
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

INTERRUPTED = 130  # exit status after SIGINT, as in shells
CPU_LINE = "CPU time: {:.2f} s to start, {:.2f} s to work"


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


@contextmanager
def running(snakemake: Any) -> Iterator[None]:
    """Run the block as a job: its threads, its log, and one readable line if it fails.

    Everything that the block prints, from Python or below, goes to the rule's log, whose last line
    gives the CPU time of the process before the block and in it. An exception leaves its traceback
    there and one line on the terminal; the process then ends with status 1. No two processes run a
    job with the same outputs at once; a process that waited for another one with the same work ends
    with status 0.
    """
    outputs = [str(path) for path in snakemake.output]
    with locks.only_writer(outputs, locks.identity_of(snakemake)) as done:
        if done:
            print(f"{snakemake.rule}: another job has done the same work", file=sys.stderr)
            raise SystemExit(0)
        with _logged(snakemake):
            yield
    # Nothing is left to do. Collecting garbage among everything imported, three times as the
    # interpreter ends, would take half a second of CPU time.
    gc.freeze()


@contextmanager
def _logged(snakemake: Any) -> Iterator[None]:
    set_threads(snakemake.threads)
    log = Path(str(snakemake.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.dup(2)
    start_s = cpu_s()
    with log.open("w", encoding="utf-8") as stream:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            line = f"{snakemake.rule}: {type(error).__name__}: {error} (traceback in {log})\n"
            os.write(terminal, line.encode())
            sys.stderr.flush()
            raise SystemExit(1) from error
        except KeyboardInterrupt:
            print("interrupted; run the same command again to resume", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None
        finally:
            sys.stdout.flush()
            print(CPU_LINE.format(start_s, cpu_s() - start_s), file=sys.stderr)
            sys.stderr.flush()


def cpu_s() -> float:
    """CPU time in seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


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
