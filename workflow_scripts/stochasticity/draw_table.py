"""The table of draws: one row per number that a model was asked for.

`part` says what a row holds: `draw` (a draw of `target`), `seed` (the number that a model made up
itself, S10), `count` (how many numbers a batched reply holds, S7) or `step` (1 where an output of a
generator is right, else 0, S8). `unit` numbers what belongs together (a reply, a chain) and
`position` counts within it, from 0. Where a reply does not state the number unambiguously, `value`
is NaN and `failure` gives the reason. A reply that did not end by itself (`finish_reason`) states
nothing: it fails as a whole, with one row for each draw that was requested.
"""

from typing import Any

from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.shared.schemas import FINISH_REASONS

# Two generators that answer in place of a model (controls.py), in the column `model`.
TRUE, RIGGED = "true generator", "rigged generator"

UNFILTERED: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "top_k": 0}  # the model as it is
CONDITIONS = ["experiment", "target", "style", "temperature", "top_p", "top_k", "batch"]
DRAWS = DataFrameSchema(
    {
        "experiment": Column(str),
        "target": Column(str),
        "style": Column(str),
        "temperature": Column(float),
        "top_p": Column(float),
        "top_k": Column(int),
        "batch": Column(int),  # draws requested in one reply, or rounds of a chain
        "model": Column(str),
        "part": Column(str, Check.isin(["draw", "seed", "count", "step"])),
        "unit": Column(int),
        "position": Column(int),
        "value": Column(float, nullable=True),
        "failure": Column(str, nullable=True),
        "given": Column(str),  # number given by the prompt or, in S10, by the model itself
        "tokens": Column(int),  # of the whole reply
        "max_tokens": Column(int),  # allowed for it; 0 for controls
        "finish_reason": Column(str, Check.isin(FINISH_REASONS)),
    },
    coerce=True,
    name="draws",
)
# Replies with programs, which have not run (S11).
WRITTEN = DataFrameSchema(
    {name: DRAWS.columns[name] for name in (*CONDITIONS, "model", "tokens", "max_tokens")}
    | {"finish_reason": DRAWS.columns["finish_reason"], "text": Column(str)},
    coerce=True,
    name="written programs",
)
