"""E4: language models on the decoders' prompts, from requests to scores and figures."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.publish.test_replies import responses
from tests.transnar import made
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import (
    batches,
    figures,
    figures_algorithms,
    replies,
    requests,
    scores,
    workload,
)

SETTINGS = {"prompts": 5, "examples": 2}
BASE, CHAT = ({"kind": kind, "thinks": False} for kind in ("base", "chat"))
CLRS_TEXT = ROOT / "resources/published/transnar_clrs_text.csv"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return made.data(tmp_path_factory.mktemp("models") / "bfs.npz")


def asked(path, manner):
    tested, solved = (batches.read_all([path], ["bfs"], s) for s in ("text_test", "text_train"))
    return pd.DataFrame(requests.rows(tested, solved, manner, SETTINGS, 1)), tested, solved


def test_models_get_the_decoders_prompts_after_solved_ones(path):
    table, tested, solved = asked(path, BASE)
    assert len(table) == table["request_id"].nunique() == SETTINGS["prompts"]
    assert solved[0].nodes < solved[1].nodes
    first = zip(solved[0].questions[:2], solved[0].answers[:2], strict=True)
    shown = [question + answer.strip() + "\n\n" for question, answer in first]
    assert table["prompt"][3] == "".join(shown) + tested[0].questions[3]
    assert table["stop"].map(json.loads).tolist() == [["\n\n"]] * len(table)
    turns = json.loads(asked(path, CHAT)[0]["messages"][3])
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 2 + ["user"]
    assert turns[1]["content"] == solved[0].answers[0].strip()
    assert turns[-1]["content"] == tested[0].questions[3]
    assert (table["max_tokens"] > table["truth"].str.len()).all()


def test_no_solved_prompt_is_asked(path):
    _, tested, solved = asked(path, BASE)
    assert not {q for each in tested for q in each.questions} & {
        q for each in solved for q in each.questions
    }


def test_right_wrong_and_misshapen_replies_have_the_scores_of_the_paper(path):
    table, _, _ = asked(path, BASE)
    truths = table["truth"].tolist()
    other = truths[1].replace(truths[1][1], "9", 1)
    said = [truths[0] + "\n\nand more", other, "[0]", "no idea", "  " + truths[4] + "\n"]
    responses = pd.DataFrame({"request_id": table["request_id"], "text": said})
    graded = replies.graded(table, responses)
    share = 1 - sum(a == truths[1][1] for a in truths[1].strip("[]").split()[:1]) / 5
    assert graded["clrs_score"].tolist() == [1.0, pytest.approx(share), 0.0, 0.0, 1.0]
    assert graded["shape_score"].tolist() == [1.0, 1.0, 0.0, 0.0, 1.0]
    assert graded["parse_score"].tolist() == [1.0, 1.0, 1.0, 0.0, 1.0]
    assert graded["exact"].tolist() == [1.0, 0.0, 0.0, 0.0, 1.0]


def test_the_report_shows_a_reply_with_its_prompt_and_its_answer(path, tmp_path):
    table, _, _ = asked(path, BASE)
    said = [f" {table['truth'][0]}\n\nand more", "no idea", *table["truth"][2:]]
    paths = {kind: str(tmp_path / f"{kind}.parquet") for kind in ("requests", "responses")}
    tables.write(table, paths["requests"])
    tables.write(responses(table, said, ["stop"] * len(said)), paths["responses"])
    found = replies.read(paths, {})
    assert found["reply"].tolist() == said
    assert found["read_as"].tolist() == [table["truth"][0].strip(), "", *map(str.strip, said[2:])]
    assert found["failure"].map(bool).tolist() == [False, True, False, False, False]
    assert found["prompt"].tolist() == table["prompt"].tolist()
    assert set(found["condition"]) == {f"algorithm bfs, nodes {table['nodes'][0]}"}


def test_algorithms_count_the_same_in_a_models_mean():
    frame = pd.DataFrame(
        {
            "algorithm": ["bfs"] * 4 + ["minimum"] * 2,
            "nodes": 10,
            **{metric: [1.0, 0.0, 1.0, 0.0, 1.0, 1.0] for metric in replies.METRICS},
        }
    )
    rows = pd.DataFrame(replies.rows(frame, "mine", {10: "interpolation"}))
    rows = rows[rows["metric"] == "exact"].set_index(["algorithm", "family"])["value"]
    assert rows["bfs", "graphs"] == 0.5
    assert rows["minimum", "search"] == 1.0
    assert rows["all", "all"] == 0.75


def answers_of(truth_share):
    """Answers of two arms with these shares of right ones, on two algorithms and three sizes."""
    rows = []
    for arm, share in truth_share.items():
        for algorithm in ("bfs", "minimum"):
            for nodes in (7, 8, 10):
                for seed in range(2):
                    for item in range(10):
                        right = float(item < 10 * share)
                        place = {"arm": arm, "inference": "plain", "form": "free"}
                        place |= {"algorithm": algorithm, "nodes": nodes, "seed": seed}
                        values = dict.fromkeys(("clrs", "shape", "parse", "exact"), right)
                        rows.append(place | {"item": item} | values)
    return pd.DataFrame(rows)


def test_figures_draw_every_algorithm_and_model(path, tmp_path):
    sizes = {"interpolation": 7, "trained": 8, "extrapolation": 10}
    roles = {size: role for role, size in sizes.items()}
    cells = scores.cells(answers_of({"text": 0.3, "hybrid": 0.8}))
    frame = pd.DataFrame(
        {"algorithm": ["bfs"] * 3 + ["minimum"] * 3, "nodes": [7, 8, 10] * 2}
        | {metric: [0.0, 1.0, 0.0] * 2 for metric in replies.METRICS}
    )
    rows = [*scores.pooled(cells, roles), *replies.rows(frame, "mine", roles)]
    table = shared_scores.table([rows], scores.CONDITIONS, whole=["nodes", "steps"])
    tables.write(table, tmp_path / "scores.parquet", provenance={})
    models = {"mine": {"place": 0, "stand_in": False}}
    data = figures.read(str(tmp_path / "scores.parquet"), [], str(CLRS_TEXT), [], sizes, models)
    drawn = figures_algorithms.clrs_scores(data)
    for panel, nodes in zip(drawn.axes, sizes.values(), strict=True):
        # On the left in the project's style, which a job sets; in the middle without it.
        assert str(nodes) in panel.get_title(loc="left") + panel.get_title()
        heights = [bar.get_height() for bar in panel.patches]
        assert heights == pytest.approx([0.3, 0.3, 0.8, 0.8])
    panels = figures_algorithms.clrs_text(data).axes
    titles = [panel.get_title(loc="left") + panel.get_title() for panel in panels[:2]]
    assert titles == ["bfs", "minimum"]
    _, labels = panels[0].get_legend_handles_labels()
    assert "mine" in labels
    assert sum("published" in label for label in labels) == 3


def test_published_accuracies_are_shares_of_known_algorithms():
    known = pd.read_csv(CLRS_TEXT)
    from workflow_scripts.clrs.specs import ALGORITHMS

    assert set(known["algorithm"]) == set(ALGORITHMS)
    assert set(known["model"]) == set(figures_algorithms.PUBLISHED)
    assert known["accuracy_digitised"].dropna().between(-0.02, 1.02).all()


def test_a_model_may_be_listed_or_none(tmp_path):
    content = yaml.safe_load((ROOT / "config.yaml").read_text())
    config_files.check(content)
    content["studies"]["transnar"] = ["embedded-m"]
    config_files.check(content)
    content["studies"]["cocycles"] = ["embedded-m"]
    with pytest.raises(config_files.ConfigError, match=r"studies\.cocycles"):
        config_files.check(content)


def test_the_announced_workload_is_an_upper_estimate(path):
    table, _, _ = asked(path, BASE)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["transnar"]["data"]["text_test"] = {"sizes": [5], "samples": 8}
    config["transnar"]["data"]["text_train"] = {"sizes": [4, 5], "samples": 40}
    config["transnar"]["models"] = SETTINGS
    config["models"]["mine"] = {"source": "x/y", "kind": "base", "engine": "transformers"}
    count = SimpleNamespace(request=lambda row: len(row["prompt"]))
    (part,) = workload.workload(config, "mine", count)
    assert part.prompts == len(table)
    real = table["prompt"].str.len().sum()
    assert real <= part.prompt_tokens <= 2 * real
    assert part.reply_tokens >= 0.8 * table["max_tokens"].sum()
    assert np.isfinite(workload.characters("bfs", 41))
