"""Every rule provides the arguments of its script's function, by name."""

import ast
import importlib
import inspect
from operator import attrgetter
from pathlib import Path

import pytest
from snakemake.api import SnakemakeApi
from snakemake.settings.types import OutputSettings, ResourceSettings

from workflow_scripts.shared.fingerprint import ROOT

GIVEN = {"provenance", "threads"}  # by the job itself


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """The rules of the default config, as Snakemake parses them."""
    folder = tmp_path_factory.mktemp("rules")
    with SnakemakeApi(OutputSettings()) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )
        yield [rule for rule in workflow._workflow.rules if rule.script]


def shell(path):
    """The call in a script's last lines: module, function, and the function that gets arguments."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "run"
            and node.args
            and ast.unparse(node.args[0]) == "snakemake"
        ):
            return ast.unparse(node.func), ast.unparse(node.args[1])
    return None


def test_names_are_those_that_the_function_takes(rules):
    checked = 0
    for rule in rules:
        path = ROOT / "rules" / Path(rule.script)
        found = shell(path.resolve())
        if not found:
            continue
        module = str(path.resolve().relative_to(ROOT)).removesuffix(".py").replace("/", ".")
        function = attrgetter(found[1])(importlib.import_module(module))
        sides = [
            set(rule.input.keys()),
            set(rule.output.keys()),
            set(rule.params.keys()),
            set(rule.wildcard_names),
        ]
        for name, parameter in inspect.signature(function).parameters.items():
            places = sum(name in side for side in sides)
            optional = name in GIVEN or parameter.default is not inspect.Parameter.empty
            assert places == 1 or (optional and not places), (
                f"{rule.name}: {name} in {places} places"
            )
        checked += 1
    assert checked > 60


def test_rule_script_and_log_have_one_name(rules):
    for rule in rules:
        folder, script = Path(rule.script).parts[-2:]
        name = f"{folder}_{script.removesuffix('.py')}"
        assert rule.name == name
        assert str(rule.log[0]).startswith(f"logs/{name}/"), rule.name
        assert rule.params["code"], rule.name
