"""A fingerprint changes with what the code does, and with nothing else."""

import ast
import re

import pytest

from workflow_scripts.shared import fingerprint
from workflow_scripts.shared.fingerprint import PACKAGE, ROOT

SCRIPT = '''"""What it does."""
from workflow_scripts.shared import helper


def double(number: int) -> int:
    """Twice the number."""
    return 2 * helper.keep(number)
'''
HELPER = """def keep(number):
    from workflow_scripts.shared.deep import one
    return one * number
"""
DEEP = "one = 1\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of three modules: script -> helper -> deep, the last import inside a function."""
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    shared = tmp_path / PACKAGE / "shared"
    shared.mkdir(parents=True)
    (tmp_path / "script.py").write_text(SCRIPT)
    (shared / "helper.py").write_text(HELPER)
    (shared / "deep.py").write_text(DEEP)
    (shared / "unrelated.py").write_text("x = 1\n")
    (tmp_path / "numbers.csv").write_text("a\n1\n")
    return tmp_path


def forget():
    """As in a new process, which has only the file of known sources."""
    for name in ("_imports", "_tree_hash", "_meaning", "_known"):
        getattr(fingerprint, name).cache_clear()


def take(*paths):
    forget()
    return fingerprint.fingerprint(*(paths or ["script.py"]))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "    return", "    # a remark\n    return"),
        ("script.py", "Twice the number.", "Two times it."),
        ("script.py", '"""What it does."""\n', ""),
        ("script.py", "2 * helper.keep(number)", "(2\n            * helper.keep(number))"),
        ("workflow_scripts/shared/deep.py", "one = 1", "one = 1  # the unit"),
        ("workflow_scripts/shared/unrelated.py", "x = 1", "x = 2"),
    ],
)
def test_meaning_kept(project, file, old, new):
    before = take()
    edit(project / file, old, new)
    assert take() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "2 *", "3 *"),
        ("script.py", "number: int", "number: float"),
        ("workflow_scripts/shared/helper.py", "one * number", "number"),
        ("workflow_scripts/shared/deep.py", "one = 1", "one = 2"),
    ],
)
def test_meaning_changed(project, file, old, new):
    before = take()
    edit(project / file, old, new)
    assert take() != before


def test_a_data_file_counts_by_its_bytes(project):
    before = take("script.py", "numbers.csv")
    assert before != take()
    edit(project / "numbers.csv", "1", "2")
    assert take("script.py", "numbers.csv") != before


def test_known_sources_are_not_parsed_again_and_a_spoilt_store_is_no_harm(project, monkeypatch):
    before = take()
    (store,) = (project / "work").iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(fingerprint, "_parse", None)
        assert take() == before
    store.write_text('{"cut sho')
    assert take() == before
    store.unlink()
    (project / "work").rmdir()
    (project / "work").touch()  # so that nothing can be kept
    assert take() == before


def test_cycles_end(project):
    deep = project / PACKAGE / "shared" / "deep.py"
    deep.write_text("import workflow_scripts.shared.helper as back\none = 1\n")
    assert take() == take()


def test_a_relative_import_is_refused(project):
    edit(project / "script.py", "from workflow_scripts.shared import", "from . import")
    with pytest.raises(SyntaxError, match="relative import"):
        take()


def test_every_rule_fingerprints_its_own_script():
    for rules in (ROOT / "rules").glob("*.smk"):
        text = rules.read_text()
        scripts = re.findall(r'script:\s*"\.\./(.+?)"', text)
        marks = re.findall(r'fingerprint\(\s*"(.+?\.py)"', text)
        assert sorted(scripts) == sorted(marks), rules.name


def test_every_project_import_is_found():
    """Imports by text search, an independent count, are all among the parsed ones."""
    forget()
    for module in (ROOT / PACKAGE).rglob("*.py"):
        found = {path.stem for path in fingerprint._imports(module)}
        for node in ast.parse(module.read_text()).body:
            line = ast.unparse(node)
            for folder, names in re.findall(r"^from workflow_scripts\.(\w+) import (.+)$", line):
                for name in re.split(r",\s*", names):
                    stem = name.split(" as ")[0]
                    if (ROOT / PACKAGE / folder / f"{stem}.py").exists():
                        assert stem in found, f"{module}: {line}"
