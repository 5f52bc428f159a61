"""Programs that draw run once each, apart from the model that wrote them."""

import pandas as pd
import pytest

from workflow_scripts.inference import guard
from workflow_scripts.shared import tables
from workflow_scripts.stochasticity import programs
from workflow_scripts.stochasticity.draw_table import DRAWS, UNFILTERED, WRITTEN

LIMITS = {"cpu_s": 2, "wall_s": 30, "memory_mb": 256, "output_bytes": 2000}
FENCED = "```python\n{}\n```"
DRAW = FENCED.format("import random\nprint(random.randint(0, 9))")
# Hashes differ from one fresh interpreter to the next.
HASH = FENCED.format("import sys\nprint(hash('draw') % 10)")
SEEDED = FENCED.format("import random\nrandom.seed(4)\nprint(random.randint(0, 9))")
FAILURES = {
    FENCED.format("import random\n1 / 0"): "program: error",
    FENCED.format("import random\nprint('x' * 9999)"): "program: output",
    "I cannot.": "no program",
}


@pytest.mark.parametrize("threads", [1, 2])
def test_each_program_runs_once_in_a_fresh_interpreter(tmp_path, threads):
    replies = [DRAW] * 6 + [HASH] * 12 + [SEEDED] * 2 + list(FAILURES)
    row = UNFILTERED | {"experiment": "S11", "target": "digit", "style": "free", "batch": 1}
    row |= {"model": "m", "tokens": 9, "max_tokens": 99, "finish_reason": "stop"}
    written = pd.DataFrame([row | {"text": text} for text in [*replies, DRAW]])
    written.loc[len(replies), "finish_reason"] = "length"
    tables.write(written, tmp_path / "written.parquet", WRITTEN)
    programs.main(
        tmp_path / "draws.parquet", tmp_path / "written.parquet", LIMITS, threads, {"rule": "r"}
    )
    drawn = tables.read(tmp_path / "draws.parquet", DRAWS)
    assert list(drawn["unit"]) == list(range(len(written)))
    values = drawn["value"].iloc[:20]
    assert values.between(0, 9).all()
    assert values[6:18].nunique() > 1
    assert values[18] == values[19]
    assert list(drawn["seeded"][:20].astype(bool)) == [False] * 18 + [True] * 2
    assert list(drawn["failure"].iloc[20:23]) == list(FAILURES.values())
    assert drawn["failure"].iloc[23] == "cut off"
    found = tables.provenance(tmp_path / "draws.parquet")
    assert found == {"rule": "r", "programs_read": guard.name(guard.abi())}
