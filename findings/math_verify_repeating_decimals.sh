#!/usr/bin/env bash
# Math-Verify 0.9.0: repeating decimals in dollar signs are cut to their whole part, so all are equal.
#
# Expected: `$0.\overline{3}$` is 1/3, or cannot be parsed; it equals neither 0 nor `$0.\overline{6}$`.
# Seen: `parse` returns 0, and `verify` calls 0.\overline{3} equal to 0 and to 0.\overline{6}, but not to
# \frac{1}{3}. No error is raised and nothing tells that a part of the text was dropped. The same happens
# for \dot, \bar and brackets around the period.
# Exits with 0 while Math-Verify behaves like this, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet math-verify==0.9.0 latex2sympy2_extended==1.11.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from math_verify import parse, verify

third = parse(r"$0.\overline{3}$")
equal = {text: verify(parse(f"${text}$"), third) for text in ("0", r"0.\overline{6}", r"\frac{1}{3}")}
print("0.\\overline{3} is parsed as", third, "and equals", equal)
sys.exit(list(equal.values()) != [True, True, False])
PYTHON
