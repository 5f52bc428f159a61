"""A syntax tree is the same text in every version of Python.

`syntax/<version>.txt` are sources that use every statement and expression of that version,
`syntax/<version>.expected.txt` their trees as text, and `syntax/trees_<version>.json` their trees
as that version parses them (written by freeze_syntax.py), with fields that other versions lack.
"""

import ast
import json
import sys
from functools import cache
from pathlib import Path

import pytest

from workflow_scripts.shared import syntax

FOLDER = Path(__file__).with_name("syntax")
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
FROZEN = [
    (version, sample) for place, version in enumerate(VERSIONS) for sample in VERSIONS[: place + 1]
]


def source(sample):
    return (FOLDER / f"{sample}.txt").read_text("utf-8")


def expected(sample):
    return (FOLDER / f"{sample}.expected.txt").read_text("utf-8").rstrip("\n")


@cache
def node_class(name, fields):
    """A class as another version of Python has it, which this one may lack."""
    return type(name, (ast.AST,), {"_fields": fields})


def thawed(value):
    if isinstance(value, list):
        return [thawed(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "int" in value:
        return int(value["int"], 16)
    if "repr" in value:
        return eval(value["repr"], {"inf": float("inf")})
    names = tuple(name for name in value if name != "node")
    node = node_class(value["node"], names)()
    for name in names:
        setattr(node, name, thawed(value[name]))
    return node


@pytest.mark.parametrize(("version", "sample"), FROZEN)
def test_every_version_gives_the_same_text(version, sample):
    trees = json.loads((FOLDER / f"trees_{version}.json").read_text("utf-8"))
    assert set(trees) == {s for v, s in FROZEN if v == version}
    assert syntax.text(thawed(trees[sample])) == expected(sample)


def test_the_trees_do_differ():
    """What makes the text necessary: no two versions have equal trees of the same source."""
    trees = {(FOLDER / f"trees_{version}.json").read_text("utf-8") for version in VERSIONS}
    only = [json.loads(each)["3.11"] for each in trees]
    assert len({json.dumps(each) for each in only}) > 1


@pytest.mark.parametrize("sample", VERSIONS)
def test_this_version_gives_the_same_text(sample):
    if tuple(map(int, sample.split("."))) > sys.version_info[:2]:
        pytest.skip("this version cannot parse it")
    assert syntax.text_of(source(sample)) == expected(sample)


def test_the_samples_use_every_kind_of_node_and_every_field():
    """Every node class of this version that a module can contain, except abstract ones."""
    if sys.version_info[:2] > (3, 14):
        pytest.skip("there is no sample of this version yet: see freeze_syntax.py")
    seen = {}
    for sample in VERSIONS:
        if tuple(map(int, sample.split("."))) <= sys.version_info[:2]:
            for node in ast.walk(ast.parse(source(sample))):
                used = {name for name in node._fields if getattr(node, name) not in (None, [], 0)}
                seen.setdefault(type(node), set()).update(used)
    for kind in vars(ast).values():
        if not (isinstance(kind, type) and issubclass(kind, ast.AST)) or kind.__subclasses__():
            continue
        if kind.__name__ in NOT_IN_MODULES or issubclass(kind, ast.Constant | ast.slice):
            continue
        assert kind in seen, kind.__name__
        unused = set(kind._fields) - seen[kind] - {"type_comment", "type_ignores"}
        assert not unused, (kind.__name__, unused)


# Beside kinds of other modes those that no version since 3.9 creates.
NOT_IN_MODULES = {"Interactive", "Expression", "FunctionType", "TypeIgnore", "Suite"}
NOT_IN_MODULES |= {"AugLoad", "AugStore", "Param"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"""Doc."""\nx = 1', "x = 1"),
        ('"""Doc."""', ""),
        ('def f():\n    """Doc."""', "def f(): pass"),
        ('class A:\n    "Doc."\n    x = 1', "class A:\n    x = 1"),
        ("x = 1  # remark", "x = (\n    1\n)"),
        ("x = 'a' \"b\"", "x = 'ab'"),
        ("x = u'a'", "x = 'a'"),
        ("x = 1_000, 0x10", "x = 1000, 16"),
        ('x = f"{a:}"', 'x = f"{a}"'),
        ('x = f"{a}" "" f"b"', 'x = f"{a}b"'),
    ],
)
def test_equal_meaning_is_equal_text(one, other):
    assert syntax.text_of(one) == syntax.text_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('x = "a"\ny = 1', "y = 1"),  # not a docstring
        ("x = 0", "x = None"),
        ("x = 0", "x = False"),
        ("x = 0", "x = 0.0"),
        ("x = 0.0", "x = -0.0"),
        ("x = 1", "x = 1.0"),
        ("x = 'a'", "x = b'a'"),
        ("x = ''", "x = None"),
        ("x = 'a'", "x = a"),
        ("x = []", "x = ()"),
        ("x = [None]", "x = []"),
        ("x = {**a}", "x = {a: a}"),
        ("x = f'a'", "x = 'a'"),
        ("x = f'{a}'", "x = f'{a!s}'"),
        ("x = f'{a:b}'", "x = f'{a:{b}}'"),
        ("x: int", "(x): int"),
        ("x = yield", "x = yield None"),
        ("def f(*, a, b=1): 0", "def f(*, a=1, b): 0"),
        ("def f(a, /): 0", "def f(a): 0"),
        ("from a import b", "from .a import b"),
        (
            "async def f():\n    return [x async for x in y]",
            "async def f():\n    return [x for x in y]",
        ),
        ("match a:\n    case None: 0", "match a:\n    case True: 0"),
        ("match a:\n    case {'k': 1}: 0", "match a:\n    case {'k': 1, **r}: 0"),
        ("match a:\n    case [*_]: 0", "match a:\n    case [_]: 0"),
    ],
)
def test_different_meaning_is_different_text(one, other):
    assert syntax.text_of(one) != syntax.text_of(other)


def test_numbers_of_any_length_are_written():
    assert syntax.text_of(f"x = {hex(10**6000)}")
