"""Samples of all 30 algorithms, as arrays and as text, against independent solutions."""

import re

import numpy as np
import pytest

clrs = pytest.importorskip("clrs")

from clrs._src import samplers  # noqa: E402
from clrs._src.clrs_text import clrs_utils  # noqa: E402

from tests.clrs import solutions  # noqa: E402
from workflow_scripts.clrs import sampling, specs  # noqa: E402

pytestmark = pytest.mark.xdist_group("dm-clrs")  # one worker imports it

SAMPLES = 12
SIZES = (4, 7)
SORTS = {"bubble_sort", "heapsort", "insertion_sort", "quicksort"}


def options(algorithm):
    """The package's defaults for string matchers; training options need more than 8 characters."""
    return {} if algorithm in specs.STRING_MATCHERS else sampling.training_options(algorithm)


def samples(algorithm, nodes, count, decimals=None):
    spec, columns = sampling.draw(
        sampling.sampler(algorithm, nodes, 11, options(algorithm), decimals), algorithm, count
    )
    for index in range(count):
        yield tuple(
            {f.name: columns[f"{stage}/{f.name}"][index] for f in spec if f.stage == stage}
            for stage in ("input", "output")
        )


def test_every_algorithm_has_a_solution():
    assert set(solutions.RIGHT) == set(specs.ALGORITHMS) == set(clrs.CLRS_30_ALGS_SETTINGS)


@pytest.mark.parametrize("algorithm", specs.ALGORITHMS)
def test_outputs_are_right(algorithm):
    for nodes in SIZES:
        for given, found in samples(algorithm, nodes, SAMPLES):
            assert solutions.RIGHT[algorithm](given, found), (given, found)


@pytest.mark.parametrize("algorithm", specs.ALGORITHMS)
def test_solutions_notice_outputs_of_other_inputs(algorithm):
    """Each check must be able to fail: it gets outputs of one sample with inputs of the next."""
    drawn = list(samples(algorithm, 7, 2 * SAMPLES))
    verdicts = [
        right_or_broken(algorithm, given, found)
        for (given, _), (_, found) in zip(drawn, [*drawn[1:], drawn[0]], strict=True)
    ]
    assert not all(verdicts)


def right_or_broken(algorithm, given, found):
    try:
        return solutions.RIGHT[algorithm](given, found)
    except (ValueError, IndexError, RecursionError):  # no order, tree or table at all
        return False


def test_the_package_schedules_by_a_greedy_rule_that_is_not_always_best():
    """The package drops a task once as many tasks are chosen as its deadline allows, even if those
    could be done later. So the solution of `task_scheduling` checks the greedy choice."""
    worse = 0
    for given, found in samples("task_scheduling", 6, 40):
        best = 0.0
        for chosen in range(2 ** len(given["d"])):
            picked = np.array([chosen >> bit & 1 for bit in range(len(given["d"]))], bool)
            if solutions.on_time(given["d"][picked]):
                best = max(best, given["w"][picked].sum())
        total = given["w"][found["selected"] > 0].sum()
        assert total <= best + 1e-6
        worse += total < best - 1e-6
    assert worse


LISTS = re.compile(r"\[[^\[\]]*\]")


def numbers(text):
    """A value of CLRS-Text as an array: a number, a list, or a list of lists."""
    rows = LISTS.findall(text)
    if not rows:
        return np.array(float(text))
    values = [[float(word) for word in row.strip("[]").split()] for row in rows]
    return np.array(values if text.startswith("[[") else values[0])


def fields(text):
    """`name: value, name: value` as arrays by name."""
    parts = re.split(r"(?:^|, )(\w+): ", text)
    return dict(zip(parts[1::2], map(numbers, parts[2::2]), strict=True))


def values(text):
    """The values of an answer: lists, lists of lists, or numbers, with ", " between them."""
    return [numbers(part) for part in re.findall(r"\[\[.*?\]\]|\[.*?\]|[^\s,\[\]]+", text)]


def as_text(algorithm, nodes, count):
    """(question, answer, inputs, outputs) of the same draws."""
    drawn = sampling.sampler(algorithm, nodes, 11, options(algorithm), decimals=3)
    stream = sampling.probes(drawn)
    for _ in range(count):
        inputs, outputs, hints = sampling.points(next(stream), drawn)
        feedback = samplers.Feedback(samplers.Features(inputs, hints, None), outputs)
        question, answer = clrs_utils.format_clrs_example(algorithm, feedback)
        arrays = [{point.name: point.data[0] for point in part} for part in (inputs, outputs)]
        yield question, answer, *arrays


@pytest.mark.parametrize("algorithm", specs.ALGORITHMS)
def test_text_says_what_the_arrays_say(algorithm):
    """A text is therefore right if its arrays are; the answer of a sort is the sorted keys."""
    for question, answer, inputs, outputs in as_text(algorithm, 6, SAMPLES):
        name, given, asked, end = question.split("\n")
        assert (name, end) == (f"{algorithm}:", "")
        assert asked == ", ".join(outputs) + ":"
        assert answer.endswith("\n\n")
        said = fields(given)
        assert set(said) == set(inputs) - {"pos"} - ({"adj"} if "A" in inputs else set())
        for key, value in said.items():
            np.testing.assert_allclose(value, plain(inputs[key], value), atol=2e-3)
        if algorithm in SORTS:
            np.testing.assert_array_equal(numbers(answer.strip()), np.sort(said["key"]))
            continue
        for value, name in zip(values(answer.strip()), outputs, strict=True):
            np.testing.assert_array_equal(value, plain(outputs[name], value))


def plain(array, like):
    """One-hot arrays as the indices in the text."""
    array = np.asarray(array, float)
    if array.ndim == like.ndim:
        return array
    masked = (array < 0).all(-1) | ~(array > 0).any(-1)
    return np.where(masked, -1, array.argmax(-1))
