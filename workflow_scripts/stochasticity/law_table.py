"""The table of exact laws, which `exact.py` writes and scores read."""

from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.stochasticity.draw_table import CONDITIONS, DRAWS

EXPERIMENT = "exact"

# One row per answer of non-zero probability, and two for what is not an answer: the mass outside
# the support, and the mass of spellings that were not followed.
LAWS = DataFrameSchema(
    {name: DRAWS.columns[name] for name in (*CONDITIONS, "model")}
    | {
        "part": Column(str, Check.isin(["answer", "outside", "unresolved"])),
        "answer": Column(str),  # "" for the other parts
        "probability": Column(float, Check.in_range(0, 1 + 1e-6)),
        "sequences": Column(int, Check.ge(1)),  # of tokens that the prompt's walk read
        "tokens": Column(int, Check.ge(1)),  # that passed through the model for it
    },
    coerce=True,
    name="laws",
)
