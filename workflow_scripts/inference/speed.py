"""A measured minute: how fast a model reads prompts and writes replies on this machine.

    python -m workflow_scripts.inference.speed config.json mine speed.json --seconds 60

The requests are those of the config's studies. Their replies are not kept. On a CPU, seconds are
those of CPU time, so that other programs on the machine count for little.
"""

import time

START_S = time.perf_counter()  # before the libraries are loaded, as in every job

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
from collections.abc import Callable, Iterable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from workflow_scripts.inference import engines, kinds  # noqa: E402
from workflow_scripts.inference import requests as inference  # noqa: E402
from workflow_scripts.models.registry import checkpoint  # noqa: E402
from workflow_scripts.shared import files, workload  # noqa: E402
from workflow_scripts.shared.workload import Part, Speed  # noqa: E402

Clock = Callable[[], float]

READING = 0.25  # share of the time for prompts
MOST_PROMPTS = 512
FEW, MANY = 4, 64  # replies drawn at once; the time of a step grows with their number
STEPS = 8  # tokens of each
SEEN = 16  # replies per rule whose length is seen


def measure(config: dict[str, Any], name: str, seconds: float) -> Speed:
    """Load the model, score and draw for about `seconds`, and return what was measured.

    Raises `EngineError` if the model cannot be loaded.
    """
    studies = [study for study in workload.studies() if name in (config["studies"][study] or ())]
    options = {"batch_tokens": config["inference"]["batch_tokens"]}
    spec = kinds.serving(config, studies[0], name)
    engine: Any = engines.load(name, spec, checkpoint(config["models"], name), **options)
    clock = _clock(engine)
    load_s = time.perf_counter() - START_S if clock is time.perf_counter else clock()
    asked = {study: workload.parts_of(config, study, name) for study in studies}
    begin_s = time.perf_counter()
    drawing = [
        (study, part)
        for study, parts in asked.items()
        for part in parts
        if part.reply_tokens and part.examples
    ]
    examples = [example for parts in asked.values() for part in parts for example in part.examples]
    clock_s = clock()
    steps = _step(engine, examples[0], clock)
    waiting = (time.perf_counter() - begin_s) / (clock() - clock_s)  # 1 on an idle machine
    prompt_rate = _read(engine, examples, clock, seconds * READING / waiting)
    left_s = max(seconds - (time.perf_counter() - begin_s), seconds / 3)
    replies: dict[str, dict[str, Any]] = {}
    for place, (study, part) in enumerate(drawing):
        engine.spec = kinds.serving(config, study, name)  # with or without thoughts
        if part.thinks:
            engine.spec["thinking"] = True
        begun_s = time.perf_counter()
        budget_s = left_s / (len(drawing) - place) / waiting
        found = _lengths(engine, part, steps, budget_s)
        found["rate"] = round(_rate(part, options["batch_tokens"], steps), 2)
        replies[workload.key(study, part.rule)] = found
        left_s = max(left_s - (time.perf_counter() - begun_s), 0.0)
    spent_s = time.perf_counter() - START_S
    conditions = {
        "model": name,
        "source": config["models"][name]["source"],
        "versions": engine.version,
        "dtype": engine.dtype,
        "device": engine.identity.get("device", ""),
        "threads": int(os.environ.get("OMP_NUM_THREADS", 0)) or os.cpu_count(),
        "seconds": round(spent_s, 1),
    }
    return Speed(round(load_s, 2), round(prompt_rate, 1), replies, conditions)


def _clock(engine: Any) -> Clock:
    """CPU time where the model runs in this process on a CPU, else the time that passes."""
    here = engine.engine == "transformers" and engine.identity["device"] == "cpu"
    return time.process_time if here else time.perf_counter


def _step(engine: Any, example: dict[str, Any], clock: Clock) -> tuple[float, float]:
    """Seconds of one step of drawing, a token for each of n replies: a + b n, as (a, b)."""
    took_s = {}
    for rows in (1, FEW, MANY):  # the first call compiles and allocates
        draws = [engines.Draw(_short(example, STEPS), row) for row in range(rows)]
        took_s[rows] = _timed(engine, draws, clock)[1] / STEPS
    each_s = max(0.0, (took_s[MANY] - took_s[FEW]) / (MANY - FEW))
    return max(0.0, took_s[FEW] - FEW * each_s), each_s


def _read(engine: Any, examples: list[dict[str, Any]], clock: Clock, seconds: float) -> float:
    """Prompt tokens per second of scoring option letters after the prompts of the examples."""
    rate, rows = 0.0, 8
    while True:
        tasks = [engines.Score(_scored(examples[i % len(examples)], i)) for i in range(rows)]
        records, took_s = _timed(engine, tasks, clock)
        rate = sum(record["prompt_tokens"] for record in records) / took_s
        seconds -= took_s
        if seconds < 3 * took_s or rows >= MOST_PROMPTS:
            return rate
        rows = min(MOST_PROMPTS, 4 * rows if seconds > 6 * took_s else 2 * rows)


def _lengths(engine: Any, part: Part, steps: tuple[float, float], seconds: float) -> dict[str, Any]:
    """The mean length of replies to the examples, drawn until they end or the time is over.

    Replies may be cut, so the mean is all tokens over the number of replies that ended.
    """
    limit = max(1, round(part.limit))
    rows = min(SEEN, part.replies)
    cut = int(min(limit, max(STEPS, seconds / (steps[0] + rows * steps[1]))))
    draws = [
        engines.Draw(_short(part.examples[row % len(part.examples)], cut), row)
        for row in range(rows)
    ]
    records = [record for batch in engine.run(draws) for record in batch]
    tokens = sum(record["completion_tokens"] for record in records)
    ended = sum(record["finish_reason"] == "stop" for record in records)
    mean = min(limit, round(tokens / ended, 1)) if ended else limit
    return {"mean": mean, "replies": rows, "ended": ended, "cut_at": cut}


def _rate(part: Part, batch_tokens: int, steps: tuple[float, float]) -> float:
    """Reply tokens per second, with as many replies at once as a batch of the study holds."""
    prompt = part.prompt_tokens / max(1, part.requests)
    fit = batch_tokens / (part.limit + prompt)
    rows = max(1.0, min(fit, part.replies / part.rounds))
    return rows / (steps[0] + rows * steps[1])


def _timed(engine: Any, tasks: Iterable[Any], clock: Clock) -> tuple[list[dict[str, Any]], float]:
    begin_s = clock()
    records = [record for batch in engine.run(list(tasks)) for record in batch]
    return records, clock() - begin_s


def _short(example: dict[str, Any], most: int) -> dict[str, Any]:
    """The request with replies of at most `most` tokens, without options."""
    limit = min(example["max_tokens"] or most, most)
    return example | {"max_tokens": limit, "choices": "[]", "echo_logprobs": False}


def _scored(example: dict[str, Any], number: int) -> dict[str, Any]:
    """A request for the log-probabilities of two letters after the example's prompt."""
    words = f" ({number})"  # prompts must differ
    asked: dict[str, Any]
    if isinstance(example["messages"], str):
        turns = json.loads(example["messages"])
        asked = {"messages": [*turns[:-1], turns[-1] | {"content": turns[-1]["content"] + words}]}
    else:
        asked = {"prompt": example["prompt"] + words}
    fixed: dict[str, Any] = {"temperature": 0.0, "max_tokens": 0, "seed": 0}
    return inference.request(f"speed/{number}", **asked, **fixed, choices=["A", "B"])


def main(config: str, model: str, output: str, seconds: float) -> None:
    """Measure `model` of the config in a JSON file and write the measurement."""
    files.write_json(Path(output), measure(files.read_json(config), model, seconds)._asdict())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for argument in ("config", "model", "output"):
        parser.add_argument(argument)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    main(given.config, given.model, given.output, given.seconds)
