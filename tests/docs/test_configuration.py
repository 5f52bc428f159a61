"""docs/configuration.md agrees with config.yaml, the schemas, the units and the rules."""

import sys
from fnmatch import fnmatchcase

import pytest
import yaml

from tests.end_to_end.test_reruns import SETTINGS
from workflow_scripts.shared.fingerprint import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import configuration
import settings

PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def leaves(value, path=()):
    """Paths and values that are no mappings."""
    if not isinstance(value, dict):
        yield path, value
    else:
        for key, entry in value.items():
            yield from leaves(entry, (*path, key))


def test_the_page_is_as_written_now():
    known = configuration.known(PAGE)
    missing = [
        one.name for one in settings.settings() if not one.mapping and not known.get(one.name)
    ]
    assert missing == [], "run .venv/bin/python docs/configuration.py"
    assert configuration.page(known) == PAGE, "run .venv/bin/python docs/configuration.py"


def test_every_value_of_the_config_is_in_the_page():
    shown = {place: value for one in settings.settings() for place, value in one.values.items()}
    assert {path: shown.get(path) for path, _ in leaves(CONFIG)} == dict(leaves(CONFIG))


def test_every_comment_of_the_config_is_in_the_page():
    """Counted in config.yaml as lines with a comment, without those before the first key."""
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    found = " ".join(settings.comments(text).values()).split()
    body = text[text.index("\nscale:") :]
    lines = [line.split("# ", 1)[1] for line in body.splitlines() if "# " in line]
    assert sorted(word.strip(".") for word in found) == sorted(
        word.strip(".") for line in lines for word in line.split()
    )


def test_every_pattern_of_a_unit_is_used():
    units = yaml.safe_load((ROOT / "docs/units.yaml").read_text(encoding="utf-8"))
    names = [one.name for one in settings.settings() if one.unit]
    unused = [p for ps in units.values() for p in ps if not any(fnmatchcase(n, p) for n in names)]
    assert unused == []


@pytest.mark.parametrize(
    "name", ["softmax.theory.cases", "scale", "studies.glasses", "clrs.train.gpu"]
)
def test_another_value_of_a_setting_is_another_and_allowed(name):
    from jsonschema import Draft202012Validator

    one = next(one for one in settings.settings() if one.name == name)
    for place, new in configuration.changed(one).items():
        assert new != one.values[place]
        Draft202012Validator(one.schemas[0]).validate(new)


@pytest.mark.parametrize(("difference", "rules"), SETTINGS, ids=[text for text, _ in SETTINGS])
def test_the_rules_are_those_that_snakemake_plans_to_run_again(difference, rules):
    """tests/end_to_end/test_reruns.py changes the same settings in a finished run and plans."""
    known = configuration.known(PAGE)
    texts = [known[".".join(path)] for path, _ in leaves(yaml.safe_load(difference))]
    named = [text.partition("resources of")[0] for text in texts]
    assert {rule.strip("`; ") for text in named for rule in text.split(",")} - {"", "–"} == rules


@pytest.mark.long
def test_the_rules_that_read_each_setting_are_as_found_now():
    known = configuration.known(PAGE)
    found = configuration.found([one for one in settings.settings() if not one.mapping])
    assert {name: text for name, text in found.items() if known[name] != text} == {}
