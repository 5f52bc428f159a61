"""The reference run that `make cost` starts from: what each job of a default run took.

    python -m benchmarks.costs FOLDER     # of a finished default run; writes resources/costs.csv

CPU time and peak memory are the last lines of each job's log; bytes are those of the files that
Snakemake recorded as its output.
"""

import sys
from pathlib import Path

import pandas as pd

from workflow_scripts.publish import jobs
from workflow_scripts.publish.pricing import COSTS
from workflow_scripts.shared.job import measured
from workflow_scripts.shared.snakemake_internals import TORN


def rows(folder: Path) -> pd.DataFrame:
    """One row per job: rule, job (its log without rule and ending), cpu_s, peak_mb, disk_mb."""
    found = []
    records = jobs.read_records(folder)
    for job in jobs.behind([path for path, each in records.items() if TORN not in each], records):
        log = Path(job.log)
        if taken := measured(folder / log):
            written = [file for path in job.outputs for file in jobs.files_of(folder / path)]
            size = sum(file.stat().st_size for file in written)
            found.append(
                {
                    "rule": job.rule,
                    "job": log.relative_to(f"logs/{job.rule}").with_suffix("").as_posix(),
                    "cpu_s": round(taken["cpu_s"], 1),
                    "peak_mb": round(taken["max_rss_mb"]),
                    "disk_mb": round(size / 1e6, 2),
                }
            )
    return pd.DataFrame(found).sort_values(["rule", "job"])


if __name__ == "__main__":
    rows(Path(sys.argv[1])).to_csv(COSTS, index=False)
