"""The questions of both domains: generated with exact answers, or read from files."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.models.corpora import arithmetic
from workflow_scripts.parallel_sequential import code_tasks, task_files
from workflow_scripts.parallel_sequential.contracts import QUESTIONS
from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.shared import job, seeds, tables
from workflow_scripts.shared.user_files import FileError


def sums(rng: np.random.Generator, count: int, steps: list[int]) -> Iterator[dict[str, Any]]:
    """`count` chains of sums held out from the corpus, as evenly as possible over `steps`."""
    quota = Counter(f"{steps[number % len(steps)]} steps" for number in range(count))
    seen: set[str] = set()
    while sum(quota.values()):
        made = arithmetic.conversation(rng, "held_out", max(steps), 2, 0.5)
        text, solution = made["messages"][0]["content"], made["messages"][-1]["content"]
        if quota[made["level"]] and text not in seen:
            quota[made["level"]] -= 1
            seen.add(text)
            answer = str(arithmetic.answer_in(solution))
            yield {"level": made["level"], "text": text, "answer": answer}


def table(settings: dict[str, Any], seed: int) -> pd.DataFrame:
    """All questions, from the sections `math` and `code` of the study's config."""
    math, code = settings["math"], settings["code"]
    found: dict[str, list[dict[str, Any]]] = {
        MATH: list(
            task_files.mathematics(math["file"])
            if math["file"]
            else sums(seeds.generator(seed, "sums"), math["questions"], math["steps"])
        ),
        CODE: list(
            task_files.code(code["file"], code["since"])
            if code["file"]
            else code_tasks.tasks(
                seeds.generator(seed, "code tasks"), code["questions"], code["steps"]
            )
        ),
    }
    rows = []
    for domain, asked in found.items():
        if not asked and settings[domain]["file"]:
            since = settings[domain].get("since")
            raise FileError(
                f"{settings[domain]['file']}: found no question with a contest_date from {since} "
                f"on; change parallel_sequential.{domain}.since"
            )
        chosen = asked[: settings[domain]["questions"]]
        width = len(str(len(chosen)))
        for number, each in enumerate(chosen, start=1):
            rows.append({"domain": domain, "question": f"{number:0{width}}"} | each)
    frame = pd.DataFrame(rows).reindex(columns=list(QUESTIONS.columns)).fillna("")
    return tables.check(frame, "questions", QUESTIONS)


def main(
    questions: str | Path,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the table of questions."""
    tables.write(table(settings, seed), questions, QUESTIONS, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
