"""A child process that kills itself at a chosen point of its work."""

import os
import signal
import traceback
from collections.abc import Callable

import pytest

Fault = Callable[[pytest.MonkeyPatch, Callable[[], None]], None]


def killed(fault: Fault, number: int, job: Callable[[], object]) -> int:
    """Run `job` in a fork that dies of signal `number` at `fault`; return how it ended.

    `fault` gets a monkeypatch and the function that kills, and patches it in. The result is the
    exit status, or minus the signal; 130 means an interrupt.
    """
    child = os.fork()
    if child == 0:
        status = 0
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with pytest.MonkeyPatch.context() as patch:
                fault(patch, lambda: os.kill(os.getpid(), number))
                job()
        except KeyboardInterrupt:
            status = 130
        except BaseException:
            traceback.print_exc()
            status = 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
