"""The study's own tables, column by column."""

from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.parallel_sequential.dialogue import CODE, MATH

QUESTIONS = DataFrameSchema(
    {
        "domain": Column(str, Check.isin([MATH, CODE])),
        "question": Column(str),
        "level": Column(str),  # of difficulty
        "text": Column(str),
        "answer": Column(str),  # of mathematics
        "kind": Column(str, Check.isin(["", "call", "stdin"])),  # how a program is tested
        "function": Column(str),  # its name, where it is called
        "public": Column(str),  # tests as JSON: [{"input": …, "expected": …}, …]
        "hidden": Column(str),
    },
    coerce=True,
    unique=["domain", "question"],
    name="questions",
)

KEY = ["domain", "question", "arm", "chain"]
ATTEMPTS = DataFrameSchema(
    {
        "model": Column(str),
        "domain": Column(str),
        "question": Column(str),
        "level": Column(str),
        "arm": Column(str),
        "chain": Column(int, Check.ge(0)),  # repetition of the arm, with draws of its own
        "attempt": Column(int, Check.ge(1)),
        "retry": Column(int, Check.ge(0)),
        "accepted": Column(bool),  # False: a repeat that was drawn again
        "request_id": Column(str),  # of the response that this row comes from
        "sample": Column(int),
        "text": Column(str),
        "answer": Column(str),  # its name: the first equal answer to the question; "" for none
        "correct": Column(bool),
        "repeats_shown": Column("boolean", nullable=True),  # the last answer in its own history
        "passes_weak": Column(bool),  # what the weak environment would say
        "finish_reason": Column(str),
        "prompt_tokens": Column(int),
        "completion_tokens": Column(int),
        "mean_logprob": Column(float, nullable=True),  # nats a token of the reply; both main arms
    },
    coerce=True,
    name="attempts",
)
CHOICES = DataFrameSchema(
    {
        "model": Column(str),
        "domain": Column(str),
        "question": Column(str),
        "arm": Column(str),  # whose answers the model chose from
        "chain": Column(int),
        "k": Column(int),  # from how many attempts
        "request_id": Column(str),  # of the choice; "" where there was nothing to choose
        "text": Column(str),
        "answer": Column(str),  # "" where it settled on none of them
        "correct": Column(bool),
    },
    coerce=True,
    name="choices",
)

SIMILARITY = DataFrameSchema(
    {
        "model": Column(str),
        "domain": Column(str),
        "arm": Column(str),
        "measure": Column(str, Check.isin(["lexical", "embedding"])),
        # within: mean cosine of pairs within a set; between: of its solutions with those of other
        # questions; share: of all pairs within sets, in a bin of cosine.
        "metric": Column(str, Check.isin(["within", "between", "share"])),
        "question": Column(str),
        "chain": Column(int),
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
