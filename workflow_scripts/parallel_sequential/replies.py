"""The attempts of one model as the study read them.

A prompt is the question; what stands before it (earlier attempts, feedback, unrelated text) follows
from the arm, and is not among the results.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.inference import readings
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, QUESTIONS
from workflow_scripts.shared import schemas, tables

CONDITION = ["question", "level", "chain", "attempt"]


def read(paths: Mapping[str, str], _: Mapping[str, Any]) -> pd.DataFrame:
    """One row per attempt (`schemas.READINGS`): its answer, and whether it is right."""
    path = paths.get("attempts") or paths["stopped"]
    attempts = tables.read(path, ATTEMPTS)
    # Arms share attempts.
    attempts = attempts.drop_duplicates(["request_id", "sample"]).reset_index(drop=True)
    questions = tables.read(Path(path).parents[1] / "questions.parquet", QUESTIONS)
    texts = questions.set_index(["domain", "question"])["text"].to_dict()
    keys = zip(attempts["domain"], attempts["question"], strict=True)
    found = zip(attempts["answer"], attempts["correct"], attempts["failure"], strict=True)
    return schemas.READINGS.validate(
        pd.DataFrame(
            {
                "experiment": attempts["domain"] + ", " + attempts["arm"],
                "condition": readings.conditions(attempts, CONDITION),
                "prompt": [texts[key] for key in keys],
                "reply": attempts["text"],
                "read_as": ["" if failure else _told(*each) for *each, failure in found],
                "failure": attempts["failure"],
            }
        )
    )


def _told(answer: str, correct: bool | None) -> str:
    said = "not graded" if pd.isna(correct) else "right" if correct else "wrong"
    return f"{answer or 'a program'} ({said})"
