"""Pretrained decoders in config, memory requests, prices and figures."""

import math
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.transnar import pretrained_models
from tests.transnar.test_models import CLRS_TEXT
from workflow_scripts.publish import pricing
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import across, figures, figures_algorithms, scores, size
from workflow_scripts.transnar.arm_names import PRETRAINED
from workflow_scripts.transnar.arms import ARMS
from workflow_scripts.transnar.contrasts import pretrained
from workflow_scripts.transnar.figures_common import LOOK, looks

SIZES = {"interpolation": 7, "trained": 8, "extrapolation": 10}


def config(names=(), **models):
    content = yaml.safe_load((ROOT / "config.yaml").read_text())
    content["models"] |= models
    content["transnar"]["pretrained"]["models"] = list(names)
    return content


@pytest.mark.parametrize(
    ("name", "spec", "problem"),
    [
        ("mine", None, r"transnar\.pretrained\.models: no entry 'mine' in models"),
        ("mine", {"engine": "vllm"}, r"'mine' runs on engine vllm; only engine transformers"),
        ("mine", {"devices": 2}, r"'mine' has devices: 2; a decoder is trained on one"),
    ],
)
def test_models_that_cannot_be_trained_are_refused_before_the_run(name, spec, problem):
    source = {"source": "owner/mine", "revision": "0" * 40, "dtype": "float32", "kind": "base"}
    known = {} if spec is None else {name: source | {"engine": "transformers"} | spec}
    with pytest.raises(config_files.ConfigError, match=problem):
        config_files.check(config([name], **known), config_files.config_checks())


def test_a_model_of_the_run_and_one_of_the_hub_may_be_named():
    source = {"source": "owner/mine-70m", "revision": "latest", "dtype": "float32", "kind": "base"}
    content = config(["mine", "embedded-s"], mine=source | {"engine": "transformers"})
    config_files.check(content, config_files.config_checks())


def test_what_is_trained_differs_from_the_other_decoders_only_where_it_is_said():
    content = config()
    content["transnar"]["pretrained"]["train"] = {"steps": 7}
    found = size.pretrained_train(content)
    assert found == content["transnar"]["train"] | {"steps": 7}
    assert all(name in ARMS for name in PRETRAINED)


def test_parameters_are_those_of_the_decoder_that_is_built(tmp_path):
    folder = Path(pretrained_models.save(tmp_path / "mine"))
    content = config(["mine"], mine={"source": str(folder), "dtype": "float32"})
    content["clrs"]["train"]["width"] = 16
    network = pretrained_models.load(str(folder))
    built = sum(value.numel() for value in network.parameters())
    vectors = [value for value in network.parameters() if value.ndim < 2]
    small = sum(value.numel() for value in vectors)
    assert built - small <= size.pretrained_parameters(content, "mine") <= built


def test_memory_and_time_grow_with_the_model_and_are_known_before_it_is_here():
    made = {}
    for name in ("owner/mine-70m", "owner/mine-135m", "owner/mine-7b"):
        spec = {"source": name, "revision": "latest", "dtype": "float32", "kind": "base"}
        content = config(["mine"], mine=spec)
        mb = size.pretrained_train_mb(content, "mine"), size.pretrained_answers_mb(content, "mine")
        hours = [
            pricing.of_pretrained(rule, {"model": "mine", "arm": "hybrid"}, gpus, content).hours
            for rule in sorted(pricing.PRETRAINED)
            for gpus in (0, 1)
        ]
        made[name] = [*mb, *hours]
        assert mb[0] > 4 * 4 * 0.07e3  # four tensors of four bytes, in MB
        content["transnar"]["pretrained"]["train"]["gpu"] = 1
        assert size.pretrained_train_mb(content, "mine") < mb[0]
    small, middle, large = made.values()
    assert all(a < b < c for a, b, c in zip(small, middle, large, strict=True))
    assert all(math.isfinite(number) for number in large)


def test_a_price_is_six_operations_per_parameter_and_token():
    spec = {"source": "owner/mine-7b", "revision": "latest", "dtype": "float32", "kind": "base"}
    content = config(["mine"], mine=spec)
    own = content["transnar"]
    own["data"]["text_train"]["sizes"] = [4]
    own["pretrained"]["train"] = {"steps": 10, "batch": 3, "seeds": 2, "recompute": False}
    found = pricing.of_pretrained(
        "transnar_pretrained_train", {"model": "mine", "arm": "text"}, 0, content
    )
    tokens = 10 * 3 * 2 * size.mean_length(content, "text_train")
    parameters = size.pretrained_parameters(content, "mine")
    assert found.hours == pytest.approx(6 * parameters * tokens / pricing.CPU_FLOPS / 3600)
    assert found.disk_gb == pytest.approx(2 * 4 * parameters / 1e9)


def answered(levels):
    """Scores of arms at these levels on one algorithm, by size, with the rows that compare them."""
    table = {}
    for arm, level in levels.items():
        for nodes in SIZES.values():
            cell = {"bfs": [[level, level], [level, level - 0.1]]}
            values = {name: pd.DataFrame(rows).to_numpy() for name, rows in cell.items()}
            for metric in ("clrs_score", "shape_score", "parse_score"):
                table[arm, "plain", "free", nodes, metric] = values
    roles = {nodes: role for role, nodes in SIZES.items()}
    rows = [
        *scores.singles(table, roles),
        *scores.pooled(table, roles),
        *scores.compared(table, roles),
        *across.rows(table, SIZES),
    ]
    return shared_scores.table([rows], scores.CONDITIONS, whole=["nodes", "steps"])


LEVELS = {"text": 0.3, "hybrid": 0.8, "text:mine": 0.4, "hybrid:mine": 0.9}


def test_rows_name_the_model_and_compare_its_two_arms_with_each_other():
    table = answered(LEVELS)
    assert set(table.loc[table["arm"] == "hybrid:mine", "model"]) == {"mine"}
    assert set(table.loc[table["arm"] == "hybrid", "model"]) == {across.DECODERS}
    assert pretrained(LEVELS) == (("hybrid:mine", "text:mine"),)
    gaps = table[table["metric"] == "clrs_score_difference"]
    assert set(zip(gaps["arm"], gaps["other"], strict=True)) == {
        ("hybrid", "text"),
        ("hybrid:mine", "text:mine"),
    }
    own = gaps[(gaps["arm"] == "hybrid:mine") & (gaps["algorithm"] == "all")]
    assert own["value"].tolist() == pytest.approx([0.5] * len(own))


def test_figures_4_to_6_have_pretrained_and_untrained_models_side_by_side(tmp_path):
    tables.write(answered(LEVELS), tmp_path / "scores.parquet", provenance={})
    given = str(tmp_path / "scores.parquet"), [], str(CLRS_TEXT), [], SIZES, {}
    data = figures.read(*given)
    drawn = figures_algorithms.clrs_scores(data)
    for panel in drawn.axes:
        bars = panel.patches
        assert [bar.get_height() for bar in bars] == pytest.approx(
            [level - 0.025 for level in LEVELS.values()]
        )
        assert [bool(bar.get_hatch()) for bar in bars] == [False, False, True, True]
        edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
        assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(edges))
    labels = drawn.axes[0].get_legend_handles_labels()[1]
    assert labels[2:] == [f"mine: {LOOK[arm].label}" for arm in PRETRAINED]
    lines = figures.scores(data).axes[0].get_legend_handles_labels()[1]
    assert set(labels) <= set(lines)
    assert list(looks(["hybrid:b", "text", "text:a"])) == ["text", "hybrid:b", "text:a"]
