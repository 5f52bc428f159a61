"""Benchmarks are scripts that import one another by their names; so do their tests."""

import sys

from workflow_scripts.shared.fingerprint import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
