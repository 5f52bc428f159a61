"""dm-clrs in parts: what draws trajectories, and the whole package afterwards."""

import subprocess
import sys

import pytest

from workflow_scripts.shared.fingerprint import ROOT

pytest.importorskip("absl")  # that of dm-clrs, without importing it here

PARTS = """
import sys

from workflow_scripts.clrs import package, sampling

found = package.parts()
drawn = sampling.sampler("bfs", 5, 1)
print(sampling.text("bfs", next(sampling.probes(drawn)), drawn))
"""
ALONE = (
    PARTS
    + """
assert not {"clrs", "tensorflow", "keras", "clrs._src.clrs_text"} & set(sys.modules)
"""
)
BEFORE_THE_WHOLE = (
    PARTS
    + """
import clrs

assert clrs.__version__
assert clrs.build_sampler is found.samplers.build_sampler
assert clrs.clrs_text.clrs_utils is found.text
assert sys.modules["tensorflow"].__version__
"""
)
AFTER_THE_WHOLE = (
    """
import clrs
"""
    + PARTS
    + """
assert found.samplers.build_sampler is clrs.build_sampler
assert found.probing.tf.__version__
"""
)


@pytest.mark.parametrize(
    "code", [ALONE, BEFORE_THE_WHOLE, AFTER_THE_WHOLE], ids=["alone", "before", "after"]
)
def test_parts_and_the_whole(code):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("('bfs:\\n")


def test_without_the_package(monkeypatch):
    from workflow_scripts.clrs import package

    monkeypatch.setattr(package, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="clrs"):
        package.parts.__wrapped__()
