"""Run programs on a task's inputs in the sandbox, and compare their results outside of it.

The program sees inputs only; expected results never enter its process.
"""

import json
import queue
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from workflow_scripts.inference import sandbox

Test = dict[str, Any]  # input and expected
LONGEST = 200  # characters of an error that are kept


@dataclass(frozen=True)
class Ran:
    """Results of a program, one per test: ("ok", value) or ("error", why).

    With `printed`, the values are what it printed, otherwise the results of its function.
    """

    results: tuple[tuple[str, Any], ...]
    printed: bool

    def passed(self, tests: list[Test]) -> list[bool]:
        """Whether each test that ran was passed."""
        same = same_text if self.printed else equal
        pairs = zip(self.results, tests, strict=False)
        return [how == "ok" and same(got, test["expected"]) for (how, got), test in pairs]

    def key(self) -> str:
        """The results as text; programs that behave alike on the inputs have equal keys."""
        return json.dumps(self.results, sort_keys=True)


class Judge:
    """Runs programs on tests, each test in a process of its own, for at most `workers` threads."""

    def __init__(self, limits: sandbox.Limits, numpy: bool = False, workers: int = 1) -> None:
        self.workers = workers
        self._all = [sandbox.Sandbox(limits, graded=True, numpy=numpy) for _ in range(workers)]
        self._free: queue.SimpleQueue[sandbox.Sandbox] = queue.SimpleQueue()
        for box in self._all:
            self._free.put(box)

    def close(self) -> None:
        """End the sandboxes; they end with this process, too."""
        for box in self._all:
            box.close()

    def run(
        self,
        source: str | None,
        tests: list[Test],
        kind: str,
        function: str,
        until_failure: bool = False,
    ) -> Ran:
        """Run `source` on the inputs of `tests`; `kind` is call or stdin.

        A failing program gives error results and raises nothing; so does None (no program). With
        `until_failure`, the tests after the first that is not passed do not run.
        """
        printed = kind == "stdin"
        if source is None:
            return Ran((("error", "no program"),) * len(tests), printed)
        results = []
        with self._sandbox() as box:
            for test in tests:
                given = test["input"] if printed else json.dumps(test["input"])
                outcome = box.run(source, given, "" if printed else function)
                results.append(_result(outcome, printed))
                if until_failure and not Ran((results[-1],), printed).passed([test])[0]:
                    break
        return Ran(tuple(results), printed)

    @contextmanager
    def _sandbox(self) -> Iterator[sandbox.Sandbox]:
        box = self._free.get()
        try:
            yield box
        finally:
            self._free.put(box)


def of(settings: Mapping[str, Any], workers: int = 1) -> Judge:
    """The judge of the config's section `parallel_sequential.code`."""
    return Judge(sandbox.Limits(**settings["limits"]), settings["numpy"], workers)


def _result(outcome: sandbox.Outcome, printed: bool) -> tuple[str, Any]:
    if outcome.status == "error":
        _, _, last = outcome.errors.strip().rpartition("\n")
        with suppress(ValueError):  # it was killed
            return "error", str(json.loads(last))[:LONGEST]
    if outcome.status != "ok":
        return "error", f"program: {outcome.status}"
    if printed:
        return "ok", outcome.output
    try:
        return "ok", json.loads(outcome.output)
    except (ValueError, RecursionError):
        return "error", "program: no result"


def same_text(got: str, expected: str) -> bool:
    """Whether printed texts are equal word by word, words that are numbers by value."""
    left, right = got.split(), expected.split()
    return len(left) == len(right) and all(map(_same_word, left, right))


def equal(got: Any, expected: Any) -> bool:
    """Whether two results of functions are equal: strings exactly, numbers by value.

    Whole numbers are compared exactly, others up to 1e-9 of the expected value.
    """
    if isinstance(got, int | float) and isinstance(expected, int | float):
        return _same_number(got, expected)
    if isinstance(got, list) and isinstance(expected, list):
        return len(got) == len(expected) and all(map(equal, got, expected))
    if isinstance(got, dict) and isinstance(expected, dict):
        return got.keys() == expected.keys() and all(equal(got[k], expected[k]) for k in expected)
    return type(got) is type(expected) and got == expected


def _same_word(left: str, right: str) -> bool:
    if left == right:
        return True
    try:
        return _same_number(Decimal(left), Decimal(right))
    except ArithmeticError:  # no number, or one that Decimal cannot hold
        return False


def _same_number(got: Any, expected: Any) -> bool:
    """Whether numbers are equal; a difference of 1 in the last digits of an integer counts."""
    exact, wanted = Decimal(got), Decimal(expected)
    if exact == wanted or not (exact.is_finite() and wanted.is_finite()):
        return exact == wanted
    if exact == exact.to_integral_value() and wanted == wanted.to_integral_value():
        return False
    return abs(exact - wanted) <= Decimal("1e-9") * max(Decimal(1), abs(wanted))


def complaint(ran: Ran, tests: list[Test]) -> str:
    """The environment's remark on the first test that is not passed; "" if all are.

    Tests after the last result did not run, because that one failed.
    """
    rows = zip(ran.results, ran.passed(tests), tests, strict=False)
    for (how, got), passed, test in rows:
        if not passed:
            said = f"gave {json.dumps(got)}" if how == "ok" else f"failed with {got}"
            given, wanted = json.dumps(test["input"]), json.dumps(test["expected"])
            return f"On input {given[:400]} the program {said[:400]}; expected {wanted[:400]}."
    return ""
