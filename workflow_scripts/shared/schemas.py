"""Schemas of the tables that pass from one rule to another."""

from pandera.pandas import Check, Column, DataFrameSchema

REQUESTS = DataFrameSchema(
    {
        "request_id": Column(str, unique=True),
        "item": Column(str),
        # Exactly one of the two: chat turns as JSON, [{"role": …, "content": …}, …], or bare text.
        "messages": Column(str, nullable=True),
        "prompt": Column(str, nullable=True),
        "n": Column(int, Check.ge(1)),
        "temperature": Column(float, Check.ge(0)),
        "top_p": Column(float, Check.in_range(0, 1, include_min=False)),
        "top_k": Column(int, Check.ge(0)),  # 0 keeps every token
        "max_tokens": Column(int, Check.ge(0)),
        "stop": Column(str),  # JSON list of strings
        "seed": Column(int, Check.ge(0)),
        "choices": Column(str),  # JSON list of option strings whose log-probabilities are wanted
        "echo_logprobs": Column(bool),
    },
    coerce=True,
    name="requests",
)

# The model's end token or a stop string; max_tokens; a full context; a server's content filter.
FINISH_REASONS = ["stop", "length", "context", "filtered"]

RESPONSES = DataFrameSchema(
    {
        "request_id": Column(str),
        "sample": Column(int, Check.ge(0)),
        "text": Column(str),
        "finish_reason": Column(str, Check.isin(FINISH_REASONS)),
        "prompt_tokens": Column(int, Check.ge(0)),
        "completion_tokens": Column(int, Check.ge(0)),
        "choice_logprobs": Column(str),  # JSON list, one natural log-probability for each choice
        "logprobs": Column(str),  # JSON list, one natural log-probability for each prompt token
        "model": Column(str),
        "engine": Column(str),
        "dtype": Column(str),
        "engine_version": Column(str),
    },
    coerce=True,
    unique=["request_id", "sample"],
    name="responses",
)

SCORES = DataFrameSchema(
    {
        "experiment": Column(str),
        "model": Column(str),  # "theory" for exact computations and simulations
        "seed": Column("Int64", nullable=True),  # null where seeds are pooled
        "metric": Column(str),
        "value": Column(float, nullable=True),  # null where not defined; the study documents when
        "ci_low": Column(float, nullable=True),
        "ci_high": Column(float, nullable=True),
        "n": Column(int, Check.ge(0)),  # how many units the value and its interval are taken over
        "units": Column(str, Check.ne("")),  # what `n` counts: seeds, questions, draws, …
        "exact": Column(bool),  # counted or computed, not estimated from a sample
        "note": Column(str),  # why there is no value, or a remark; often empty
    },
    checks=[
        Check(
            lambda frame: (
                ~((frame["ci_low"] > frame["value"]) | (frame["value"] > frame["ci_high"]))
            ),
            error="ci_low <= value <= ci_high",
        ),
        Check(
            lambda frame: (
                ~frame["exact"]
                | frame["value"].isna()
                | (frame["ci_low"].eq(frame["value"]) & frame["ci_high"].eq(frame["value"]))
            ),
            error="ci_low = value = ci_high where the value is exact",
        ),
    ],
    coerce=True,
    name="scores",
)

# Replies as a study read them, for the pages of replies.
READINGS = DataFrameSchema(
    {
        "experiment": Column(str),
        "condition": Column(str),  # what distinguishes the prompt within its experiment
        "prompt": Column(str),  # chat turns as text, each after its role; or the bare text
        "reply": Column(str),
        "read_as": Column(str),  # what the study took the reply for; "" if it was not read
        "failure": Column(str),  # why it was not read; "" if it was
    },
    coerce=True,
    name="readings",
)
