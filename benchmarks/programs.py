"""CPU seconds of running programs on tests: our sandbox and a plain interpreter per test.

    python benchmarks/programs.py [--programs 10] [--tests 12] [--rounds 3]

The baseline is `python -I -S` with the input as a file, without a limit, guard or prelude. Results
are compared before anything is timed.
"""

import argparse
import subprocess
import sys
import tempfile
from os import times

import comparison

from workflow_scripts.inference import sandbox
from workflow_scripts.parallel_sequential import programs

SOURCE = "n = int(input())\nprint(sum(i * i for i in range(n)))  # {}"
LIMITS = sandbox.Limits(cpu_s=6, wall_s=30, memory_mb=1024, output_bytes=10_000_000)


def ours(sources: list[str], tests: list[programs.Test]) -> list[str]:
    """Outputs of all programs on all tests."""
    judge = programs.Judge(LIMITS)
    found = [judge.run(source, tests, "stdin", "").results for source in sources]
    judge.close()
    return [output for results in found for _, output in results]


def plain(sources: list[str], tests: list[programs.Test]) -> list[str]:
    """The same outputs, from one interpreter per program and test."""
    found = []
    for source in sources:
        for test in tests:
            with tempfile.TemporaryFile("w+") as given:
                given.write(test["input"])
                given.seek(0)
                command = [sys.executable, "-I", "-S", "-c", source]
                found.append(subprocess.check_output(command, stdin=given, text=True, env={}))
    return found


def cpu_s() -> float:
    """CPU time in seconds of this process and of its children that have ended."""
    return sum(times()[:4])


def main() -> None:
    """Time both ways in turns, print a table and add it to the history."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=10)
    parser.add_argument("--tests", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    sources = [SOURCE.format(number) for number in range(asked.programs)]
    tests = [{"input": f"{number}\n", "expected": ""} for number in range(asked.tests)]
    assert ours(sources, tests) == plain(sources, tests)
    ways = {
        "sandbox, a fork per test": lambda: ours(sources, tests),
        "an interpreter per test": lambda: plain(sources, tests),
    }
    taken = comparison.in_turns(ways, asked.rounds, clock=cpu_s)
    case = f"{asked.programs} programs, {asked.tests} tests each"
    comparison.report("programs", comparison.rows(case, taken))


if __name__ == "__main__":
    main()
