"""Tables by name, prompts as text, conditions in words, and a reader per study that needs one."""

import json

import pandas as pd
import yaml

from workflow_scripts.inference import readings
from workflow_scripts.shared.fingerprint import ROOT


def test_tables_have_the_same_names_whether_the_model_is_the_file_or_the_folder():
    paths = ["a/requests/m.parquet", "a/responses/m.parquet", "a/models/m.parquet"]
    assert readings.by_name(paths, "m") == {
        "requests": paths[0],
        "responses": paths[1],
        "models": paths[2],
    }
    folder = "a/answers/m/requests.parquet"
    assert readings.by_name([folder], "m") == {"requests": folder}


def test_a_prompt_shows_each_turn_after_its_role_or_the_bare_text():
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert readings.prompt(json.dumps(turns), None) == "[user]\na\n\n[assistant]\nb"
    assert readings.prompt(None, "bare") == "bare"


def test_conditions_leave_out_what_is_empty():
    frame = pd.DataFrame({"task": ["sum", ""], "length": [3, -1], "seed": [None, 2]})
    found = readings.conditions(frame, ["task", "length", "seed"])
    assert found[0] == "task sum, length 3"
    assert found[1] in ("seed 2", "seed 2.0")


def test_every_study_that_asks_for_text_has_a_reader():
    """Those whose models have a reply budget in the config."""
    kinds = yaml.safe_load((ROOT / "config.yaml").read_text())["kinds"]
    asked = {
        study
        for settings in kinds.values()
        for study, own in settings.items()
        if isinstance(own, dict) and {"reply_tokens", "thought_tokens"} & set(own)
    }
    assert asked <= set(readings.studies())
    for study in readings.studies():
        assert callable(readings.reader(study))
