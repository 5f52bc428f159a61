"""Captions of the report quote settings: each of them must exist, since Jinja writes "" if not."""

import re

import pytest
import yaml

from workflow_scripts.shared.fingerprint import ROOT

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
CAPTIONS = sorted((ROOT / "resources/captions").rglob("*.rst"))
QUOTED = re.compile(r"snakemake\.config((?:\[(?:'[^']*'|\"[^\"]*\"|[\w.]+)\])+)")
WILDCARD = "snakemake.wildcards"


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_setting_that_a_caption_quotes_exists(path):
    for quoted in QUOTED.findall(path.read_text(encoding="utf-8")):
        place = CONFIG
        for key in re.findall(r"\[([^\]]+)\]", quoted):
            if key.startswith(WILDCARD):
                place = next(iter(place.values()))
                continue
            key = key.strip("'\"")
            place = place[int(key)] if isinstance(place, list) else place[key]
