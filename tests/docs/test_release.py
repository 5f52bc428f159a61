"""The repository's address must be filled in before a release, in one place.

Only commits with a version tag are checked.
"""

import re
import subprocess

import pytest
import yaml

from workflow_scripts.shared.fingerprint import ROOT

PLACEHOLDER = "https://example.org/FILL-IN-BEFORE-RELEASE"
VERSION_TAG = re.compile(r"v\d")


def missing(citation, tags):
    """What a tagged commit lacks, one line each; nothing for a commit without a tag."""
    versions = [tag for tag in tags if VERSION_TAG.match(tag)]
    if not versions:
        return []
    content = yaml.safe_load(citation)
    address = content.get("repository-code", PLACEHOLDER)
    lines = []
    if address == PLACEHOLDER or not address.startswith("https://"):
        lines.append(
            f"CITATION.cff, repository-code: expected the repository's https address, found "
            f"{address}; fill it in before tagging {versions[0]}"
        )
    if content["version"] not in {version.removeprefix("v") for version in versions}:
        lines.append(
            f"CITATION.cff, version: expected {versions[0].removeprefix('v')} as tagged, found "
            f"{content['version']}"
        )
    return lines


def tags_here():
    command = ["git", "tag", "--points-at", "HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.split()  # none outside a repository


def test_a_tagged_release_names_its_repository():
    assert missing((ROOT / "CITATION.cff").read_text(encoding="utf-8"), tags_here()) == []


FILLED = "version: 1.2.0\nrepository-code: https://forge.example/lab/faultlines\n"
OPEN = f"version: 1.2.0\nrepository-code: {PLACEHOLDER}\n"


@pytest.mark.parametrize(
    ("citation", "tags", "named"),
    [
        (FILLED, ["v1.2.0"], []),
        (OPEN, ["v1.2.0"], ["repository-code"]),
        ("version: 1.2.0\n", ["v1.2.0"], ["repository-code"]),
        (FILLED, ["v1.3.0"], ["version"]),
        (OPEN, ["v1.3.0"], ["repository-code", "version"]),
        (OPEN, [], []),
        (OPEN, ["nightly"], []),
    ],
)
def test_what_is_missing_is_named_on_a_tagged_commit_only(citation, tags, named):
    found = [re.match(r"CITATION.cff, ([\w-]+):", line)[1] for line in missing(citation, tags)]
    assert found == named


def test_the_placeholder_stands_in_one_place():
    """Or nowhere, once it is filled in."""
    command = ["git", "grep", "--files-with-matches", "--fixed-strings", PLACEHOLDER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert set(done.stdout.split()) - {"tests/docs/test_release.py"} <= {"CITATION.cff"}
