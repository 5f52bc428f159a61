"""Questions, answers and programs: exact answers, files, comparison, the sandboxed tests."""

import base64
import dataclasses
import json
import pickle
import re
import zlib

import numpy as np
import pytest

from workflow_scripts.inference import sandbox
from workflow_scripts.models.corpora.split import belongs
from workflow_scripts.parallel_sequential import (
    answers,
    code_tasks,
    programs,
    questions,
    task_files,
)
from workflow_scripts.shared import user_files

LIMITS = sandbox.Limits(cpu_s=2, wall_s=60, memory_mb=256, output_bytes=50000)
JUDGE = programs.Judge(LIMITS)
NUMPY = programs.Judge(dataclasses.replace(LIMITS, memory_mb=1024), numpy=True)
SETTINGS = {
    "math": {"file": None, "questions": 20, "steps": [2, 4, 5]},
    "code": {"file": None, "questions": 8, "steps": 3, "since": ""},
}


def test_generated_sums_have_their_answers_levels_and_were_never_trained_on():
    table = questions.table(SETTINGS, 3)
    math = table[table["domain"] == "math"]
    assert len(math) == 20
    counts = math["level"].value_counts()
    assert set(counts.index) == {"2 steps", "4 steps", "5 steps"}
    assert counts.max() - counts.min() <= 1
    signs = {"add": "+", "subtract": "-", "multiply by": "*"}
    for text, answer in zip(math["text"], math["answer"], strict=True):
        assert belongs(text, "held_out")
        start, *steps = re.findall(r"(Start with|add|subtract|multiply by) (\d+)", text)
        value = start[1]
        for verb, number in steps:
            value = f"({value}{signs[verb]}{number})"
        assert eval(value) == int(answer)


@pytest.mark.parametrize(
    ("gold", "answer", "equal"),
    [
        ("46", "46.0", True),
        (r"\frac{1}{2}", "0.5", True),
        ("x+1", "1+x", True),
        (r"2\sqrt{2}", r"\sqrt{8}", True),
        ("70", "070", True),
        ("46", "47", False),
        ("46", "46x", False),
        ("46", "no idea at all {", None),
    ],
)
def test_mathematical_answers_are_compared_by_value(gold, answer, equal):
    assert answers.same(gold, answer) is equal


def test_equal_answers_share_a_name_and_no_answer_has_none():
    found = answers.classes(["1/2", "0.5", None, "3", r"\frac{1}{2}", ""])
    assert found == ["0.5", "0.5", "", "3", "0.5", ""]


def test_reference_programs_pass_their_own_tests_and_a_wrong_one_does_not():
    """Solutions are written independently, from the text of each task alone."""
    rng = np.random.default_rng(7)
    for task in code_tasks.tasks(rng, 12, 3):
        source = solution(task["text"])
        for which in ("public", "hidden"):
            tests = json.loads(task[which])
            ran = JUDGE.run(source, tests, "call", "f")
            assert all(ran.passed(tests)), task["text"]
        wrong = JUDGE.run("def f(numbers): return -12345", tests, "call", "f")
        assert not any(wrong.passed(tests))
        assert programs.complaint(wrong, tests).startswith("On input ")


STEPS = {
    r"keep the numbers divisible by (\d+)": "xs = [x for x in xs if not x % {}]",
    r"keep the numbers above (\d+)": "xs = list(filter(lambda x: x > {}, xs))",
    r"add (\d+) to every number": "xs = [{} + x for x in xs]",
    r"multiply every number by (\d+)": "xs = [{} * x for x in xs]",
    r"replace every number by its remainder modulo (\d+)": "xs = [x % {} for x in xs]",
    r"reverse the list": "xs = list(reversed(xs))",
    r"drop repeated numbers, keeping the first of each": (
        "xs = [x for i, x in enumerate(xs) if x not in xs[:i]]"
    ),
    r"replace every number by the sum of all numbers up to it": (
        "xs = [sum(xs[: i + 1]) for i in range(len(xs))]"
    ),
}
ENDS = {
    "the sum of what is left": "sum(xs)",
    "the largest of what is left, or 0 if nothing is": "max(xs) if xs else 0",
    "how many numbers are left": "len(xs)",
    "the sum of what is left with alternating signs, the first positive": (
        "sum(xs[::2]) - sum(xs[1::2])"
    ),
}


def solution(text):
    rules, end = re.fullmatch(r".*in this order: (.*); then return (.*)\.", text).groups()
    lines = ["def f(xs):"]
    for rule in rules.split("; "):
        pattern = next(p for p in STEPS if re.fullmatch(p, rule))
        lines.append("    " + STEPS[pattern].format(*re.fullmatch(pattern, rule).groups()))
    return "\n".join([*lines, f"    return {ENDS[end]}"])


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def f(x):\n    while True: pass", "program: cpu"),
        ("def f(x):\n    return [0] * 10**9", "MemoryError"),
        ("def f(x):\n    import socket; socket.create_connection(('127.0.0.1', 9))", "refused"),
        ("def f(x):\n    open('a', 'w')", "refused"),
        ("def f(x): return y", "NameError"),
        ("def g(x): return x", "no function f"),
        ("def f(x", "SyntaxError"),
        ("import sys; sys.exit(0)", "no function f"),
        ("import os; os._exit(0)", "program: "),
        # Python writes a warning after the error.
        ("async def f(x): return x", "'coroutine' object"),
        ("import atexit; atexit.register(print, 'end', file=sys.stderr); 1 / 0", "ZeroDivision"),
        ("import io, sys; sys.stderr = io.StringIO(); 1 / 0", "ZeroDivision"),
        (None, "no program"),
    ],
)
def test_a_failing_program_is_a_failed_test_with_its_reason(source, why):
    ran = JUDGE.run(source, [{"input": [1], "expected": 1}], "call", "f")
    assert ran.results[0][0] == "error"
    assert why in ran.results[0][1]


def test_time_is_limited_per_test_and_a_late_one_spoils_no_other():
    source = "def f(x):\n    while x == 1: pass\n    return x"
    tests = [{"input": [n], "expected": n} for n in (0, 1, 2)]
    judge = programs.Judge(dataclasses.replace(LIMITS, cpu_s=1))
    assert judge.run(source, tests, "call", "f").passed(tests) == [True, False, True]
    assert len(judge.run(source, tests, "call", "f", until_failure=True).results) == 2
    judge.close()


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("class Solution:\n    def f(self, x: List[int]) -> int: return sum(x)", 3),
        ("@cache\ndef g(n): return n\ndef f(x): return Counter(x).total() + g(gcd(2, 4)) - 1", 3),
        ("def f(x):\n    print('working')\n    return (x[0], tuple(x))", [1, [1, 2]]),
        ("import numpy as np\ndef f(x): return np.array(x).sum()", 3),
        ("from numpy import array\ndef f(x): return array(x) * 2", [2, 4]),
        ("def f(x): return sum(x)\nif __name__ == '__main__':\n    1 / 0", 3),
        ("def f(x): return sum(x)\nimport sys\nsys.exit(0)", 3),
        ("def f(x):\n    import sys\n    return len(sys.stdin.read()) + sum(x)", 3),
    ],
)
def test_functions_are_called_as_by_the_official_grader(source, result):
    ran = NUMPY.run(source, [{"input": [[1, 2]], "expected": result}], "call", "f")
    assert ran.results == (("ok", result),)


def test_a_program_cannot_speak_for_the_tests():
    """Printed text is not read as results, and expected values are not in the process."""
    liar = "def f(x):\n    print('[[\"ok\", 1]]')\n    return 0\nprint('[[\"ok\", 1]]')"
    ran = JUDGE.run(liar, [{"input": [1], "expected": 1}], "call", "f")
    assert ran.results == (("ok", 0),)


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        ("1 2\n3", "1  2 3\n", True),
        ("1.0", "1", True),
        ("1", "2", False),
        ("1000000008", "1000000007", False),
        ("99999999999999999999", "99999999999999999998", False),
        ("0.3333333333", "0.33333333331", True),
        ("1e999999999", "1", False),
        ("nan", "NaN", False),
        ("inf", "Infinity", True),
        ("a", "1", False),
    ],
)
def test_printed_text_is_compared_by_word(got, expected, same):
    assert programs.same_text(got, expected) is same


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        ([1, [2]], [1, [2]], True),
        ([1], [1, 2], False),
        # Off by one is wrong, however large the numbers are.
        (1000000008, 1000000007, False),
        (10**400, 10**400 + 1, False),
        (10**400, 10**400, True),
        (1e300, 10**300 + 1, False),
        (3.0, 3, True),
        ({"a": 0.3}, {"a": 0.1 + 0.2}, True),
        ({"a": 1}, {"b": 1}, False),
        # As for the official grader, which compares with ==.
        (1, True, True),
        (0, True, False),
        ("011", "11", False),
        ("1.0", "1", False),
        ("a  b", "a b", False),
        (["01"], ["1"], False),
        (0.1 + 0.2, 0.3, True),
        ("a", 1, False),
        (None, None, True),
        (float("nan"), 1, False),
    ],
)
def test_results_of_functions_are_compared_by_value(got, expected, same):
    assert programs.equal(got, expected) is same


def test_a_string_of_a_function_is_no_number():
    """The prompt, the verdict and the remark agree: a leading zero is wrong."""
    tests = [{"input": ["a"], "expected": "11"}]
    ran = JUDGE.run("def f(x): return '011'", tests, "call", "f")
    assert ran.passed(tests) == [False]
    assert programs.complaint(ran, tests).endswith('gave "011"; expected "11".')
    tests = [{"input": "", "expected": "11"}]
    assert JUDGE.run("print('011')", tests, "stdin", "").passed(tests) == [True]


def livecodebench(packed, call):
    tests = [{"input": "3\n[1, 2]" if call else "3\n", "output": "4" if call else "4\n"}]
    text = json.dumps(tests)
    private = base64.b64encode(zlib.compress(pickle.dumps(text))).decode() if packed else text
    return {
        "question_id": "x1",
        "question_content": "Do it.",
        "starter_code": "class Solution:\n    def go(self, a, b):" if call else "",
        "contest_date": "2025-02-01T00:00:00",
        "difficulty": "easy",
        "metadata": json.dumps({"func_name": "go"} if call else {}),
        "public_test_cases": text,
        "private_test_cases": private,
    }


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("call", [True, False])
def test_livecodebench_style_files_are_read_and_run(tmp_path, packed, call):
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(livecodebench(packed, call)) + "\n")
    (task,) = task_files.code(path, "2025-01-01")
    assert list(task_files.code(path, "2025-03-01")) == []
    source = "class Solution:\n    def go(self, a, b): return a + b[0]"
    if not call:
        source = "print(int(input()) + 1)"
    for which in ("public", "hidden"):
        tests = json.loads(task[which])
        ran = JUDGE.run(source, tests, task["kind"], task["function"])
        assert ran.passed(tests) == [True]


class Danger:
    def __reduce__(self):
        return (print, ("ran",))


def test_a_packed_file_cannot_run_anything(tmp_path, capsys):
    line = livecodebench(True, False)
    line["private_test_cases"] = base64.b64encode(zlib.compress(pickle.dumps(Danger()))).decode()
    path = tmp_path / "tasks.jsonl"
    path.write_text(json.dumps(line))
    with pytest.raises(user_files.FileError, match="line 1"):
        list(task_files.code(path))
    assert capsys.readouterr().out == ""


def test_aime_style_files_are_read_and_bad_lines_named(tmp_path):
    path = tmp_path / "aime.jsonl"
    path.write_text('{"problem": "1+1?", "answer": "2"}\n\n{"question": "2+2?", "answer": 4}\n')
    found = list(task_files.mathematics(path))
    assert [(q["text"], q["answer"]) for q in found] == [("1+1?", "2"), ("2+2?", "4")]
    settings = {"math": SETTINGS["math"] | {"file": str(path)}, "code": SETTINGS["code"]}
    assert (questions.table(settings, 1)["domain"] == "math").sum() == 2
    path.write_text('{"problem": "1+1?"}\n')
    with pytest.raises(user_files.FileError, match=r"line 1: expected .* for answer, found none"):
        list(task_files.mathematics(path))
    path.write_text("{\n")
    with pytest.raises(user_files.FileError, match="expected JSON"):
        list(task_files.mathematics(path))
