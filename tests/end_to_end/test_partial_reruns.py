"""Common changes to a finished run, each with exactly the jobs that must run after it.

docs/change_one_thing.md lists them. Changed code and settings, one more model
and a new figure style are in test_reruns.py.
"""

import os
import random
import shutil

import pytest

from tests.end_to_end import project
from workflow_scripts.publish import explain, jobs

pytestmark = pytest.mark.xdist_group("reruns")
PUBLISHED = {"publish_scorecard", "publish_report"}


def names(folder, *arguments):
    """Jobs that would run, as `rule [wildcards]`."""
    return {job.name for job in explain.plan(list(arguments), folder)}


def rules(folder, *arguments):
    return project.rules(project.plan(folder, *arguments)) - {"all"}


@pytest.mark.slow
def test_one_rule_again_runs_it_and_what_uses_its_results(tree):
    assert rules(tree, "--forcerun", "softmax_figures") == {"softmax_figures", "publish_report"}
    assert rules(tree, "--forcerun", "softmax_claims") == {"softmax_claims"} | PUBLISHED
    # With a target, what follows is left alone.
    only = ("--forcerun", "softmax_figures", "--", "results/softmax/figures/gain.png")
    assert rules(tree, *only) == {"softmax_figures"}


@pytest.mark.slow
def test_one_study_runs_itself_and_the_models_and_no_other_study(tree):
    (tree / "mine.yaml").write_text("stochasticity: {controls: {replicates: 99}}")
    mine = ("--configfile", "mine.yaml")
    assert "stochasticity_controls" in rules(tree, *mine)
    assert rules(tree, "softmax", *mine) == set()
    shutil.rmtree(tree / "results")
    planned = rules(tree, "softmax", *mine)
    needed = {"models_corpus", "models_tokenizer", "models_train"}
    assert planned - {rule for rule in planned if rule.startswith("softmax")} == needed


@pytest.mark.slow
def test_one_seed_more_trains_that_model_again_and_leaves_the_others(tree):
    (tree / "mine.yaml").write_text("softmax: {retrieval: {seeds: 11}}")
    assert names(tree, "--configfile", "mine.yaml") == PUBLISHED | {
        "softmax_train [retrieval, softmax]",
        "softmax_temperature",
        "softmax_evaluate [retrieval, softmax]",
        "softmax_maps",
        "softmax_scores",
        "softmax_claims",
        "softmax_figures",
    }


@pytest.mark.slow
def test_a_setting_changed_back_before_a_run_re_runs_nothing(tree):
    config = tree / "config.yaml"
    text = config.read_text()
    assert "cases: 200" in text
    config.write_text(text.replace("cases: 200", "cases: 201"))
    assert "softmax_theory" in rules(tree)
    config.write_text(text)
    assert rules(tree) == set()


@pytest.mark.slow
def test_a_setting_changed_back_after_a_run_re_runs_the_same_jobs(tree):
    (tree / "mine.yaml").write_text("softmax: {theory: {cases: 201}}")
    there = names(tree, "--configfile", "mine.yaml")
    project.make_up_to_date(tree, "--configfile", "mine.yaml")
    assert names(tree, "--configfile", "mine.yaml") == set()
    assert names(tree) == there != set()


def shuffle_times(folder, seed):
    """Give every file a random time within the last day, as a careless copy might."""
    draw = random.Random(seed)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            moment = path.stat().st_mtime - draw.uniform(0, 86400)
            os.utime(path, (moment, moment))


@pytest.mark.slow
def test_results_copied_with_their_times_shuffled_re_run_nothing(tree):
    """Files are compared by content, even those above Snakemake's own limit of 1 MB."""
    large = tree / project.LARGE
    assert large.stat().st_size > 1_000_000
    for folder in ("results", "logs", "resources"):
        shuffle_times(tree / folder, seed=3)
    assert rules(tree) == set()
    large.write_bytes(b"other")
    assert {"models_tokenizer", "models_train"} <= rules(tree)


@pytest.mark.slow
def test_results_copied_without_their_records_need_one_touch(tree):
    shutil.rmtree(tree / ".snakemake")
    for folder in ("results", "logs", "resources"):
        shuffle_times(tree / folder, seed=3)
    project.without_jobs(tree, "--touch", "--forceall")
    assert rules(tree) == set()
    # Touched results are not regarded as current from then on.
    (tree / "mine.yaml").write_text("softmax: {theory: {cases: 201}}")
    assert "softmax_theory" in rules(tree, "--configfile", "mine.yaml")


def must_run(ran, targets, missing):
    """Names of the jobs that must run for the targets, according to Snakemake's manual.

    A job runs if a missing output is a target or is needed by a running job, or if a running job
    writes one of its inputs.
    """
    maker = {output: job for job in ran for output in job.outputs}
    running = set()
    while True:
        needed = set(targets) | {path for job in ran if job.name in running for path in job.inputs}
        more = {maker[path].name for path in needed & set(maker) & missing}
        for job in ran:
            if any(path in maker and maker[path].name in running for path in job.inputs):
                more.add(job.name)
        if more <= running:
            return running
        running |= more


@pytest.mark.slow
def test_with_half_of_the_results_deleted_exactly_those_needed_are_made_again(tree):
    records = jobs.read_records(tree)
    # The default target's inputs, as listed by a dry-run.
    text = project.without_jobs(tree, "-n", "--forceall")
    targets = text.split("rule all:")[1].split("input: ")[1].splitlines()[0].split(", ")
    ran = jobs.behind(targets, records)
    outputs = sorted(output for job in ran for output in job.outputs)
    missing = set(random.Random(0).sample(outputs, len(outputs) // 2))
    for output in missing:
        path = tree / output
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    expected = must_run(ran, targets, missing)
    assert expected
    logs = {job.name: job.log for job in ran}
    planned = project.without_jobs(tree, "-n")
    assert {name for name, log in logs.items() if f"log: {log}\n" in planned} == expected
    project.make_up_to_date(tree)
    assert all((tree / target).exists() for target in targets)
    assert rules(tree) == set()


@pytest.mark.slow
def test_explain_says_for_each_planned_job_why_it_would_run(tree):
    (tree / "mine.yaml").write_text("softmax: {theory: {cases: 201}}")
    path = tree / "workflow_scripts/models/corpora/world.py"
    path.write_text(path.read_text() + "\n\ndef added(number):\n    return number + 1\n")
    (tree / "results/softmax/maps.parquet").unlink()
    arguments = ["--configfile", "mine.yaml", "--forcerun", "stochasticity_controls"]
    planned = explain.plan(arguments, tree)
    assert sorted(job.rule for job in planned) == sorted(
        job.rule for job in project.plan(tree, *arguments) if job.outputs
    )
    lines = explain.table(planned).splitlines()
    assert len(lines) == len(planned) + 1
    said = dict(line.split("  ", 1) for line in lines[:-1])
    said = {name.strip(): reason.strip() for name, reason in said.items()}
    assert said["softmax_theory"] == "setting changed: cases 200 → 201"
    assert said["models_corpus"] == "code changed"
    assert said["models_tokenizer"] == "follows models_corpus"
    assert said["stochasticity_controls"] == "forced by --forcerun or --force"
    assert said["softmax_figures"] == (
        "follows softmax_adaptive_models, softmax_maps, softmax_scores"
    )
    assert lines[-1] == f"{len(planned)} jobs would run."
