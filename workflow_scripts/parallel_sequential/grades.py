"""Grades of the programs among one model's attempts, on CPUs and after the model was asked.

Rows that were graded to the end when a prompt depended on it keep their grades, so that a program
near a limit of time has one grade.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.inference import sandbox
from workflow_scripts.parallel_sequential import dialogue, programs
from workflow_scripts.parallel_sequential.arms import CONDITIONED, records
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, KEY, QUESTIONS, UNGRADED
from workflow_scripts.parallel_sequential.dialogue import CODE
from workflow_scripts.parallel_sequential.grading import ALL, PUBLIC, Grader
from workflow_scripts.shared import job, tables


def graded(frame: pd.DataFrame, grader: Grader) -> pd.DataFrame:
    """The same attempts, all programs tested. Hidden tests run if the public ones are passed."""
    frame = frame.reset_index(drop=True)
    code = frame[(frame["domain"] == CODE) & (frame["tested"] < ALL)]
    rows = [(row["question"], row["text"], row["finish_reason"] == "stop") for row in records(code)]
    grader.test(rows, PUBLIC)
    public = [grader.grade(CODE, *row[:2], finished=row[2], tested=PUBLIC) for row in rows]
    passing = [row for row, found in zip(rows, public, strict=True) if found.passes_weak]
    grader.test(passing, ALL)
    for at, (question, text, finished) in zip(code.index, rows, strict=True):
        found = grader.grade(CODE, question, text, finished=finished, tested=PUBLIC)
        frame.loc[at, "answer"] = found.answer
        frame.loc[at, "correct"] = found.correct
        frame.loc[at, "passes_weak"] = found.passes_weak
    return repeats(frame)


def repeats(frame: pd.DataFrame) -> pd.DataFrame:
    """The same attempts; programs state whether they do the same as the last one shown to them."""
    frame = frame.copy()
    own = frame[(frame["domain"] == CODE) & frame["accepted"] & frame["arm"].isin(CONDITIONED)]
    answers: Any = own.set_index([*KEY, "attempt"])["answer"]
    answers = answers.to_dict()
    for at, row in zip(frame.index, records(frame), strict=True):
        if row["domain"] != CODE or pd.isna(row["shown"]):
            continue
        before = (*(row[name] for name in KEY), row["attempt"] - 1)
        shown = answers.get(before, row["shown"])
        frame.loc[at, "repeats_shown"] = bool(shown) and shown == row["answer"]
    return frame


def main(
    graded_table: str | Path,
    ungraded: str | Path,
    questions: str | Path,
    asked: dict[str, Any],
    settings: Mapping[str, Any],
    threads: int = 1,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Grade one model's attempts, `threads` programs at once; write them with their grades.

    `asked` is what the model's kind is asked; `settings` is the config's section
    `parallel_sequential.code`. The provenance states what kept programs from reading files.
    """
    frame = tables.read(ungraded, UNGRADED)
    speech = {CODE: dialogue.of(asked, CODE)}
    judge = programs.of(settings, threads)
    found = graded(frame, Grader(tables.read(questions, QUESTIONS), speech, judge, 1.0, 0))
    more = {"programs_read": sandbox.reads()} if (frame["domain"] == CODE).any() else {}
    columns = list(ATTEMPTS.columns)
    tables.write(found[columns], graded_table, ATTEMPTS, {**(provenance or {}), **more})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
