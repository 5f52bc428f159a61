"""Schemas of the study's own tables."""

from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.parallel_sequential.dialogue import CODE, FAILURES, MATH

QUESTIONS = DataFrameSchema(
    {
        "domain": Column(str, Check.isin([MATH, CODE])),
        "question": Column(str),
        "level": Column(str),  # of difficulty
        "text": Column(str),
        "answer": Column(str),  # of mathematics
        "kind": Column(str, Check.isin(["", "call", "stdin"])),  # how the program is tested
        "function": Column(str),  # its name, where the program is called
        "public": Column(str),  # tests as JSON: [{"input": …, "expected": …}, …]
        "hidden": Column(str),
    },
    coerce=True,
    unique=["domain", "question"],
    name="questions",
)

KEY = ["domain", "question", "arm", "chain"]
PLACE = {
    "model": Column(str),
    "domain": Column(str),
    "question": Column(str),
    "arm": Column(str),
    "chain": Column(int, Check.ge(0)),  # independent repetition of the arm
}
ATTEMPTS = DataFrameSchema(
    {
        **PLACE,
        "level": Column(str),  # of the question's difficulty
        "attempt": Column(int, Check.ge(1)),
        "retry": Column(int, Check.ge(0)),
        "accepted": Column(bool),  # False: a repeat that was redrawn
        "request_id": Column(str),  # of the response behind this row
        "sample": Column(int),
        "text": Column(str),
        "answer": Column(str),  # its name: the shortest equal answer to the question; "" for none
        "correct": Column("boolean", nullable=True),  # missing: the answer cannot be read
        "failure": Column(str, Check.isin(["", *FAILURES])),  # of reading the reply
        "repeats_shown": Column("boolean", nullable=True),  # it is the last answer of its history
        "passes_weak": Column(bool),  # verdict of the weak environment
        "finish_reason": Column(str),
        "prompt_tokens": Column(int),
        "completion_tokens": Column(int),
        "mean_logprob": Column(float, nullable=True),  # nats per token of the reply; main arms only
    },
    coerce=True,
    name="attempts",
)
# Attempts whose programs are not tested to the end.
UNGRADED = ATTEMPTS.add_columns(
    {
        "tested": Column(int, Check.isin([0, 1, 2])),  # `grading.NO_TESTS`, PUBLIC, ALL
        "shown": Column(str, nullable=True),  # the last answer of its history, where it is known
    }
)
CHOICES = DataFrameSchema(
    {
        **PLACE,  # of the answers to choose from
        "k": Column(int),  # number of attempts to choose from
        "request_id": Column(str),  # of the choice; "" if there was nothing to choose
        "text": Column(str),
        "answer": Column(str),  # "" if the reply names none of them
        "correct": Column("boolean", nullable=True),  # missing: the answer cannot be read
    },
    coerce=True,
    name="choices",
)

SIMILARITY = DataFrameSchema(
    {
        **PLACE,
        "measure": Column(str, Check.isin(["lexical", "embedding"])),
        # within: mean cosine of pairs within a set; between: that of its solutions with those of
        # other questions; share: share of all pairs within sets that fall in a bin of cosine.
        "metric": Column(str, Check.isin(["within", "between", "share"])),
        "bin": Column(float, nullable=True),  # its left edge
        "value": Column(float),
    },
    coerce=True,
    name="similarity",
)

COPYING = DataFrameSchema(
    {
        "model": Column(str),
        "metric": Column(str),
        "layer": Column("Int64", nullable=True),
        "head": Column("Int64", nullable=True),
        "ablated": Column(str),  # none, induction or random
        "draw": Column(int),  # of the random heads
        "unit": Column(str),  # question, or sequence of random tokens
        "value": Column(float),
    },
    coerce=True,
    name="copying",
)
