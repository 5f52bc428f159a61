"""Which modules may import which, checked on the imports themselves."""

import ast
import graphlib
import re
import subprocess
import sys

import pytest

from workflow_scripts.shared.fingerprint import PACKAGE, ROOT

ROOMS = {path.name for path in (ROOT / PACKAGE).iterdir() if path.is_dir()} - {"__pycache__"}
SERVING = {"shared", "models", "inference", "clrs"}
STUDIES = ROOMS - SERVING - {"publish"}
MAY_IMPORT = {
    "shared": {"shared"},
    "models": {"models", "shared"},
    "inference": {"inference", "models", "shared"},
    "clrs": {"clrs", "shared"},
    "publish": {"publish", "clrs", "inference", "models", "shared"},
} | {study: {study, *SERVING} for study in STUDIES}
HEAVY = {"torch", "transformers", "matplotlib", "scipy", "statsmodels", "sklearn", "pandera"}
MODULES = sorted((ROOT / PACKAGE).rglob("*.py"))


def imported(nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_there_is_something_to_check():
    assert {"softmax", "stochasticity"} <= STUDIES
    assert len(MODULES) > 20


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(module):
    room = module.relative_to(ROOT / PACKAGE).parts[0]
    names = imported(ast.walk(ast.parse(module.read_text())))
    used = {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
    assert used <= MAY_IMPORT[room]


def test_no_modules_import_each_other():
    """Neither directly nor through others, at the top or inside a function."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}
    graph = {
        name: set(imported(ast.walk(ast.parse(path.read_text())))) & set(names)
        for name, path in names.items()
    }
    # A name imported from a module is listed with the module's name in front.
    assert sum(map(len, graph.values())) > len(names)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize(
    "module",
    [path for path in MODULES if path.parent.name == "shared" and path.stem != "schemas"],
    ids=lambda path: path.stem,
)
def test_shared_imports_nothing_heavy_at_the_top(module):
    names = imported(ast.parse(module.read_text()).body)
    assert not {name.split(".")[0] for name in names} & HEAVY


def test_rules_import_nothing_that_snakemake_lacks():
    """So Snakemake can have its own environment, and conda creates those of the rules."""
    files = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
    text = "\n".join(path.read_text() for path in files)
    modules = sorted(set(re.findall(rf"^from ({PACKAGE}[\w.]+) import", text, re.MULTILINE)))
    assert len(modules) > 5
    lacking = dict.fromkeys({*HEAVY, "numpy", "pandas", "pyarrow"})
    code = f"import sys; sys.modules.update({lacking}); import {', '.join(modules)}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_no_machine_or_registry_is_named():
    """No path of a developer's machine, and no host of a package index, in any tracked text."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    hosts = "|".join(
        ["pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npm", "anaconda" + r"\.org"]
    )
    telling = re.compile(rf"(?<![\w.$}}])/(work|root|home/\w+)/|{hosts}")
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in {".png", ".pdf", ".parquet", ".npz"} or not path.is_file():
            continue
        found = telling.search(path.read_text(encoding="utf-8"))
        assert not found, f"{name}: {found and found[0]}"
