"""Every claim can end in each verdict: none holds, or fails, whatever is measured.

Each study's `tests/<study>/verdicts.py` has its claims, as the rule builds them, and for each claim
and verdict the scores that give it. A claim on an exact quantity has no interval, so it is never
inconclusive. A claim that nothing in the project measures is listed with what it would need.
"""

import importlib
import re
from pathlib import Path

import pytest

from workflow_scripts.shared import claims, trace
from workflow_scripts.shared.claims import Verdict
from workflow_scripts.shared.config import paper_models
from workflow_scripts.shared.fingerprint import ROOT

STUDIES = sorted(path.parent.name for path in (ROOT / "workflow_scripts").glob("*/claims.py"))
STUDIES.remove("shared")
DECIDED = (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.INCONCLUSIVE)


def module(study):
    return importlib.import_module(f"tests.{study}.verdicts")


def claims_of(study):
    found = Path(__file__).parents[1] / study / "verdicts.py"
    return module(study).all_claims() if found.exists() else []


CLAIMS = [(study, claim) for study in STUDIES for claim in claims_of(study)]


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_its_verdicts_tested(study):
    worlds = module(study)
    ids = {claim.id for claim in worlds.all_claims()}
    assert ids
    assert not worlds.EXACT - ids
    assert not set(worlds.UNTESTED) - ids
    assert all(worlds.UNTESTED.values())


@pytest.mark.parametrize(
    ("study", "claim"), CLAIMS, ids=[f"{study}-{claim.id}" for study, claim in CLAIMS]
)
def test_each_verdict_can_occur(study, claim):
    worlds = module(study)
    evidence = claims.ModelEvidence(worlds.MODELS, study)
    if claim.id in worlds.UNTESTED:
        (entry,) = claims.judge(claim, worlds.world(claim.id, Verdict.NOT_TESTED), evidence)
        assert entry["measured"] is None
        return
    wanted = DECIDED[:2] if claim.id in worlds.EXACT else DECIDED
    for verdict in wanted:
        entries = claims.judge(claim, worlds.world(claim.id, verdict), evidence)
        assert verdict in [entry["verdict"] for entry in entries], (verdict, entries)
        if claim.id in worlds.EXACT:
            assert all(entry["measured"]["exact"] for entry in entries if entry["measured"])


@pytest.mark.parametrize(
    ("study", "claim"), CLAIMS, ids=[f"{study}-{claim.id}" for study, claim in CLAIMS]
)
def test_the_models_that_decide_a_claim_are_the_paper_s(study, claim):
    assert set(claim.models) <= set(paper_models(study))


@pytest.mark.parametrize("study", STUDIES)
def test_every_figure_that_claims_name_is_drawn_and_shows_claims_of_the_study(study):
    figures = importlib.import_module(f"workflow_scripts.{study}.claims").FIGURES
    ids = {claim.id for claim in module(study).all_claims()}
    # The texts of the rule file, not its list: this module does not run Snakemake.
    drawn = (ROOT / "rules" / f"{study}.smk").read_text()
    for name, shown in figures.items():
        assert f'"{name}"' in drawn
        assert (ROOT / f"resources/captions/{study}/{name}.rst").is_file()
        # An id stands for those with the suffix of a model, too.
        assert set(shown) <= ids | {name.partition("-")[0] for name in ids}


@pytest.mark.parametrize(
    ("study", "claim"), CLAIMS, ids=[f"{study}-{claim.id}" for study, claim in CLAIMS]
)
def test_the_code_behind_a_claim_is_found(study, claim):
    """The line of its id, and a function of the study, by a search of the text."""
    declared, *functions = trace.code(study, claim.id, claim.test)
    line = (ROOT / declared["file"]).read_text().splitlines()[declared["first"] - 1]
    assert declared["function"] == ""
    # Some ids are put together from a number, a letter and a model.
    assert f'"{claim.id}"' in line or re.search(rf'f"{re.match("[A-Z]*[0-9]+", claim.id)[0]}', line)
    for place in functions:
        text = (ROOT / place["file"]).read_text().splitlines()
        name = place["function"].rpartition(".")[2]
        assert text[place["first"] - 1].strip().startswith(("def ", "@", f"{name} = "))
        assert name in "\n".join(text[place["first"] - 1 : place["last"]])
    assert functions  # of the study, or of `shared.measurements` where that is all
