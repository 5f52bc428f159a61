"""A run without some of the studies: `studies: {optimizers: null}`."""

import re

import pytest
import yaml

from workflow_scripts.shared import snakemake_internals as internals
from workflow_scripts.shared.fingerprint import ROOT

LEFT_OUT = ["perplexity", "glasses", "optimizers", "cocycles", "transnar"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("left_out")]


@pytest.fixture
def plan(tmp_path):
    """What a dry-run of the real workflow in an empty folder prints."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    changes = {
        "models": {"mine": {"source": str(tmp_path / "model")}},
        "studies": {"stochasticity": ["embedded-s", "mine"]} | dict.fromkeys(LEFT_OUT),
    }
    (tmp_path / "mine.yaml").write_text(yaml.dump(changes))

    def planned(*targets):
        given = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
        given += ["--configfile", str(tmp_path / "mine.yaml"), "--"]
        return internals.dry_run([*given, *targets])

    return planned


def test_the_default_targets_are_those_of_the_other_studies(plan):
    blocks = internals.blocks(plan("all", "archive"))
    rules = {block.rule for block in blocks}
    assert {"softmax_claims", "change_of_mind_claims", "publish_report", "publish_archive"} <= rules
    assert not [rule for rule in rules if rule.startswith(tuple(f"{name}_" for name in LEFT_OUT))]
    (answers,) = [block for block in blocks if block.rule == "publish_answers"]
    inputs = set(answers.fields["input"].split(", "))
    assert {
        "results/stochasticity/responses/mine.parquet",
        "results/stochasticity/sequential/mine.parquet",
        "results/stochasticity/scores.parquet",
    } <= inputs
    assert not [path for path in inputs if "embedded" in path or "change_of_mind" in path]


@pytest.mark.parametrize("target", ["optimizers", "results/glasses/claims.json"])
def test_a_target_of_a_study_that_is_left_out_is_refused_in_one_line(plan, target):
    with pytest.raises(internals.PlanError) as raised:
        plan(target)
    (line,) = [line for line in str(raised.value).splitlines() if "expected" in line]
    study = re.search("optimizers|glasses", target)[0]
    assert line == (
        f"{target}: expected a target of this run, found one of study {study}, which `studies: "
        f"{{{study}: null}}` in the config leaves out"
    )
