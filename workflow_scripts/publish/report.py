"""The report of a run, written by Snakemake: one file that opens without a network."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from workflow_scripts.shared import files, job
from workflow_scripts.shared.fingerprint import ROOT


class ReportError(RuntimeError):
    """Snakemake failed to write the report; the message has its last lines."""


def main(config: dict[str, Any], targets: list[str], report: str) -> None:
    """Write the report of `targets`; captions read the `config` of the run.

    This calls Snakemake from within Snakemake. The outer call holds the folder's lock; the inner
    one only reads and takes none. Raises `ReportError`.
    """
    folder = files.work_folder("report", config=config)
    settings = folder / "config.json"
    files.write_text(settings, json.dumps(config))
    with files.atomic(report) as temporary:
        command = [sys.executable, "-m", "snakemake", *targets]
        command += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(settings)]
        command += ["--report", str(temporary), "--nolock", "--quiet"]
        result = subprocess.run(command, capture_output=True, text=True)
        sys.stderr.write(result.stdout + result.stderr)
        if result.returncode:
            last = " ".join((result.stdout + result.stderr).strip().splitlines()[-3:])
            raise ReportError(f"{Path(report).name}: {last}")


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.config,
            list(snakemake.params.targets),
            snakemake.output.report,
        )
