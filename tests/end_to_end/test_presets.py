"""Every preset plans on a fresh clone: without data, models or network, in under ten seconds."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end import project
from workflow_scripts.shared.config import merged
from workflow_scripts.shared.fingerprint import ROOT

PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml") if path.stem != "try")
SECONDS = 10  # of CPU time, which other programs on the machine change little
LOADED = 2  # times as long as on an idle machine, at most


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return project.copy(tmp_path_factory.mktemp("clone"))


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["default", *PRESETS])
def test_a_preset_plans_on_a_fresh_clone(clone, preset):
    """A network that is asked would fail: the hub and the package indices are on a closed port."""
    closed = dict.fromkeys(("HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:1")
    empty = {"HOME": str(clone), "HF_HOME": str(clone / "no-hub")}
    settings = [] if preset == "default" else ["--configfile", f"presets/{preset}.yaml"]
    before = os.times()
    done = subprocess.run(
        [*project.SNAKEMAKE, "-n", "--quiet", "rules", *settings],
        cwd=clone,
        env={**os.environ, **closed, **empty},
        capture_output=True,
        text=True,
    )
    after = os.times()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "publish_report" in done.stdout + done.stderr
    seconds = sum(after[2:4]) - sum(before[2:4])  # of children
    assert seconds < SECONDS * LOADED


def test_the_presets_are_those_of_the_readme():
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    named = [preset for preset in PRESETS if f"presets/{preset}.yaml" in table]
    assert named == PRESETS == ["gpu", "overnight", "paper", "real", "smoke"]
    scales = [merged([Path(ROOT / f"presets/{preset}.yaml")])["scale"] for preset in PRESETS]
    assert scales == PRESETS
