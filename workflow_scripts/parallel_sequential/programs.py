"""Run a program on a task's inputs in the sandbox, and compare its results outside of it.

The program sees inputs only; expected results never enter its process.
"""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from workflow_scripts.inference import sandbox

# Runs in the sandbox. Results are printed after a mark that the program cannot know in advance.
HARNESS = """
import contextlib, io, json, sys
_source, _inputs, _kind, _name, _mark = json.loads({given!r})
def _one(given):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        space = {{"__name__": "__main__" if _kind == "stdin" else "program"}}
        if _kind == "stdin":
            sys.stdin = io.StringIO(given)
        try:
            exec(compile(_source, "program", "exec"), space)
        except SystemExit:
            pass
        if _kind == "stdin":
            return out.getvalue()
        found = space.get(_name)
        if found is None and "Solution" in space:
            found = getattr(space["Solution"](), _name)
        return found(*given)
_results = []
for _given in _inputs:
    try:
        _results.append(["ok", json.loads(json.dumps(_one(_given)))])
    except BaseException as error:
        _results.append(["error", (type(error).__name__ + ": " + str(error))[:200]])
print("\\n" + _mark + json.dumps(_results))
"""


@dataclass(frozen=True)
class Ran:
    """Results of a program, one per test: ("ok", value) or ("error", why)."""

    results: tuple[tuple[str, Any], ...]

    def passed(self, tests: list[dict[str, Any]]) -> list[bool]:
        """Whether each of the tests was passed."""
        pairs = zip(self.results, tests, strict=True)
        return [how == "ok" and equal(got, test["expected"]) for (how, got), test in pairs]

    def key(self) -> str:
        """The results as text; programs that behave alike on the inputs have equal keys."""
        return json.dumps(self.results, sort_keys=True)


def run(
    source: str | None,
    tests: list[dict[str, Any]],
    kind: str,
    function: str,
    limits: sandbox.Limits,
) -> Ran:
    """Run `source` on the inputs of `tests`; `kind` is call or stdin.

    A failing program gives error results and raises nothing; so does None (no program).
    """
    if source is None:
        return Ran((("error", "no program"),) * len(tests))
    mark = secrets.token_hex(16)
    given = json.dumps([source, [test["input"] for test in tests], kind, function, mark])
    outcome = sandbox.run(HARNESS.format(given=given), limits)
    lines = [line for line in outcome.output.splitlines() if line.startswith(mark)]
    if outcome.status != "ok" or len(lines) != 1:
        return Ran((("error", f"program: {outcome.status}"),) * len(tests))
    found = json.loads(lines[0].removeprefix(mark))
    return Ran(tuple((str(how), value) for how, value in found))


def equal(got: Any, expected: Any) -> bool:
    """Whether two results are equal; text is compared word by word, numbers in it by value."""
    if isinstance(got, str) and isinstance(expected, str):
        left, right = got.split(), expected.split()
        return len(left) == len(right) and all(map(_same_word, left, right))
    if isinstance(got, bool) or isinstance(expected, bool):
        return got is expected
    if isinstance(got, int | float) and isinstance(expected, int | float):
        return abs(got - expected) <= 1e-9 * max(1.0, abs(expected))
    if isinstance(got, list) and isinstance(expected, list):
        return len(got) == len(expected) and all(map(equal, got, expected))
    return type(got) is type(expected) and got == expected


def _same_word(left: str, right: str) -> bool:
    if left == right:
        return True
    try:
        return equal(float(left), float(right))
    except ValueError:
        return False


def complaint(ran: Ran, tests: list[dict[str, Any]]) -> str:
    """The environment's remark on the first failed test; "" if all pass."""
    for (how, got), test, passed in zip(ran.results, tests, ran.passed(tests), strict=True):
        if not passed:
            said = f"gave {json.dumps(got)}" if how == "ok" else f"failed with {got}"
            given, wanted = json.dumps(test["input"]), json.dumps(test["expected"])
            return f"On input {given[:400]} the program {said[:400]}; expected {wanted[:400]}."
    return ""
