"""Measurements of the claims at smoke scale on one machine, so that changed results are noticed.

    python -m tests.end_to_end.reference RESULTS    # after a change that is meant to change them

Results repeat on one kind of processor with one set of packages. Elsewhere training amplifies
differences of rounding, so results are not comparable.
"""

import re
import sys
from pathlib import Path

import pandas as pd
import torch

from workflow_scripts.publish.compare import KEY
from workflow_scripts.publish.compare import NUMBERS as VALUES
from workflow_scripts.shared.files import content_hash
from workflow_scripts.shared.provenance import versions

FILE = Path(__file__).with_name("smoke_claims.csv")


def made_on() -> str:
    """This processor and these packages, in words."""
    parts = [f"{name} {version}" for name, version in sorted(versions().items())]
    return ", ".join([_processor(), torch.backends.cpu.get_cpu_capability(), *parts])


def _processor() -> str:
    """Its names, numbers and features: virtual machines use one name for several kinds."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return "unknown processor"
    lines = cpuinfo.read_text().partition("\n\n")[0].splitlines()
    told = dict(re.split(r"\s*: ?", line, maxsplit=1) for line in lines)
    known = [told.get(name, "") for name in ("model name", "cpu family", "model", "stepping")]
    abilities = content_hash(sorted(told.get("flags", told.get("Features", "")).split()))[:8]
    return " ".join([*known, abilities])


def measured(results: Path) -> pd.DataFrame:
    """Every claim's measurements in a folder of results. Columns: `KEY`, `VALUES`."""
    rows = pd.read_parquet(results / "scorecard.parquet", columns=KEY + VALUES)
    rows = rows[rows["value"].notna()]
    return rows.fillna({"model": "", "condition": ""}).reset_index(drop=True)


def read() -> tuple[str, pd.DataFrame]:
    """The machine of the stored measurements, and the measurements."""
    with FILE.open() as stream:
        machine = stream.readline().removeprefix("# ").strip()
        return machine, pd.read_csv(
            stream, keep_default_na=False, na_values={v: "" for v in VALUES}
        )


if __name__ == "__main__":
    with FILE.open("w") as stream:
        stream.write(f"# {made_on()}\n")
        measured(Path(sys.argv[1])).to_csv(stream, index=False, float_format="%.6g")
