"""The report of a run: Snakemake's own, one file that opens with no network."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from workflow_scripts.shared import files, job
from workflow_scripts.shared.fingerprint import ROOT


class ReportError(RuntimeError):
    """Snakemake could not make the report; the message holds its last lines."""


def main(config: dict[str, Any], targets: list[str], report: str) -> None:
    """Make the report of `targets` with captions that are fed from `config` as it was used.

    Snakemake is called within Snakemake: the outer call holds the lock of the folder, and the
    inner one only reads, so it goes without. Raises `ReportError`.
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
