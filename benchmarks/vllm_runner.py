"""Tokens per second of the runner with engine vllm, compared with vLLM's own offline call.

    python benchmarks/vllm_runner.py [--model FOLDER] [--rounds 5] [--requests 512]

The baseline is `LLM.generate` in its own process, given all prompts at once as token ids, with the
same sampling fields; it neither encodes nor decodes text. Both models stay loaded, and every round
runs both. A ratio is the median over rounds of the baseline's time over ours, and its spread is the
range: 1 means that runner, store and pipe cost nothing. `wall` is the time that a user waits; `cpu`
counts both of our processes, although they run at the same time, and hardly depends on other load
on the machine. Replies are compared before anything is timed. Needs `make vllm`. One thread each.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import comparison
from other_processes import Vllm, cpu_s
from runner import prompts

from tests.inference import tiny
from workflow_scripts.inference import engines, requests, runner, vllm_engine
from workflow_scripts.shared import job, seeds


def main(model: str | None, rounds: int, count: int) -> None:
    job.set_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the children
    if model is None:
        model = str(tiny.save(Path(tempfile.mkdtemp()), hidden=128, layers=4, head_dim=32))
    context, longest = 512, 64
    spec = {"source": model, "engine": "vllm", "dtype": "float32", "max_context": context}
    engine: Any = engines.load("bench", spec, model)
    reader: Any = engines.load(
        "reader", spec | {"engine": "transformers"}, model, batch_tokens=16384
    )
    peer = Vllm(vllm_engine.interpreter("bench", spec), model, "float32", context)
    texts = prompts(count, 60, seed=1)
    cases = {"greedy": 0.0, "sampled": 1.0}
    found_rows: list[dict[str, Any]] = []
    for case, temperature in cases.items():
        table = requests.table(
            requests.request(
                str(i), prompt=text, temperature=temperature, max_tokens=longest, seed=0
            )
            for i, text in enumerate(texts)
        )
        ends = [int(token) for token in reader.ends.nonzero()[0]]
        common = {"temperature": temperature, "max_tokens": longest, "stop_token_ids": ends}
        params = [
            common | {"detokenize": False, "seed": seeds.derive(0, name, 0)}
            for name in table["request_id"]
        ]
        ids = [reader.encode(prompt=text) for text in texts]

        def ours(table: Any = table) -> Any:
            with tempfile.TemporaryDirectory() as folder:
                return runner.generate(table, engine, folder)

        mine, theirs = ours(), peer.ask(ids, params)["tokens"]
        texts_of = [
            reader.text([token for token in tokens if token not in ends]) for tokens in theirs
        ]
        equal = sum(a == b for a, b in zip(mine["text"], texts_of, strict=True))
        print(f"{case}: {equal} of {count} replies equal")
        ratios: dict[str, list[float]] = {"wall": [], "cpu": []}
        walls: dict[str, list[float]] = {"ours": [], "peer": []}
        child = engine.child.process.pid
        for _ in range(rounds):
            wall, cpu = time.perf_counter(), time.process_time() + cpu_s(child)
            ours()
            took = {
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() + cpu_s(child) - cpu,
            }
            other = peer.ask(ids, params)["took"]
            walls["ours"].append(took["wall"])
            walls["peer"].append(other["wall"])
            for kind, found in ratios.items():
                found.append(other[kind] / took[kind])
        tokens = int(mine["completion_tokens"].sum())
        row: dict[str, Any] = {"case": case}
        row |= {
            f"{name}_tokens_per_s": round(tokens / statistics.median(seconds))
            for name, seconds in walls.items()
        }
        for kind, found in ratios.items():
            row[f"{kind}_ratio"] = round(statistics.median(found), 3)
            row[f"{kind}_spread"] = [round(min(found), 3), round(max(found), 3)]
        notes = {"rounds": rounds, "requests": count, "vllm": engine.version}
        found_rows.append(row | notes)
    comparison.report("vllm_runner", found_rows)
    engine.close()
    peer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model folder; without it, a model with random weights")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=512)
    given = parser.parse_args()
    main(given.model, given.rounds, given.requests)
