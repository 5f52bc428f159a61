"""Each study's replies as it read them, from tables made by hand."""

import pandas as pd
import pytest

from workflow_scripts.inference.requests import request, table
from workflow_scripts.publish import replies
from workflow_scripts.shared import schemas, tables


def responses(requests, texts, finishes):
    fixed = {"sample": 0, "prompt_tokens": 3, "completion_tokens": 2, "model": "m", "engine": "e"}
    fixed |= {"choice_logprobs": "[]", "logprobs": "[]", "dtype": "d", "engine_version": "1"}
    given = zip(requests["request_id"], texts, finishes, strict=True)
    rows = [{"request_id": name, "text": text, "finish_reason": end} for name, text, end in given]
    return pd.DataFrame([row | fixed for row in rows])


GLASSES = {"experiment": "E2", "task": "sum", "prompting": "plain", "family": "edge", "length": 5}
DRAWS = {"target": "digit", "style": "plain", "given": ""}
CASES = {
    "glasses": (
        [GLASSES | {"truth": 5}] * 3,
        ["5", "7", "hm"],
        ["stop", "stop", "length"],
        ["5 (right)", "7 (wrong, the answer is 5)", ""],
        ["", "", "cut off"],
    ),
    "stochasticity": (
        [
            DRAWS | {"experiment": name, "batch": size}
            for name, size in (("S1", 1),) * 2 + (("S7", 3),)
        ],
        ["5", "no", "1, 2, 77"],
        ["stop"] * 3,
        ["draw 5", "", "count 3, draw 1, draw 2, draw not read: outside the support"],
        ["", "no number", ""],
    ),
}


@pytest.mark.parametrize("study", CASES)
def test_a_reply_has_its_prompt_and_what_was_read(study, tmp_path):
    conditions, texts, finishes, read_as, failures = CASES[study]
    turns = [{"role": "user", "content": "How many?"}]
    sampling = {"messages": turns, "temperature": 1.0, "max_tokens": 9, "seed": 1}
    asked = table(request(f"i{n}", **sampling, **own) for n, own in enumerate(conditions))
    paths = [tmp_path / kind / "m.parquet" for kind in ("requests", "responses", "replies")]
    tables.write(asked, paths[0], schemas.REQUESTS)
    tables.write(responses(asked, texts, finishes), paths[1], schemas.RESPONSES)
    entry = {"study": study, "model": "m", "tables": [str(path) for path in paths[:2]]}
    replies.main([entry | {"of_model": {"thinks": False}}], [str(paths[2])], {})
    found = tables.read(paths[2], schemas.READINGS)
    assert found["reply"].tolist() == texts
    assert found["read_as"].tolist() == read_as
    assert found["failure"].tolist() == failures
    assert set(found["prompt"]) == {"[user]\nHow many?"}
