"""The program in a reply, as chat models write it; every expectation was written by hand."""

import time

import pytest

from workflow_scripts.inference import fences, replies

ADD = "def add(a, b):\n    return a + b"
READ = "n = int(input())\nprint(n * 2)"
BARE = "import sys\nprint(sys.stdin.read())"

# Info strings that are Python's, and ones that are not.
PYTHON = [
    *(
        "python",
        "Python",
        "PYTHON",
        "py",
        "py3",
        "python3",
        "Python 3",
        "python3.11",
        "python {.line}",
    ),
    *("{.python}", "python:main.py", 'python title="a.py"', "python,ignore", "py linenums"),
]
OTHER = ["cpp", "bash", "console", "json", "text", "output", "java"]


def fenced(content, info="python", fence="```"):
    return f"{fence}{info}\n{content}\n{fence}"


@pytest.mark.parametrize("fence", ["```", "````", "~~~", "~~~~"])
@pytest.mark.parametrize("info", PYTHON)
def test_a_block_of_python_is_the_program(info, fence):
    before = "Here is the program.\n\n"
    for reply in (fenced(READ, info, fence), before + fenced(READ, info, fence) + "\n\nDone."):
        assert replies.program(reply) == READ
        assert replies.program(reply.replace("\n", "\r\n")) == READ


@pytest.mark.parametrize("info", OTHER)
def test_a_block_of_another_language_is_none(info):
    assert replies.program(fenced(READ, info)) is None
    assert replies.program(fenced(READ) + "\n" + fenced("print(5)", info)) == READ


REPLIES = {
    "the last of two": (fenced(READ) + "\nBetter:\n" + fenced(ADD), ADD),
    "a usage after it": (fenced(ADD) + "\nExample usage:\n" + fenced("print(add(1, 2))"), ADD),
    "an output after it": (fenced(READ) + "\nExample output:\n" + fenced("print(5)", ""), READ),
    "an output that is a call": (
        fenced(READ, "") + "\n**Output:**\n" + fenced("Counter({1: 2})", ""),
        READ,
    ),
    "an output called Python": (fenced(READ) + "\nSample Output 1:\n" + fenced(BARE), READ),
    "an input before it": (
        "Sample input\n" + fenced("5\n3 4", "") + "\nCode:\n" + fenced(READ),
        READ,
    ),
    "a wrong draft after it": (fenced(READ) + "\nNot this:\n" + fenced("def f(:\n    pass"), READ),
    "an error of syntax alone": (fenced("def f(:\n    pass"), "def f(:\n    pass"),
    "Python 2": (fenced("print 5"), "print 5"),
    "a transcript after it": (fenced(ADD) + "\n" + fenced(">>> add(1, 2)\n3", "pycon"), ADD),
    "reads, no import": (fenced(READ, "") + "\n" + fenced("print(5)", ""), READ),
    "a class": (fenced("class Solution:\n    x = 1"), "class Solution:\n    x = 1"),
    "in a list": (
        "1. Do:\n\n   ```python\n   import os\n   print(os)\n   ```",
        "import os\nprint(os)",
    ),
    "in a bullet": ("- ```python\n  import os\n  print(os)\n  ```", "import os\nprint(os)"),
    "in a numbered item": ("2) ```py\n   import os\n   print(os)\n   ```", "import os\nprint(os)"),
    "deep in a list": ("\t```python\n\timport os\n\tprint(os)\n\t```", "import os\nprint(os)"),
    "quoted": ("> ```python\n> def f():\n>     return 1\n> ```", "def f():\n    return 1"),
    "after text on its line": ("Sure: ```python\n" + ADD + "\n```", ADD),
    "its end on its last line": ("```python\n" + ADD + "```", ADD),
    "without an end": ("Here:\n```python\n" + ADD, ADD),
    "without an end, then another": ("```python\n" + READ + "\n```python\n" + ADD + "\n```", ADD),
    "a longer fence around": (fenced("A:\n" + fenced(ADD), "markdown", "````"), ADD),
    "tildes around": (fenced(fenced(ADD), "md", "~~~"), ADD),
    "backticks within tildes": (fenced(READ + "\n# ```", "python", "~~~"), READ + "\n# ```"),
    "a fence in a string": (
        fenced('s = "```"\nprint(s)\nimport os'),
        's = "```"\nprint(s)\nimport os',
    ),
    "two tildes": ("~~no~~ yes\n" + fenced(ADD), ADD),
    "blank lines around": (fenced("\n\n" + ADD + "\n\n"), ADD),
    "an empty block after it": (fenced(ADD) + "\n" + fenced("") + "\n" + fenced("  "), ADD),
    "text alone": ("The sum of a and b is a + b.", None),
    "a number": (fenced("7", ""), None),
    "no fence at all": (ADD, ADD),
    "no fence, Windows": (ADD.replace("\n", "\r\n"), ADD),
    "inline code": ("Use `print(5)` there.", None),
    "thoughts with a program": (f"<think>\n{fenced(READ)}\n</think>\n{fenced(ADD)}", ADD),
    "thoughts alone": (f"<think>\n{fenced(READ)}", None),
    "asynchronous": (fenced("async def f():\n    return 1"), "async def f():\n    return 1"),
    "shell first": (fenced("pip install numpy", "bash") + "\n" + fenced(ADD), ADD),
    "a prompt of a shell": (
        fenced(READ) + "\nRun it:\n" + fenced("python3 main.py < in", ""),
        READ,
    ),
    "prints the result": ("This prints the result:\n" + fenced(READ, ""), READ),
    "a file's name before it": ("`main.py`\n" + fenced(READ), READ),
}


@pytest.mark.parametrize("name", REPLIES)
def test_the_program_of_a_reply(name):
    reply, expected = REPLIES[name]
    assert replies.program(reply) == expected


@pytest.mark.parametrize("name", [name for name in REPLIES if "fence" in name or "in " in name])
def test_line_ends_of_windows_change_nothing(name):
    reply, expected = REPLIES[name]
    assert replies.program(reply.replace("\r\n", "\n").replace("\n", "\r\n")) == expected


def test_blocks_keep_their_order_and_info():
    text = fenced("a") + "\nOutput:\n" + fenced("b", "", "~~~")
    assert fences.blocks(text) == [
        fences.Block("python", "a"),
        fences.Block("", "b", output=True),
    ]


@pytest.mark.parametrize(
    ("later", "shows"),
    [
        ("import unittest\n\nassert add(1, 2) == 3", True),
        ("import random\nfor _ in range(9):\n    print(add(random.random(), 1))", True),
        ("class Test:\n    def test(self):\n        assert add(1, 2) == 3", True),
        ("from solution import add\nprint(add(1, 2))", True),
        ("def add(a, b):\n    return sum((a, b))", False),
        ("from operator import add\ndef both(a, b):\n    return add(a, b)", False),
        ("from operator import *\nprint(add(int(input()), 1))", False),
        (READ, False),
    ],
)
def test_a_block_that_uses_what_an_earlier_one_defines_is_not_the_program(later, shows):
    reply = fenced(ADD) + "\n\nAnd then:\n\n" + fenced(later)
    assert replies.program(reply) == (ADD if shows else later)


def test_a_name_of_python_itself_is_no_use_of_an_earlier_block():
    earlier = "import sys\ndef input():\n    return sys.stdin.readline()"
    assert replies.program(fenced(earlier) + "\n\n" + fenced(READ)) == READ


@pytest.mark.parametrize("reply", [" " * 100_000, "\n" * 100_000, " \n" * 50_000, "#" * 100_000])
def test_a_reply_of_blanks_is_read_at_once(reply):
    started = time.process_time()
    assert replies.program(reply) is None
    assert time.process_time() - started < 2
