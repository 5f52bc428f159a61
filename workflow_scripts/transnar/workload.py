"""What the study asks of a model: the decoders' test prompts (E4), none unless a model is listed.

The prompts are drawn by the workflow. Before that their length is taken from the longest of 30
drawn texts per algorithm and size, so the numbers are upper estimates.
"""

from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.inference import kinds
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.workload import Count, Part, asked

LENGTHS = ROOT / "resources/published/transnar_clrs_text_lengths.csv"
ANSWER = 0.5  # most of a text that its answer can be: a list that is sorted


def characters(algorithm: str, nodes: int) -> int:
    """Characters of the longest text of an algorithm at a size, interpolated between sizes."""
    table = pd.read_csv(LENGTHS, index_col="algorithm")
    known = {int(name.removeprefix("max_chars_n")): name for name in table.columns}
    row = table.loc[algorithm, list(known.values())].to_numpy(float)
    found = float(np.interp(nodes, list(known), row))
    beyond = max(1.0, nodes / max(known)) ** 2  # of an adjacency matrix
    return round(found * beyond)


def workload(config: dict[str, Any], name: str, count: Count) -> list[Part]:
    """The requests, with texts of the right length in place of those that are not drawn yet."""
    from workflow_scripts.transnar.requests import END, SPARE, worded

    settings = config["transnar"]
    own = kinds.asked(config, "transnar", name)
    shortest = min(settings["data"]["text_train"]["sizes"])
    rows = []
    for algorithm in settings["algorithms"]:
        solved = text(characters(algorithm, shortest))
        shown = [(solved, "")] * settings["models"]["examples"]
        for nodes in settings["data"]["text_test"]["sizes"]:
            long = characters(algorithm, nodes)
            prompts = min(settings["models"]["prompts"], settings["data"]["text_test"]["samples"])
            rows += [
                inference.request(
                    f"{algorithm} {nodes} {item}",
                    temperature=0.0,
                    max_tokens=round(ANSWER * long) + SPARE,
                    stop=(END,),
                    seed=config["seed"],
                    **worded(own["kind"], shown, text(long)),
                )
                for item in range(prompts)
            ]
    return [asked("inference_generate", rows, count)]


def text(length: int) -> str:
    """Text of so many characters, with as many numbers as CLRS-Text has."""
    return ("0.385 0.0 0.412, [1 0 " * (length // 22 + 1))[:length]
