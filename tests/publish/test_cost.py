"""What a run would need: jobs from Snakemake's plan, hours from benchmarks or a model's speed."""

import re
from collections import Counter

import pandas as pd
import pytest
from rich.console import Console

from tests.end_to_end import project
from workflow_scripts.publish import cost
from workflow_scripts.publish.workloads import Asked
from workflow_scripts.shared.workload import Part, Speed


@pytest.fixture(scope="module")
def dry_run(tmp_path_factory):
    folder = project.copy(tmp_path_factory.mktemp("cost"))
    groups = ["softmax_scores=softmax", "softmax_claims=softmax", "softmax_figures=softmax"]
    resources = ["softmax_train:gpu=2", "softmax_evaluate:gres='gpu:h200:1'"]
    scale = ["--configfile", "presets/smoke.yaml"]
    more = [*scale, "--groups", *groups, "--set-resources", *resources, "--resources", "gpu=2"]
    return project.without_jobs(folder, "-n", "softmax", *more)


def test_the_jobs_are_those_that_snakemake_counts(dry_run):
    table = re.search(r"Job stats:\n(?:.*\n){2}((?:\w+ +\d+\n)+)", dry_run)[1]
    counted = {name: int(number) for name, number in re.findall(r"(\w+) +(\d+)", table)}
    targets = {"softmax", "total"}
    found = Counter(job.rule for job in cost.jobs_of(dry_run))
    assert found == {name: number for name, number in counted.items() if name not in targets}


def test_threads_gpus_and_limits_are_those_of_the_rules(dry_run):
    jobs = {job.rule: job for job in cost.jobs_of(dry_run)}
    assert jobs["softmax_train"].gpus == 2
    assert jobs["softmax_evaluate"].gpus == 1
    assert jobs["softmax_theory"].gpus == 0
    assert jobs["softmax_train"].limit_h == 4
    assert jobs["softmax_theory"].benchmark == "logs/benchmarks/softmax_theory/theory.tsv"


def test_a_group_is_one_submission(dry_run):
    jobs = cost.jobs_of(dry_run)
    count, grouped = cost.submissions(jobs)
    assert [sorted(rules) for rules in grouped.values()] == [
        ["softmax_claims", "softmax_figures", "softmax_scores"]
    ]
    assert count == len(jobs) - 2


def job(rule, benchmark=None, threads=1, gpus=0, limit_h=2.0):
    return cost.Job(rule, None, benchmark, threads, gpus, limit_h)


def test_hours_are_the_jobs_own_or_the_mean_of_its_rule():
    hours = {"logs/benchmarks/train/a.tsv": 1.0, "logs/benchmarks/train/b.tsv": 3.0}
    jobs = [
        job("train", "logs/benchmarks/train/a.tsv", threads=4, gpus=1),
        job("train", "logs/benchmarks/train/c.tsv", threads=4, gpus=1),
        job("claims"),
    ]
    rows = cost.estimate(jobs, hours).set_index("rule")
    assert rows.loc["train", "cpu_h"] == 4 * 1.0 + 4 * 2.0
    assert rows.loc["train", "gpu_h"] == 1.0 + 2.0
    assert rows.loc["train", ["jobs", "measured"]].tolist() == [2, 1]
    assert rows.loc["train", "most_cpu_h"] == 2 * 4 * 2.0
    assert pd.isna(rows.loc["claims", "cpu_h"])
    assert rows.loc["claims", "most_gpu_h"] == 0


def test_benchmarks_are_read_as_snakemake_writes_them(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.tsv").write_text("s\th:m:s\tmax_rss\n7200.0\t2:00:00\t-\n")
    (tmp_path / "train/short.tsv").write_text("s\th:m:s\tmax_rss\n-\t-\t-\n")
    (tmp_path / "train/killed.tsv").touch()
    assert cost.measured_h(tmp_path) == {str(tmp_path / "train/a.tsv"): 2.0}


def test_a_plan_that_fails_says_why(capsys):
    assert cost.main(["no_such_target", "--workflow-profile", "none", "--cores", "1"]) == 1
    assert "no_such_target" in capsys.readouterr().out


PART = Part(
    "stochasticity_sequential", requests=1, prompts=1, prompt_tokens=3600, replies=1, reply_tokens=0
)
SPEED = Speed(0.0, 1.0, {}, {})


def entry(speed):
    return Asked("stochasticity", "mine", [PART], True, speed)


def test_a_job_of_another_model_says_nothing_about_a_models_job():
    hours = {"logs/benchmarks/stochasticity_sequential/embedded-s.tsv": 0.01}
    own = job("stochasticity_sequential", "logs/benchmarks/stochasticity_sequential/mine.tsv")
    rows = cost.estimate([own._replace(model="mine")], hours, [entry(None)])
    assert rows["cpu_h"].isna().all()
    assert rows["unknown"].tolist() == [1]


def test_a_benchmark_of_a_users_model_counts_at_the_same_scale_only():
    path = "logs/benchmarks/stochasticity_sequential/mine.tsv"
    jobs = [job("stochasticity_sequential", path)._replace(model="mine")]
    assert cost.estimate(jobs, {path: 0.25}, [entry(None)])["cpu_h"].tolist() == [0.25]
    assert cost.estimate(jobs, {path: 0.25}, [entry(None)], False)["cpu_h"].isna().all()
    measured = cost.estimate(jobs, {path: 0.25}, [entry(SPEED)], False)
    assert measured["cpu_h"].tolist() == [1.0]  # 3,600 prompt tokens at one per second


def text_of(jobs, hours, asked):
    console = Console(width=110, highlight=False)
    with console.capture() as captured:
        cost.show(jobs, hours, "paper", console, asked)
    return captured.get()


def test_the_printed_cost_does_not_reassure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    pd.DataFrame({"scale": ["default"]}).to_parquet(tmp_path / cost.SCORECARD)
    hours = {"logs/benchmarks/stochasticity_sequential/embedded-s.tsv": 0.01}
    unknown = job("stochasticity_sequential")._replace(model="mine")
    known = job("stochasticity_sequential", *hours)._replace(model="embedded-s")
    text = text_of([known, unknown], hours, [entry(None)])
    assert "0.01 + ?" in text
    assert "1 jobs without a measurement that applies" in text
    assert "Benchmarks of scale default; this plan: scale paper." in text
    assert "Warning: the hours are those of another scale" in text
    assert "Time: not measured; run make try MODEL=mine with the same ARGS." in text


def test_jobs_that_will_reach_their_time_limit_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hours = {
        f"logs/benchmarks/train/{name}.tsv": h for name, h in zip("abc", (3, 9, 1), strict=True)
    }
    jobs = [job("train", path, limit_h=2.0) for path in hours] + [job("claims")]
    row = cost.estimate(jobs, hours).set_index("rule").loc["train"]
    assert row[["over", "longest_h", "limit_h"]].tolist() == [2, 9, 2]
    text = text_of(jobs, hours, [])
    assert "train: 2 of 3 jobs; the longest is expected to take 9 h and asks for 2 h" in text
    assert "longer than they ask for" not in text_of(jobs[2:], hours, [])


def test_cost_reads_the_config_files_among_its_arguments(tmp_path):
    (tmp_path / "my.yaml").write_text("models: {mine: {source: /data/mine}}\n")
    config = cost.planned_config(["--configfile", str(tmp_path / "my.yaml"), "--cores", "2"])
    assert {"mine", "embedded-s"} <= set(config["models"])
