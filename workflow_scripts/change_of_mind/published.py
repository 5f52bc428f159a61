"""The paper's models and published numbers, as claims and figures use them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from workflow_scripts.inference import forms

# The paper's models by the names that the config uses, and their names in the published tables.
GEMMA_12B, GEMMA_27B, GPT_4O = "Gemma 3 12B", "Gemma 3 27B", "GPT-4o"
O1, DEEPSEEK = "o1-preview", "DeepSeek R1 distilled 7B"
LLAMA = "Llama 70B Instruct"  # in the journal version
IN_TABLES = {
    GEMMA_12B: "Gemma-3-12B",
    GEMMA_27B: "Gemma-3-27B",
    GPT_4O: "GPT-4o",
    O1: "o1-preview",
    DEEPSEEK: "DeepSeek-R1-distill-7B",
}
DIFFICULT = (GPT_4O, O1)  # asked with closer foils
# How the paper took the options of its models, where not by log-probability after a given start.
# GPT-4o: not known; its vendor gives the alternatives to the first token (assumed). o1-preview: it
# has no log-probabilities and no confidence (published), so by the text of its replies (inferred).
CHOICES = {GPT_4O: (forms.FIRST_TOKEN, forms.LOGPROBS), O1: (forms.SAMPLED,)}
MODEL = IN_TABLES[GEMMA_12B]  # the paper's main model
Published = dict[str, pd.DataFrame]  # tables by name: rates, scalars, oucs, …


def read_tables(paths: Sequence[str]) -> Published:
    """The tables `change_of_mind_<name>.csv` by name."""
    return {Path(path).stem.removeprefix("change_of_mind_"): pd.read_csv(path) for path in paths}


def scalar(published: Published, quantity: str, scope: str = "") -> float:
    """A number of the table of scalars, of the first scope that begins with `scope`."""
    rows = published["scalars"]
    rows = rows[(rows["quantity"] == quantity) & rows["scope"].str.startswith(scope)]
    return float(rows["value"].iloc[0])
