"""Models behind any OpenAI-compatible server, which may cost money and may fail.

There is one HTTP request per sample, so each sample has its own seed and is stored once paid for.
The first request of each kind goes alone, so what the server cannot do costs one attempt.
When something ends the run (a spending limit, a refusal, a signal), no new requests are sent;
pending ones are completed and stored before the run ends.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import FrameType
from typing import Any

from workflow_scripts.inference import chat, noise, openai_payload, probe_needs
from workflow_scripts.inference.dialect_calls import calls_of
from workflow_scripts.inference.served_name import ServedName
from workflow_scripts.inference.spending import Spending
from workflow_scripts.inference.tasks import Draw, EngineError, Record, Task
from workflow_scripts.inference.transport import Stopped, Transport
from workflow_scripts.shared import files

# Stands for the code that decides a reply, in the key of the response store. It is a constant, so
# that refactoring loses no paid replies; see test_reply_code.py.
REPLY_CODE = "4edb58879aec8ab7"

CHECK_S = 0.5  # interval between checks for a signal


def load(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> "OpenAIEngine":
    """Prepare the engine; nothing is sent before the first task.

    `checkpoint` is the file of the server's probe; without one, nothing is known about the server.
    Raises `EngineError` if the key's variable is not set, or if attention is requested.
    """
    if options.get("attention"):
        raise EngineError(
            f"models.{name}.engine: a server gives no attention weights; use engine transformers"
        )
    settings = spec["server"]
    variable = settings.get("key_variable")
    key = os.environ.get(variable) if variable else None
    if variable and not key:
        raise EngineError(
            f"models.{name}.server.key_variable: the environment variable {variable} is not set; "
            f"`export {variable}=…` in the shell that starts snakemake"
        )
    identity = {
        "engine": "openai",
        "url": settings["url"],
        "model": spec["source"],
        "dialect": settings["dialect"],
        "chat_template": chat.templated(spec),
        "thinking": spec.get("thinking"),
        "code": REPLY_CODE,
    }
    return OpenAIEngine(name, spec, key, identity, probe_needs.stored(checkpoint))


class OpenAIEngine:
    """A model on a server."""

    engine = "openai"

    def __init__(
        self,
        name: str,
        spec: dict[str, Any],
        key: str | None,
        identity: dict[str, Any],
        facts: probe_needs.Facts,
    ):
        self.name = name
        self.spec = spec
        self.key = key
        self.identity = identity
        self.facts = facts
        self.draws_as = noise.of_server(spec)
        self.settings = spec["server"]
        self.url = self.settings["url"].rstrip("/")
        self.dtype = spec.get("dtype", "unknown")
        self.folder = files.work_folder("spending", url=self.url, model=spec["source"])
        self.version = self._version()
        self.proven: set[str] = set()  # kinds of tasks that the server has done

    def rendered(self, requests: Sequence[dict[str, Any]]) -> dict[str, str]:
        """Nothing: the server renders the prompts."""
        del requests
        return {}

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do the tasks, several at a time; yield records as they arrive.

        Raises `EngineError` before anything is sent if the server cannot do what a request states,
        and after pending replies have arrived if one fails or a spending limit is reached.
        """
        for task in tasks:
            why = openai_payload.refusal(self.spec, task.request)
            why = why or probe_needs.lacking(self.name, self.facts, task.request)
            if why:
                raise EngineError(f"models.{self.name}: request {task.request['item']!r}: {why}")
        spending = Spending(
            self.name, self.folder, self.settings["limits"], self.settings.get("prices")
        )
        failure: BaseException | None = None
        signals = _Signals()
        transport = Transport(self.name, self.settings, self.key, spending, signals.stopping)
        calls = calls_of(self.settings["dialect"])(self.spec, self.url, transport)
        concurrency = self.settings["concurrency"]
        with signals, transport.client, ThreadPoolExecutor(concurrency) as threads:
            waiting = list(reversed(tasks))
            going: dict[Future[Record], str] = {}
            try:
                while True:
                    while waiting and len(going) < concurrency and not signals.stopping.is_set():
                        kind = _kind(waiting[-1])
                        if kind not in self.proven and kind in going.values():
                            break  # if the server cannot do this, one attempt shows it
                        going[threads.submit(calls.do, waiting.pop())] = kind
                    if not going:
                        break
                    arrived, _ = wait(going, timeout=CHECK_S, return_when=FIRST_COMPLETED)
                    batch: list[Record] = []
                    for future in arrived:
                        kind = going.pop(future)
                        error = future.exception()
                        if error is None:
                            batch.append(future.result())
                            self.proven.add(kind)
                        elif not isinstance(error, Stopped):
                            failure = failure or error
                            signals.stopping.set()
                    if batch:
                        yield batch
            finally:
                signals.stopping.set()
        self.version = self._version()
        signals.pass_on()
        if failure is not None:
            raise failure

    def _version(self) -> str:
        """Dialect and address of the server, and the name under which the model answers."""
        name = ServedName(self.spec, self.folder).known()
        known = f", answers as {name}" if name else ""
        return f"{self.settings['dialect']} server, {self.url}{known}"


def _kind(task: Task) -> str:
    """What a task needs of a server: the endpoint, and replies or log-probabilities."""
    request = task.request
    wanted = "scores"
    if isinstance(task, Draw):
        wanted = "reply" if request["max_tokens"] else "nothing"
    return f"{wanted} of {'turns' if isinstance(request['messages'], str) else 'prompt'}"


class _Signals:
    """Context in which the first SIGINT or SIGTERM only sets `stopping`; the next one takes effect.

    `pass_on` sends the first signal again afterwards.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.came: int | None = None
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "_Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.came = number
        self.stopping.set()
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def pass_on(self) -> None:
        if self.came is not None:
            os.kill(os.getpid(), self.came)
