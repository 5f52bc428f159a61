"""Formatters, linters and the type checker report nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from workflow_scripts.shared.fingerprint import ROOT

BIN = Path(sys.executable).parent
COMMANDS = {
    "ruff": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "snakefmt": ["snakefmt", "--check", "Snakefile", "rules"],
    "mypy": ["mypy"],
    "snakemake --lint": ["snakemake", "--lint"],
    "docstrings": ["python", "-m", "tests.house.docstrings"],
    "dead code": ["python", "-m", "tests.house.dead_code"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_style(name):
    program, *arguments = COMMANDS[name]
    result = subprocess.run([BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
