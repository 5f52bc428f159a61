"""What re-runs in the real workflow after a change, by dry-runs of the real rules and scripts."""

import ast
import functools
import re
from collections import defaultdict

import pytest
import yaml

from tests.end_to_end import project
from workflow_scripts.publish import explain
from workflow_scripts.shared.fingerprint import ROOT

# What `publish_replies` imports by the name of a study.
READER = re.compile(r"workflow_scripts/(?!inference|publish)\w+/replies\.py")
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "workflow_scripts").rglob("*.py"))


def test_nothing_changed_nothing_runs(tree):
    assert project.plan(tree) == []


@pytest.mark.slow
def test_comments_docstrings_and_formatting_re_run_nothing(tree):
    """Every module at once: printed again by Python, without comments and with other line
    breaks."""
    for module in MODULES:
        parsed = ast.parse((tree / module).read_text())
        for node in ast.walk(parsed):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
                node
            ):
                node.body[0] = ast.Expr(ast.Constant("Something else."))
        text = "# A remark.\n\n" + ast.unparse(parsed) + "\n\n\n# The end.\n"
        assert text != (ROOT / module).read_text()
        (tree / module).write_text(text)
    assert project.plan(tree) == []


@functools.cache
def importers():
    """Which modules import a module, by its path, found by a search of the text."""
    found = defaultdict(set)
    for path in map(str, MODULES):
        text = re.sub(
            r"\(\s*\n([^)]*)\)", lambda m: " ".join(m[1].split()), (ROOT / path).read_text()
        )
        for package, names in re.findall(
            r"^\s*from (workflow_scripts[\w.]*) import (.+)$", text, re.M
        ):
            for name in ("", *re.findall(r"\w+", names)):
                found[f"{package}.{name}".rstrip(".").replace(".", "/") + ".py"].add(path)
    return found


def scripts_reaching(module):
    """Scripts that import a module, through any number of steps."""
    reached, waiting = set(), [f"workflow_scripts/{module}"]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += importers()[path]
    return reached


def rules_of(scripts):
    """Rules that run one of the scripts."""
    found = set()
    for rules in (ROOT / "rules").glob("*.smk"):
        for rule, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", rules.read_text(), re.M):
            script = re.search(r'script:\s*"\.\./(.+?)"', body)
            if script and script[1] in scripts:
                found.add(rule)
    if any(READER.fullmatch(script) for script in scripts):
        found.add("publish_replies")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "some"),
    [
        ("softmax/figures.py", {"softmax_figures"}),
        pytest.param(
            "shared/adaptive_temperature.py",
            {"softmax_theory", "softmax_evaluate"},
            marks=pytest.mark.long,
        ),
        ("stochasticity/parsing.py", {"stochasticity_scores", "stochasticity_sequential"}),
        ("inference/sampling.py", {"inference_generate", "stochasticity_sequential"}),
        ("parallel_sequential/metrics.py", {"parallel_sequential_scores"}),
        pytest.param("models/corpora/world.py", {"models_corpus"}, marks=pytest.mark.long),
        ("shared/figures.py", {"models_curve", "softmax_figures", "stochasticity_figures"}),
        ("publish/scorecard.py", {"publish_scorecard"}),
    ],
)
def test_a_changed_line_re_runs_exactly_the_rules_that_reach_it(tree, module, some):
    """`some` was collected from the scripts by hand; the text search finds all of them."""
    expected = rules_of(scripts_reaching(module)) & project.all_rules(tree)
    assert some <= expected
    path = tree / "workflow_scripts" / module
    path.write_text(path.read_text() + "\n\ndef added(number):\n    return number + 1\n")
    assert project.changed(tree) == expected


# Differences from config.yaml, and the rules that read the setting.
SETTINGS = [
    ("softmax: {theory: {cases: 7}}", {"softmax_theory"}),
    ("softmax: {maps: {sets: 9}}", {"softmax_maps"}),
    ("stochasticity: {controls: {replicates: 99}}", {"stochasticity_controls"}),
    (
        "stochasticity: {sequential: {chains: 64, rounds: 16}}",
        {"stochasticity_sequential", "stochasticity_controls"},
    ),
    (
        "parallel_sequential: {tries: 2}",
        {"parallel_sequential_attempts", "parallel_sequential_foreign"},
    ),
    ("parallel_sequential: {copying: {random_draws: 3}}", {"parallel_sequential_copying"}),
    ("embedded: {tokenizer: {vocab_size: 500}}", {"models_tokenizer"}),
    # Figures show the training range of stand-ins beside their answers.
    (
        "embedded: {corpus: {longest: 20}}",
        {"models_corpus", "glasses_scores", "glasses_figures"},
    ),
    ("embedded: {train: {learning_rate: 1.0e-3}}", {"models_train"}),
    ("embedded: {train: {runtime_min: 1, gpu: 1}}", set()),
    ("inference: {mem_mb: 999}", set()),
    ("scale: mine", {"publish_scorecard"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("difference", "rules"), SETTINGS, ids=[text for text, _ in SETTINGS])
def test_a_changed_setting_re_runs_exactly_the_rules_that_read_it(tree, difference, rules):
    (tree / "mine.yaml").write_text(difference)
    assert project.changed(tree, "--configfile", "mine.yaml") == rules


@pytest.mark.slow
def test_one_more_model_runs_its_own_jobs_and_what_joins_the_models(tree):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    new = config["models"]["embedded-s"] | {"steps": 9}
    studies = {"stochasticity": [*config["studies"]["stochasticity"], "embedded-xs"]}
    (tree / "mine.yaml").write_text(yaml.dump({"models": {"embedded-xs": new}, "studies": studies}))
    planned = explain.plan(["--configfile", "mine.yaml"], tree)
    assert {job.name for job in planned} == {
        "models_train [embedded-xs]",
        "models_evaluate [embedded-xs]",
        "models_curve [embedded-xs]",
        "models_card [embedded-xs]",
        "stochasticity_requests [embedded-xs]",
        "inference_generate [stochasticity, embedded-xs]",
        "stochasticity_sequential [embedded-xs]",
        "stochasticity_exact [embedded-xs]",
        "stochasticity_scores",
        "stochasticity_claims",
        "stochasticity_figures",
        "publish_scorecard",
        "publish_replies",
        "publish_report",
    }


@pytest.mark.slow
def test_a_lost_result_is_made_again_and_nothing_else_than_what_follows(tree):
    (tree / "results/softmax/claims.json").unlink()
    assert project.rules(project.plan(tree)) == {
        "softmax_claims",
        "publish_scorecard",
        "publish_report",
        "all",
    }
