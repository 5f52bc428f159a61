"""Exact laws of answers, compared with 1,024 draws under each setting of the decoder.

    python benchmarks/exact_laws.py FOLDER [--kind embedded] [--dtype float32] [--drawn 64]

FOLDER holds a model. For each target of study `stochasticity`, the plain prompt: process time of
its law under all settings of config.yaml's `decoding`, and of `--drawn` draws under some of them,
from which that of 1,024 draws under all is computed. One thread. Tokens are those that pass through
the model, the prompt included once.
"""

import argparse
import json
import time
from typing import Any

import torch

from workflow_scripts.inference import decoding, engines, laws
from workflow_scripts.inference.tasks import Draw
from workflow_scripts.shared import config
from workflow_scripts.stochasticity import asking, exact, supports
from workflow_scripts.stochasticity.metrics import PAPER_DRAWS

SAMPLED = 4  # settings under which draws are timed, evenly spaced


def timed(call: Any) -> tuple[Any, float]:
    """The result, and the process time in seconds."""
    start = time.process_time()
    return call(), time.process_time() - start


def main(folder: str, kind: str, dtype: str, drawn: int) -> None:
    """Print one line per target."""
    settings = config.read_yaml("config.yaml")
    own = settings["stochasticity"]
    grid = exact.settings_of(own["decoding"])
    asked = settings["kinds"][kind]["stochasticity"] | {"kind": kind, "thinks": False}
    spec = {"source": "a folder", "engine": "transformers", "dtype": dtype, "kind": kind}
    spec |= {"date": "2026-01-01"}
    engine: Any = engines.load("bench", spec, folder)
    manner = asking.of("bench", asked, spec, folder)
    print(f"{len(grid)} settings; times for {PAPER_DRAWS} draws under each")
    for request in exact.prompts(manner, own["exact"] | {"styles": ["plain"]}, own["discrete"]):
        support = supports.of(request["target"])
        prompt = engine.encode(json.loads(request["messages"]))
        stops = json.loads(request["stop"])
        limit, least = request["max_tokens"], own["exact"]["least"]
        found, law_s = timed(
            lambda p=prompt, m=limit, t=stops, s=support, x=least: laws.law(
                engine, p, m, t, s, grid, x
            )
        )
        draw_s = tokens = 0.0
        some = grid[:: max(1, len(grid) // SAMPLED)]
        for setting in some:
            own_request = request | setting._asdict()
            engine.read([own_request])
            draws = [Draw(own_request, number) for number in range(drawn)]
            batches, took = timed(lambda d=draws: list(decoding.decode(engine, d)))
            draw_s += took
            tokens += sum(record["completion_tokens"] for batch in batches for record in batch)
        scale = PAPER_DRAWS * len(grid) / (drawn * len(some))
        print(
            f"{request['target']:24} law {law_s:7.2f} s {found.tokens:6} tokens; "
            f"draws {draw_s * scale:8.1f} s {tokens * scale:9.0f} tokens; "
            f"{draw_s * scale / law_s:6.0f} times the time, {tokens * scale / found.tokens:6.0f} "
            f"times the tokens; unresolved at most {found.unresolved.max():.1e}"
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--kind", default="embedded")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--drawn", type=int, default=64)
    main(**vars(parser.parse_args()))
