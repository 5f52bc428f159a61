"""Snakemake, with each script run only by the Python of its rule's own environment.

Snakemake appends its own packages to those of a script's environment, which can hide a missing
package. Here a missing package is an error.

python isolated.py ENVIRONMENTS.json Snakemake's arguments …
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

AS_JOB = Path(__file__).with_name("as_job.py")
NOTES = "FAULTLINES_TEST_ENVIRONMENTS"  # {"of": {rule: environment}, "python": {environment: path}}


def plain(value):
    """A value without Snakemake's types, so that it unpickles anywhere."""
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def named(values):
    """All values of a rule's section in order, and the named ones by name."""
    names = {}
    for name, each in values.items():
        names[name] = plain(each)
    return [plain(each) for each in values], names


def script(path, basedir, input, output, params, wildcards, threads, resources, log, config, rule,
           *others):  # fmt: skip
    """Replacement for `snakemake.script.script`."""
    notes = json.loads(os.environ[NOTES])
    environment = notes["of"][rule]
    job = {
        "input": named(input),
        "output": named(output),
        "params": named(params),
        "wildcards": named(wildcards),
        "log": named(log),
        "threads": int(threads),
        "config": plain(config),
        "rule": str(rule),
    }
    script = Path(str(basedir)) / path if not os.path.isabs(path) else Path(path)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pickle.dumps(job))
        file.flush()
        command = [notes["python"][environment], "-I", AS_JOB, notes["project"], script, file.name]
        keep = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run(list(map(str, command)), check=True, env=keep)
    with open(notes["log"], "a") as file:
        file.write(f"{environment} {rule}\n")


if __name__ == "__main__":
    import snakemake.benchmark
    import snakemake.script

    snakemake.script.script = script
    # Snakemake cannot measure a process that it did not start.
    snakemake.benchmark.write_benchmark_records = lambda records, path, *form: Path(path).touch()
    from snakemake.cli import main

    main(sys.argv[1:])
