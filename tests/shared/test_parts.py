"""A job that is killed continues with the part that it was in, and ends with the same table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.cocycles import breadth
from tests.transnar import made
from workflow_scripts.clrs import evaluate as clrs_evaluate
from workflow_scripts.clrs import weights as reasoners
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.parts import Parts
from workflow_scripts.transnar import attention, evaluate, weights
from workflow_scripts.transnar.decoder import Model


def test_a_part_is_computed_once_and_has_the_same_types_when_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_text("1")
    value = {"x": np.float64(0.1), "n": np.int64(3), "nan": float("nan"), "rows": [None, "é"]}
    found = [Parts("k", ["in.txt"], code="c").get("one", lambda: value) for _ in range(2)]
    assert [type(found[0][key]) for key in ("x", "n", "nan")] == [float, int, float]
    assert repr(found[0]) == repr(found[1])
    work = Parts("k", ["in.txt"], code="c")
    assert work.get("one", lambda: 1 / 0)["x"] == 0.1
    Path("in.txt").write_text("2")
    assert Parts("k", ["in.txt"], code="c").get("one", lambda: 5) == 5
    work.clear()
    assert work.get("one", lambda: 6) == 6


def interrupted(monkeypatch, module, name, at):
    """Let the function raise at its `at`-th call, as in a kill; return the list of its calls."""
    own, calls = getattr(module, name), []

    def counted(*arguments):
        calls.append(arguments)
        if len(calls) == at:
            raise KeyboardInterrupt
        return own(*arguments)

    monkeypatch.setattr(module, name, counted)
    return calls


def test_decoders_go_on_with_the_set_of_prompts_they_were_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = str(made.data(tmp_path / "bfs.npz"))
    attention.use(np.ones(5))
    for index in range(2):
        model = Model(replace(made.SHAPE, reasoner_width=0), attention.PLAIN).eval()
        weights.write(f"{index}.safetensors", model, "text", {})
    given = {
        "models": ["0.safetensors", "1.safetensors"],
        "data": [data],
        "reasoners": [],
        "polynomial": str(ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"),
        "arm": "text",
        "algorithms": ["bfs"],
        "batch": 4,
        "seed": 1,
        "provenance": {"code": "x"},
    }
    evaluate.main(table="whole.parquet", **given)
    calls = interrupted(monkeypatch, evaluate, "ask", 4)  # the second batch of the second part
    with pytest.raises(KeyboardInterrupt):
        evaluate.main(table="again.parquet", **given)
    before = len(calls)
    evaluate.main(table="again.parquet", **given)
    assert tables.read("again.parquet").equals(tables.read("whole.parquet"))
    whole = len(tables.read("whole.parquet")) // 4
    assert len(calls) - before == whole - 2  # all batches but those of the first part
    assert not list(Path("work/transnar_evaluate").iterdir())


def test_reasoners_go_on_with_the_test_set_they_were_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = str(breadth.write(tmp_path / "bfs.npz"))
    made_data = str(made.data(tmp_path / "text.npz"))
    for index in range(2):
        reasoners.write(f"{index}.safetensors", made.reasoner(made_data), "triplet_gmpnn")
    given = {
        "models": ["0.safetensors", "1.safetensors"],
        "data": [data],
        "algorithms": ["bfs"],
        "batch": 4,
        "provenance": {"code": "x"},
    }
    clrs_evaluate.main(table="whole.parquet", **given)
    calls = interrupted(monkeypatch, clrs_evaluate, "_scored", 2)
    with pytest.raises(KeyboardInterrupt):
        clrs_evaluate.main(table="again.parquet", **given)
    before = len(calls)
    clrs_evaluate.main(table="again.parquet", **given)
    assert tables.read("again.parquet").equals(tables.read("whole.parquet"))
    assert len(calls) - before == len(tables.read("whole.parquet")["nodes"].unique()) * 2 - 1
