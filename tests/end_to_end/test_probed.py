"""What the probe of a server found reaches the jobs that ask it."""

import json

import pytest

from tests.end_to_end.test_engines import run
from tests.inference import hostile, obliging
from tests.inference.test_probe import facts_without

RESPONSES = "results/stochasticity/responses/served.parquet"


@pytest.mark.slow
def test_a_run_refuses_what_the_probe_found_missing(tmp_path):
    probe = tmp_path / "results/models/served/probe.json"
    probe.parent.mkdir(parents=True)
    probe.write_text(json.dumps(facts_without("samplers")))
    with obliging.serving() as server:
        served = {"source": hostile.MODEL, "engine": "openai", "server": {"url": server.url}}
        mine = {"models": {"served": served}, "studies": {"stochasticity": ["served"]}}
        refused = run(tmp_path, mine, RESPONSES)
        assert server.asked == []
    assert refused.returncode
    said = " ".join((refused.stdout + refused.stderr).split())
    assert 'the probe of the server found no for "all tokens can be drawn"' in said
    assert "make probe MODEL=served ARGS=" in said
