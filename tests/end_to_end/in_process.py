"""Snakemake whose jobs run inside its own process, so that libraries are imported once.

    python -m tests.end_to_end.in_process <arguments of snakemake>

Rules, inputs, parameters and functions are those of a usual run. A job has no log and no
environment of its own, and is not measured.
"""

import importlib
import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import snakemake.benchmark
import snakemake.script

from workflow_scripts.shared import job

MODULE = re.compile(r"(workflow_scripts/.+)\.py$")
IN_A_PROCESS = snakemake.script.script  # as ever


def script(
    path: Any,
    basedir: Any,
    input: Any,
    output: Any,
    params: Any,
    wildcards: Any,
    threads: int,
    resources: Any,
    log: Any,
    config: Any,
    rule: str,
    *others: Any,
    **more: Any,
) -> None:
    """Call the `main` of a rule's script, as `job.run` does in a process of its own.

    Scripts of claims and figures have no `main`, and publishing calls its own differently; they
    run as ever.
    """
    found = MODULE.search(str(path))
    assert found, path
    module = importlib.import_module(found[1].replace("/", "."))
    if not hasattr(module, "main") or rule.startswith("publish_"):
        first = (path, basedir, input, output, params, wildcards, threads, resources, log, config)
        IN_A_PROCESS(*first, rule, *others, **more)
        return
    asked = SimpleNamespace(
        input=input,
        output=output,
        params=params,
        wildcards=wildcards,
        threads=threads,
        config=config,
        rule=rule,
    )
    start_s = job.cpu_s()
    module.main(**job.arguments(asked, module.main))
    names = " ".join(map(str, wildcards))
    print(f"{rule} {names}: {job.cpu_s() - start_s:.1f} s of CPU", flush=True)


def unmeasured(records: Any, path: Any, *form: Any) -> None:
    """Write an empty table of measurements."""
    del records, form
    Path(path).touch()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    snakemake.script.script = script
    snakemake.benchmark.write_benchmark_records = unmeasured
    from snakemake.cli import main  # after the change, because it imports the function

    main(sys.argv[1:])
