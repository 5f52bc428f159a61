"""E4: the decoders' test prompts as requests to a language model of the run.

The prompts are those that the decoders answer (`evaluate.py`), after a few solved ones of the same
algorithm, from the training set. A base model continues the text; others get the solved ones as
earlier turns. Replies are greedy.
"""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.inference import forms
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import job, schemas, tables
from workflow_scripts.transnar import batches
from workflow_scripts.transnar.batches import Pairs

TEST, SOLVED = "text_test", "text_train"
END = "\n\n"  # of an answer of CLRS-Text
SPARE = 16  # tokens by which a reply may exceed the characters of the longest true answer


def rows(
    tested: list[Pairs],
    solved: list[Pairs],
    asked: dict[str, Any],
    settings: dict[str, int],
    seed: int,
) -> Iterator[dict[str, Any]]:
    """One request per prompt: the first `prompts` of each set, after `examples` solved ones.

    A token has at least one character, so that the limit holds an answer in any vocabulary.
    """
    for pairs in tested:
        shown = examples(solved, pairs.algorithm, settings["examples"])
        longest = max(map(len, pairs.answers)) + SPARE
        for item, question in enumerate(pairs.questions[: settings["prompts"]]):
            yield inference.request(
                f"{pairs.algorithm} {pairs.nodes} {item}",
                temperature=0.0,
                max_tokens=forms.budget(asked, longest),
                stop=(END,) if asked["kind"] in (forms.BASE, forms.EMBEDDED) else (),
                seed=seed,
                algorithm=pairs.algorithm,
                nodes=pairs.nodes,
                truth=pairs.answers[item].strip(),
                **worded(asked["kind"], shown, question),
            )


def examples(solved: list[Pairs], algorithm: str, count: int) -> list[tuple[str, str]]:
    """Solved prompts of an algorithm: the first of its smallest set, ascending."""
    own = min((each for each in solved if each.algorithm == algorithm), key=lambda p: p.nodes)
    found = zip(own.questions[:count], own.answers[:count], strict=True)
    return [(question, answer.strip()) for question, answer in found]


def worded(kind: str, shown: list[tuple[str, str]], question: str) -> dict[str, Any]:
    """The prompt of a base model, or the turns of another one."""
    if kind in (forms.BASE, forms.EMBEDDED):
        before = "".join(asked + answer + END for asked, answer in shown)
        return {"prompt": before + question}
    turns = [
        {"role": role, "content": content}
        for pair in shown
        for role, content in zip(("user", "assistant"), pair, strict=True)
    ]
    return {"messages": [*turns, {"role": "user", "content": question}]}


def main(
    data: list[str],
    requests: str,
    algorithms: list[str],
    asked: dict[str, Any],
    settings: dict[str, int],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the requests; `data` has one file per algorithm, `settings` are `transnar.models`."""
    tested, solved = (batches.read_all(data, algorithms, split) for split in (TEST, SOLVED))
    table = inference.table(rows(tested, solved, asked, settings, seed))
    tables.write(table, requests, schemas.REQUESTS, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
