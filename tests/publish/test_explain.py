"""Snakemake's reasons in short: every form, and no reason omitted."""

import pytest

from workflow_scripts.publish import explain

DRY_RUN = """
Job stats: ...
[Thu Nov 26 00:33:25 2026]
rule tiny_train:
    input: resources/a.csv, resources/b.csv
    output: results/tiny/heads/one.safetensors, results/tiny/heads/one.parquet
    log: logs/tiny_train/one.log
    jobid: 4
    reason: {reason}
    wildcards: head=one, size=small
    resources: tmpdir=/tmp, runtime=10
[Thu Nov 26 00:33:25 2026]
rule tiny_scores:
    input: results/tiny/heads/one.parquet
    output: results/tiny/scores.parquet
    jobid: 2
    reason: Missing output files: results/tiny/scores.parquet; Input files updated by another job: \
results/tiny/heads/one.parquet
[Thu Nov 26 00:33:25 2026]
localrule all:
    input: results/tiny/scores.parquet
    jobid: 0
    reason: Input files updated by another job: results/tiny/scores.parquet
"""
CHANGED = "Params have changed since last execution: Union of exclusive params before and now"
FORMS = [
    ("Forced execution", "forced by --forcerun or --force"),
    ("Missing output files: a", "missing: a"),
    ("Missing output files: a, b, c, d", "missing: a, b and 2 more"),
    ("Incomplete output files: a", "incomplete: a"),
    ("Updated input files: a, b", "newer input: a, b"),
    ("Set of input files has changed since last execution", "its set of inputs changed"),
    (
        "Software environment definition has changed since last execution",
        "its environment file changed",
    ),
    (f"{CHANGED} across all output: before: 7 now: 8 ", "setting changed: 7 → 8"),
    (
        f"{CHANGED} across all output: before: '0123456789abcdef' now: 'fedcba9876543210' ",
        "code changed",
    ),
    (
        f"{CHANGED} across all output: before: '0123456789abcdef',7 now: 8,'fedcba9876543210' ",
        "code changed, setting changed: 7 → 8",
    ),
    (
        f"{CHANGED} across all output: before: {{'a': 1, 'b': [2]}} now: {{'a': 1, 'b': [3]}} ",
        "setting changed: b [2] → [3]",
    ),
    (
        f"{CHANGED} across all output: before: <nothing exclusive> now: 8 ",
        "setting changed: <nothing exclusive> → 8",
    ),
    ("Something new in Snakemake", "Something new in Snakemake"),
]


@pytest.mark.parametrize(("reason", "short"), FORMS, ids=[short for _, short in FORMS])
def test_each_form_of_reason(reason, short):
    train, scores = explain.parse(DRY_RUN.format(reason=reason))
    assert train.name == "tiny_train [one, small]"
    assert explain.explain(train, [train, scores]) == short


def test_a_job_that_follows_names_the_rule_and_a_second_reason_stays():
    planned = explain.parse(DRY_RUN.format(reason="Forced execution"))
    said = explain.explain(planned[1], planned)
    assert said == "missing: results/tiny/scores.parquet; follows tiny_train"
    assert explain.table(planned).splitlines()[-1] == "2 jobs would run."


def test_nothing_to_run_is_said():
    assert explain.table(explain.parse("Nothing to be done")) == (
        "Nothing to run: every result is up to date."
    )
