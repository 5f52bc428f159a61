"""Claims on invented answers: every arm has a preset score, with small differences by seed."""

import pandas as pd
import pytest

from workflow_scripts.clrs.specs import ALGORITHMS
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared import tables
from workflow_scripts.shared.claims import Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import claims, scores

TABLE_2 = ROOT / "resources/published/transnar_ibarz2022_table2.csv"
SIZES = {"interpolation": 7, "trained": 8, "extrapolation": 10}
DEFAULT = {"text": 0.5, "hybrid": 0.8, "untrained": 0.6}
OTHERS = {
    "hybrid_sum": 0.7,
    "hybrid_gram_schmidt": 0.8,
    "hybrid_mlp": 0.9,
    "text_plain_positions": 0.3,
    "hybrid_plain_positions": 0.4,
}
LUCK = (-0.01, 0.0, 0.01)  # of seeds; reversed for every second arm


@pytest.fixture
def judged(tmp_path):
    def judge(arms, width=512, algorithms=tuple(ALGORITHMS)):
        rows = [
            {
                "arm": arm,
                "inference": "plain",
                "form": "free",
                "algorithm": "bfs",
                "nodes": nodes,
                "seed": seed,
                "item": item,
                "clrs": value + luck * (-1) ** place + (0.05 if item else -0.05),
                "shape": 1.0,
                "parse": 1.0,
                "exact": 0.0,
            }
            for place, (arm, value) in enumerate(arms.items())
            for nodes in SIZES.values()
            for seed, luck in enumerate(LUCK)
            for item in range(2)
        ]
        path, made = str(tmp_path / "answers.parquet"), tmp_path / "scores.parquet"
        tables.write(pd.DataFrame(rows), path)
        scores.main([path], [], TABLE_2, made, {}, SIZES, {})
        table = tables.read(made)
        known = claims.all_claims(TABLE_2, algorithms, width)
        found = [entry for c in known for entry in shared.judge(c, table, lambda model: None)]
        return pd.DataFrame(found).set_index("id")

    return judge


def values(entries):
    return {entry["note"].split(",")[0]: round(entry["value"], 6) for entry in entries["measured"]}


def test_merges_and_positions_are_measured_where_their_arms_are(judged):
    found = judged(DEFAULT | OTHERS)
    positions = found.loc[["N9a"]]
    assert len(positions) == 4
    assert values(positions) == {
        "text minus text_plain_positions": 0.2,
        "hybrid minus hybrid_plain_positions": 0.4,
    }
    assert set(positions["verdict"]) == {Verdict.SUPPORTED}
    capped = found.loc[["N9b"]]
    assert values(capped) == {"hybrid_plain_positions minus text_plain_positions": 0.1}
    assert set(capped["verdict"]) == {Verdict.CONTRADICTED}
    merges = found.loc[["N10"]]
    assert values(merges) == {
        "hybrid_sum minus hybrid": -0.1,
        "hybrid_mlp minus hybrid": 0.1,
        "hybrid_gram_schmidt minus hybrid": 0.0,
    }
    expected = [Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE]
    assert merges["verdict"].tolist() == [verdict for verdict in expected for _ in SIZES]


def test_small_decoders_measure_but_decide_nothing_of_them(judged):
    found = judged(DEFAULT | OTHERS, width=64, algorithms=("bfs",))
    for name in ("N9a", "N9b", "N10"):
        assert found.loc[[name], "measured"].notna().all()
        assert set(found.loc[[name], "verdict"]) == {Verdict.NOT_TESTED}


def test_without_their_arms_they_say_what_to_add(judged):
    found = judged(DEFAULT)
    for name in ("N9a", "N9b", "N10"):
        assert found.loc[name, "verdict"] == Verdict.NOT_TESTED
        assert "add to transnar.arms" in found.loc[name, "reason"]
    assert found.loc[["N1a"], "verdict"].eq(Verdict.SUPPORTED).all()


def test_further_arms_change_no_other_claim(judged):
    few, more = judged(DEFAULT), judged(DEFAULT | OTHERS)
    new = ["N9a", "N9b", "N10"]
    assert few.drop(index=new).equals(more.drop(index=new))
