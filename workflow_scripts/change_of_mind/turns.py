"""The design of every experiment, and the requests of both turns.

Besides the shared columns, a request has the conditions (`CONDITIONS`). Turn 2 is built from the
option chosen in turn 1. So is the advice, hence its stated accuracy is never tested.
"""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any, NamedTuple

import pandas as pd

from workflow_scripts.change_of_mind import answers, wording
from workflow_scripts.change_of_mind.wording import LETTERS, Showing, Wording
from workflow_scripts.inference import forms
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import seeds

CONDITIONS = [
    "experiment",  # E1 … E7; "first" for turn 1
    "question",
    "display",  # hidden, shown, wrong (the option not chosen), incorrect (a factually wrong one)
    "speaker",  # to whom the displayed answer is attributed: you, other
    "setting",  # fresh, or dialogue: both turns in one conversation
    "advice",  # same, opposite, neutral
    "accuracy",  # the adviser's stated accuracy, %
    "shown",  # index of the option on display, -1 for a placeholder
    "advised",  # index of the option advised, -1 for none
    "first",  # index of the option chosen in turn 1
    "first_request",
]
ADVICE = ("same", "opposite", "neutral")
# Experiment -> task, the config's count that limits its questions, displays, speaker, setting.
EXPERIMENTS: dict[str, tuple[str, str, tuple[str, ...], str, str]] = {
    "E1": ("latitude", "factorial", ("hidden", "shown"), "you", "fresh"),
    "E2": ("latitude", "controls", ("wrong", "incorrect"), "you", "fresh"),
    "E3": ("latitude", "controls", ("hidden", "shown"), "other", "fresh"),
    "E4": ("latitude", "controls", ("hidden", "shown"), "you", "dialogue"),
    "E5": ("four_options", "four_options", ("hidden", "shown"), "you", "fresh"),
    "E6": ("transfer", "transfer", ("hidden", "shown"), "you", "fresh"),
    "E7": ("sanity", "sanity", ("hidden", "shown"), "you", "fresh"),
}

# Cells that are asked at once, which limits memory: an answer and its request take 10 kB. A default
# run has fewer, because a model's batches, and thereby its last bits, depend on the block.
BLOCK_CELLS = 1 << 15
REPLY_TOKENS = 32  # room for the letter and a short sentence, besides thoughts

Cell = dict[str, Any]  # the conditions of a request


class Plan(NamedTuple):
    """Everything besides the questions that the requests depend on.

    `model` is the model's part of its draws' keys (`inference.noise`). If `choices` are sampled,
    there are `draws` replies of at most `reply_tokens` to each prompt, each ending before one of
    `stop`.
    """

    wording: Wording
    accuracies: tuple[int, ...]
    counts: dict[str, int]
    temperature: float
    seed: int
    model: str = ""
    choices: str = forms.LOGPROBS
    draws: int = 1
    reply_tokens: int = 0
    stop: tuple[str, ...] = ()

    @property
    def drawing(self) -> answers.Drawing:
        """How options are chosen."""
        return answers.Drawing(self.choices, self.temperature, self.seed, self.model)


def plan_of(
    asked: dict[str, Any],
    accuracies: tuple[int, ...],
    counts: dict[str, int],
    temperature: float,
    seed: int,
    model: str = "",
) -> Plan:
    """The plan for a model that is asked as in `asked`, which comes from `kinds.asked`."""
    choices = asked.get("choices", forms.LOGPROBS)
    plan = Plan(
        wording.of(asked["kind"], choices), accuracies, counts, temperature, seed, model, choices
    )
    if choices != forms.SAMPLED:
        return plan
    tokens = forms.budget(asked, REPLY_TOKENS)
    return plan._replace(draws=asked["draws"], reply_tokens=tokens, stop=forms.stop(asked["kind"]))


def first_turn(questions: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Requests of turn 1, one per question."""
    blank: Cell = dict.fromkeys(CONDITIONS, "") | dict.fromkeys(
        ["accuracy", "shown", "advised", "first"], -1
    )
    return inference.table(
        _request(
            f"{row['question']}/first",
            plan.wording.first(row["text"]),
            row["options"],
            plan,
            blank | {"experiment": "first", "question": row["question"]},
        )
        for row in questions.to_dict("records")
    )


def answered(
    questions: pd.DataFrame, requests: pd.DataFrame, responses: pd.DataFrame, plan: Plan
) -> dict[str, answers.Answer]:
    """The answers to requests of one turn or both, by request id."""
    options = requests["question"].map(questions.set_index("question")["options"])
    return answers.of(requests.assign(options=options), responses, plan.drawing)


def second_turn(
    questions: pd.DataFrame, requests: pd.DataFrame, responses: pd.DataFrame, plan: Plan
) -> Iterator[pd.DataFrame]:
    """Requests of turn 2 in blocks, one per cell and question, from the answers to turn 1.

    Raises `ValueError` where most of those could not be read.
    """
    ids = dict(zip(requests["question"], requests["request_id"], strict=True))
    found = answered(questions, requests, responses, plan)
    answers.refuse_unread(found, responses["model"].iloc[0], plan.choices)
    first = {question: found[name].chosen for question, name in ids.items()}
    places = cells(questions, first, plan)
    while block := list(islice(places, BLOCK_CELLS)):
        yield inference.table(
            _request(
                "/".join(str(cell[key]) for key in CONDITIONS if key != "first_request"),
                plan.wording.second(row["text"], showing(cell)),
                row["options"],
                plan,
                cell | {"first_request": ids[row["question"]]},
            )
            for row, cell in block
        )


def cells(questions: pd.DataFrame, first: dict[str, int], plan: Plan) -> Iterator[tuple[Any, Cell]]:
    """Each question with each of its cells; `first` maps a question to the chosen option.

    Questions without a choice (-1) have none.
    """
    main = questions[questions["part"] == "main"]
    for experiment, (task, count, displays, speaker, setting) in EXPERIMENTS.items():
        for row in main[main["task"] == task].head(plan.counts[count]).to_dict("records"):
            chosen = first[row["question"]]
            if chosen < 0:
                continue
            others = [k for k in range(row["options"]) if k != chosen]
            other = others[seeds.derive(plan.seed, row["question"], "other") % len(others)]
            wrong = [k for k in range(row["options"]) if k != row["right"]]
            on_display = {
                "hidden": -1,
                "shown": chosen,
                "wrong": other,
                "incorrect": wrong[seeds.derive(plan.seed, row["question"], "wrong") % len(wrong)],
            }
            advised = {"same": chosen, "opposite": other, "neutral": -1}
            same = {"experiment": experiment, "question": row["question"], "speaker": speaker}
            same |= {"setting": setting, "first": chosen}
            for display, advice, accuracy in product(displays, ADVICE, plan.accuracies):
                varied = {"display": display, "advice": advice, "accuracy": accuracy}
                options = {"shown": on_display[display], "advised": advised[advice]}
                yield row, same | varied | options


def showing(cell: Cell) -> Showing:
    """What the cell's second turn shows, in letters."""

    def letter(index: int) -> str | None:
        return LETTERS[index] if index >= 0 else None

    return Showing(
        letter(cell["shown"]),
        cell["speaker"] == "other",
        cell["accuracy"],
        letter(cell["advised"]),
        letter(cell["first"]) if cell["setting"] == "dialogue" else None,
    )


def _request(
    item: str, messages: list[dict[str, str]], options: int, plan: Plan, conditions: Cell
) -> dict[str, Any]:
    sampled = plan.choices == forms.SAMPLED
    return inference.request(
        item,
        messages=messages,
        n=plan.draws,
        temperature=plan.temperature,
        max_tokens=plan.reply_tokens,
        stop=plan.stop,
        seed=plan.seed,
        choices=() if sampled else plan.wording.options[:options],
        **conditions,
    )
