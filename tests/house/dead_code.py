"""Names that nothing uses; `make lint` runs it.

    python -m tests.house.dead_code

vulture finds them. Names in rule files count as used: figures are drawn by the function of their
name, and helpers of rules are called only there. Imports are checked by ruff; attributes are not
checked, because they are set on objects of libraries.
"""

import re
import sys

import vulture

from workflow_scripts.shared.fingerprint import PACKAGE, ROOT

CONFIDENCE = 60  # per cent; vulture's lowest confidence
# Names that a library or the interpreter calls, each with its caller.
CALLED_ELSEWHERE = {
    "filter": "logging",
    "find_class": "pickle",
    "get_seq_length": "transformers",
}


def unused() -> list[str]:
    """One line per name that is defined and used nowhere."""
    checker = vulture.Vulture()
    checker.scavenge([str(ROOT / folder) for folder in (PACKAGE, "tests", "benchmarks", "docs")])
    rules = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
    named = set(re.findall(r"\w+", " ".join(path.read_text() for path in rules)))
    return [
        f"{item.filename.relative_to(ROOT)}:{item.first_lineno} {item.typ} {item.name}"
        for item in checker.get_unused_code(min_confidence=CONFIDENCE)
        if item.filename.is_relative_to(ROOT / PACKAGE)
        and item.typ not in ("import", "attribute")
        and item.name not in named | CALLED_ELSEWHERE.keys()
    ]


if __name__ == "__main__":
    found = unused()
    print("\n".join(found) or "Every name is used.")
    sys.exit(bool(found))
