"""Every table contract refuses what coercion would turn into another value, and keeps the rest."""

import importlib
import math
import re

import numpy as np
import pandas as pd
import pytest
from pandera.pandas import Column, DataFrameSchema

from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT

SCRIPTS = ROOT / "workflow_scripts"
USUAL = {"str": "a", "int": 1, "float": 0.5, "bool": True}
# By kind: what is refused, and what is a value although it needs coercion.
WRONG = {
    "str": [],
    "int": [0.9, 3.99, math.inf, -math.inf, 1e30, "one", "1.5", ""],
    "float": ["one"],
    "bool": ["False", "true", "", 2, 0.5, -1],
}
MISSING = [None, math.nan, pd.NA]


def contracts():
    found = {}
    for path in sorted(SCRIPTS.rglob("*.py")):
        if "= DataFrameSchema(" in path.read_text():
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for key, value in vars(importlib.import_module(name)).items():
                if isinstance(value, DataFrameSchema):
                    found.setdefault(id(value), (f"{path.stem}.{key}", value))
    return [pytest.param(schema, id=name) for name, schema in found.values()]


CONTRACTS = contracts()


def kind(column):
    (found,) = [name for name in USUAL if str(column.dtype).lower().startswith(name)]
    return found


def value(column):
    """A value that the column's checks allow."""
    options = [USUAL[kind(column)], 2, 0]
    for check in column.checks:
        options = [*check.statistics.get("allowed_values", []), *options]
    return next(each for each in options if fits(column, each))


def fits(column, each):
    return all(check(pd.Series([each])).check_passed for check in column.checks)


def frame(schema, **changes):
    """Two rows that fit, the second with changes."""
    good = {name: value(column) for name, column in schema.columns.items()}
    rows = [dict(good), good | changes]
    for name, column in schema.columns.items():
        other = f"{good[name]} again"  # rows are told apart by their keys
        key = (column.unique or name in (schema.unique or [])) and kind(column) == "str"
        if key and fits(column, other) and name not in changes:
            rows[1][name] = other
    return pd.DataFrame(rows, dtype=object)


def test_all_contracts_are_found():
    assert len(CONTRACTS) >= 11
    text = "".join(path.read_text() for path in SCRIPTS.rglob("*.py"))
    defined = re.findall(r"^[A-Z_]+ = (?:DataFrameSchema|[A-Z_]+\.\w+_columns)\(", text, re.M)
    assert len(CONTRACTS) == len(defined)


@pytest.mark.parametrize("schema", CONTRACTS)
def test_a_table_that_fits_keeps_its_values(schema):
    table = tables.check(frame(schema), "made.parquet", schema)
    for name, column in schema.columns.items():
        assert table[name].iloc[0] == value(column)
        if column.nullable:
            estimated = {"exact": False} if "exact" in schema.columns else {}
            changes = {name: None, **estimated}
            kept = tables.check(frame(schema, **changes), "made.parquet", schema)
            assert pd.isna(kept[name].iloc[1]), name


def wrongs(schema):
    """Column and wrong value: all of its kind in the first column of a type, one in the others."""
    seen = set()
    for name, column in schema.columns.items():
        wrong = WRONG[kind(column)]
        yield from ((name, each) for each in (wrong[:1] if column.dtype in seen else wrong))
        seen.add(column.dtype)


@pytest.mark.parametrize("schema", CONTRACTS)
def test_what_coercion_would_change_is_refused_by_column_and_row(schema):
    cases = list(wrongs(schema))
    for name, column in schema.columns.items():
        cases += [] if column.nullable else [(name, each) for each in MISSING]
    for name, each in cases:
        with pytest.raises(tables.TableError, match=rf"^made: column '{name}', row 1: found "):
            tables.check(frame(schema, **{name: each}), "made", schema)


@pytest.mark.parametrize("schema", CONTRACTS)
def test_a_column_of_wrong_values_only_is_refused(schema):
    """A whole column has a type of its own: floats, or text."""
    for name, each in wrongs(schema):
        table = frame(schema).assign(**{name: pd.Series([each, each])})
        with pytest.raises(tables.TableError, match=f"column '{name}', row 0: found "):
            tables.check(table, "made", schema)


def test_a_column_of_truth_values_is_no_column_of_numbers():
    schema = DataFrameSchema({"n": Column(int)}, coerce=True, name="numbers")
    with pytest.raises(tables.TableError, match=r"column 'n', row 0: found .*True.*whole number"):
        tables.check(pd.DataFrame({"n": [True, False]}), "made", schema)


@pytest.mark.parametrize("schema", CONTRACTS)
@pytest.mark.parametrize(
    "others", [{"int": float, "bool": int}, {"int": np.int8, "bool": np.bool_}, {"int": str}]
)
def test_whole_numbers_and_truth_values_of_other_types_are_read(schema, others):
    good = {name: value(column) for name, column in schema.columns.items()}
    changes = {
        name: others[kind(column)](good[name])
        for name, column in schema.columns.items()
        if kind(column) in others
    }
    table = tables.check(frame(schema, **changes), "made", schema)
    assert {name: table[name].iloc[1] for name in changes} == {name: good[name] for name in changes}
