"""Equality of mathematical answers: realistic pairs, and what makes it an equivalence."""

import itertools
import random
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.inference import sandbox
from workflow_scripts.parallel_sequential import (
    accuracy,
    answers,
    dialogue,
    expressions,
    metrics,
)
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS
from workflow_scripts.parallel_sequential.dialogue import Dialogue
from workflow_scripts.parallel_sequential.grading import Grader
from workflow_scripts.parallel_sequential.programs import Judge
from workflow_scripts.parallel_sequential.rows import Rows
from workflow_scripts.shared import tables

MATRIX = r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"
# Reference, answer, and whether they are equal; None where the answer cannot be read.
PAIRS = [
    # Integers as in AIME
    ("204", "204", True),
    ("204", " 204. ", True),
    ("204", "$204$", True),
    ("204", r"\(204\)", True),
    ("204", "**204**", True),
    ("204", r"\textbf{204}", True),
    ("204", r"\mathbf{204}", True),
    ("204", r"\boxed{204}", True),
    ("204", "204.0", True),
    ("204", "204.00", True),
    ("073", "73", True),
    ("73", "073", True),
    ("204", "m+n = 204", True),
    ("204", "m + n = 137 + 67 = 204", True),
    ("204", "204 = m + n", True),
    ("204", "137 + 67 = 205", None),
    ("137", "137 = 100 + 37", True),
    ("204", "N=204", True),
    ("204", "The answer is 204", True),
    ("204", "Final answer: 204", True),
    ("204", r"\text{The final answer is } 204", True),
    ("204", "204 minutes", True),
    ("204", r"204\text{ minutes}", True),
    ("204", "402", False),
    ("204", "-204", False),
    ("204", "204x", False),
    ("204", "2.04", False),
    ("204", "20 4", None),
    ("204", "204, 205", False),
    ("204", "204 or 205", False),
    ("204", "203 + 1", True),
    ("204", "two hundred", False),
    ("7", "Seven", True),
    ("42", "forty-two", True),
    ("7", "I do not know", False),
    ("7", "cannot be determined", False),
    ("7", "7, -0.Answer: 0*7=6", None),
    ("7", "no idea at all {", None),
    ("7", r"\frac{7}{", None),
    ("7", "", None),
    # Signs and separators
    ("-7", "\u22127", True),
    ("-7", "\u20137", True),
    ("-7", "minus 7", True),
    ("-7", "minus seven", True),
    ("-7", "7", False),
    ("1000", "1,000", True),
    ("1000", r"1\,000", True),
    ("1000", "1{,}000", True),
    ("1000", "1\u2009000", True),
    ("1000", "1\u202f000", True),
    ("1000", "1\u00a0000", True),
    ("1000", "1 000", True),
    ("1000", r"1\ 000", True),
    ("1000", "1,00", None),
    ("0.5", "0,5", None),
    ("7", "7th", True),
    ("7", r"7^{\text{th}}", True),
    ("7", r"\angle ABC = 7^\circ", True),
    ("7", "P(X = 3) = 7", True),
    ("7", r"\overline{AB} = 7", True),
    ("7", "P(X = 3) = 8", False),
    ("7", r"\color{red}{7}", True),
    ("7", "7 sq. units", True),
    ("7", r"{\large 7}", True),
    ("1234567", "1,234,567", True),
    ("1234567.5", r"1\,234\,567.5", True),
    ("1000", "1e3", True),
    ("1000", "1E+3", True),
    ("1000", r"1 \times 10^3", True),
    ("1000", "10³", True),
    ("1000", "10**3", True),
    ("0.0015", r"1.5\times10^{-3}", True),
    ("0.0015", "1.5 × 10⁻³", True),
    ("0.0015", "1.5e-3", True),
    ("0.0000001", "0.0000004", False),
    ("0.0000001", "1e-7", True),
    ("1", "1e3", False),
    ("0", r"1\,000", False),
    ("7", "\uff17", True),
    # Fractions and mixed numbers
    (r"\frac{1}{2}", "0.5", True),
    (r"\frac{1}{2}", "1/2", True),
    (r"\frac{1}{2}", r"\dfrac{1}{2}", True),
    (r"\frac{1}{2}", r"\tfrac12", True),
    (r"\frac{1}{2}", "½", True),
    (r"\frac{1}{2}", "2/4", True),
    (r"\frac{1}{2}", r"\frac{-1}{-2}", True),
    (r"\frac{1}{2}", r"2^{-1}", True),
    (r"-\frac{1}{2}", r"\frac{-1}{2}", True),
    (r"-\frac{1}{2}", r"\frac{1}{-2}", True),
    (r"\frac{1}{2}", "2", False),
    (r"\frac{1}{3}", "0.333", False),
    (r"\frac{1}{3}", r"0.\overline{3}", True),
    (r"\frac{7}{2}", "3 1/2", True),
    (r"\frac{7}{2}", r"3\frac12", True),
    (r"\frac{7}{2}", r"3\frac{1}{2}", True),
    (r"\frac{7}{2}", r"3 \dfrac{1}{2}", True),
    (r"\frac{7}{2}", "3½", True),
    (r"\frac{7}{2}", "3.5", True),
    (r"\frac{3}{2}", "3 1/2", False),
    (r"-\frac{7}{2}", "-3 1/2", True),
    (r"-\frac{7}{2}", r"-3\frac{1}{2}", True),
    ("3", r"2\frac{3}{2}", None),
    (r"\frac{3}{4}", r"p = \frac{3}{4}", True),
    (r"\frac{3}{4}", "3:4", True),
    ("3:4", r"\frac{3}{4}", True),
    ("3:4", "6 : 8", True),
    ("3:4", "4:3", False),
    (r"\frac{5}{1,296}", r"\frac{5}{1296}", True),
    # Decimals: exact, unless the reference is a rounded one
    ("0.5", "0.46", False),
    ("12.5", "12.54", False),
    ("0.25", ".25", True),
    ("0.25", "0.250", True),
    ("0.732", "0.7320508", True),
    ("0.732", "0.732 (rounded to 3 decimals)", True),
    ("0.732", r"\sqrt{3} - 1", True),
    ("0.732", "0.7326", False),
    ("0.732", "0.73", False),
    ("3.1416", r"\pi", True),
    ("3.1416", r"\approx 3.14159", True),
    (r"\pi", "3.14159", False),
    ("6.674e-11", r"6.67408 \times 10^{-11}", True),
    ("-0.32", "z ≈ -0.32", True),
    (r"\sqrt{3}-1", r"x = \sqrt{3} - 1 \approx 0.732", True),
    ("0.732", r"x = \sqrt{3} - 1 \approx 0.732", True),
    # Roots, pi and other expressions
    (r"2\sqrt{2}", r"\sqrt{8}", True),
    (r"2\sqrt{2}", "2√2", True),
    (r"2\sqrt{2}", "2*sqrt(2)", True),
    (r"2\sqrt{2}", r"2 \cdot 2^{1/2}", True),
    (r"2\sqrt{2}", r"\frac{4}{\sqrt{2}}", True),
    (r"2\sqrt{2}", "2.828", False),
    (r"2\sqrt{2}", r"\sqrt{2}", False),
    (r"1", r"\sqrt{3+2\sqrt{2}}-\sqrt{2}", True),
    (r"\sqrt[3]{2}", "2^{1/3}", True),
    (r"-2", r"\sqrt[3]{-8}", True),
    (r"3 - \sqrt{5}", r"-\sqrt5 + 3", True),
    (r"\frac{\pi}{3}", "π/3", True),
    (r"\frac{\pi}{3}", r"\frac{1}{3}\pi", True),
    (r"\frac{\pi}{3}", r"\pi", False),
    (r"12\pi", r"12\pi \text{ cm}^2", True),
    (r"12\pi", "12 pi", True),
    (r"\frac{1}{2}", r"\sin 30^\circ", True),
    (r"\frac{1}{2}", r"\cos\left(\frac{\pi}{3}\right)", True),
    (r"\ln 4", r"2\ln 2", True),
    ("3", r"\log_2 8", True),
    ("120", "5!", True),
    ("120", r"\binom{10}{3}", True),
    ("2^{2025}-1", "2^{2025} - 1", True),
    ("2^{2025}-1", "2^{2025}", False),
    ("x+1", "1+x", True),
    ("x^2-1", "(x-1)(x+1)", True),
    ("x^2-1", "(x-1)^2", False),
    (r"\frac{1}{x}", "x^{-1}", True),
    ("|x|", "x", False),
    ("2x+1", "y = 2x + 1", True),
    ("2x+1", "f(x) = 2x+1", True),
    ("y = 2x+1", "2x - y + 1 = 0", True),
    ("y = 2x+1", "2x+1", True),
    ("2x+3y=6", "4x + 6y = 12", True),
    ("2x+3y=6", "2x+3y=7", False),
    ("3+4i", "4i + 3", True),
    ("3+4i", "3-4i", False),
    (r"\frac{1}{2}", r"e^{i\pi}", False),
    # Percentages, currency, units, degrees
    ("50", r"50\%", True),
    (r"50\%", "50", True),
    (r"50\%", "50 percent", True),
    (r"50\%", "0.5", False),
    ("0.5", "50%", True),
    (r"\frac{1}{2}", r"50\%", True),
    ("12.5", r"12.5\,\%", True),
    ("5", r"\$5.00", True),
    ("1250.50", "$1,250.50", True),
    ("5", "€5", True),
    ("5", "5 dollars", True),
    ("1500000", "1.5 million", True),
    ("1500000", "$1.5 million dollars", True),
    ("1.5", "1.5 million", False),
    ("5", "5 hundredths", None),
    ("5", "5 squared", None),
    ("7", "7 mod 10", None),
    ("7", r"7 \pmod{10}", None),
    ("7", "it is 7", None),
    ("7", "between 6 and 8", None),
    ("7", "7 times as many", None),
    (r"\frac{1}{2}", r"\frac{1}{2} \text{ of the pie}", True),
    (r"\frac{1}{2}", "1/2 mile", True),
    (r"\frac{3}{4}", r"\frac{3}{4} \text{ or } 0.75", True),
    ("12", "(A) 12", True),
    (r"\sqrt{23}", "√23", True),
    (r"\sqrt{23}", "sqrt(23)", True),
    (r"\sqrt{23}", "sqrt 23", True),
    ("Monday, March 5", "monday, march 5", True),
    ("Monday, March 5", "Tuesday, March 6", None),
    (r"\int_0^1 g(x)\,dx", r"\int_0^1 g(x)dx", True),
    (r"\int_0^1 g(x)\,dx", "7", None),
    ("12", "12 cm", True),
    ("12", r"12\,\mathrm{cm}^2", True),
    ("12", "12 km/h", True),
    ("12", "12 square feet", True),
    ("12", "12 m", True),
    ("12", "12 m²", True),
    ("60", r"60^\circ", True),
    ("60", "60°", True),
    ("60", "60 degrees", True),
    ("60", r"60^{\circ}", True),
    (r"60^\circ", "60", True),
    ("20", "20 °C", True),
    # Pairs, sets, intervals
    ("(2, 3)", "(2,3)", True),
    ("(2, 3)", r"\left(2, 3\right)", True),
    ("(2, 3)", r"\left( \frac{4}{2}, 3.0 \right)", True),
    ("(2, 3)", "x = 2, y = 3", True),
    ("(2, 3)", "(x, y) = (2, 3)", True),
    ("(2, 3)", "2, 3", True),
    ("(2, 3)", "(3, 2)", False),
    ("(2, 3)", "3, 2", False),
    ("(2, 3)", "[2, 3]", False),
    ("(2, -3, 1)", "(2, \u22123, 1)", True),
    ("(1000, 2)", "(1,000, 2)", True),
    ("2, 3", "3, 2", True),
    ("2, 3", "x = 2 or x = 3", True),
    ("2, 3", "2 and 3", True),
    ("2, 3", r"\{2, 3\}", True),
    ("2, 3", "2", False),
    (r"\{1, 2, 3\}", r"\{3,1,2\}", True),
    (r"\{1, 2\}", "1, 2", True),
    (r"\pm 2", "2, -2", True),
    (r"2 \pm \sqrt{3}", r"2+\sqrt3, 2-\sqrt3", True),
    (r"\emptyset", "no solution", True),
    ("[2, 3)", r"2 \le x < 3", True),
    ("[2, 3)", r"x \in [2, 3)", True),
    ("[2, 3)", "(2, 3]", False),
    (r"(2, \infty)", "x > 2", True),
    (r"(-\infty, 3]", r"x \leq 3", True),
    (r"(-\infty, 3]", "3 ≥ x", True),
    (r"(-\infty, 1) \cup (2, \infty)", r"(2,\infty)\cup(-\infty,1)", True),
    (r"\infty", "infinity", True),
    (MATRIX, r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", True),
    (MATRIX, r"\begin{pmatrix}1&3\\2&4\end{pmatrix}", False),
    # Words, options, bases
    ("Tuesday", r"\text{Tuesday}", True),
    ("Tuesday", "tuesday.", True),
    ("Tuesday", "Wednesday", False),
    ("Yes", "yes", True),
    ("Yes", "No", False),
    ("even", r"\text{odd}", False),
    ("C", "(C)", True),
    ("C", r"\textbf{(C)}", True),
    ("C", "C.", True),
    ("C", "C) 12 apples", True),
    ("C", "Option C", True),
    ("C", "Letter: C", True),
    ("C", "Choice (D)", False),
    ("C", "D", False),
    (r"\text{(C)}", r"\textbf{(C)}\ 12", True),
    ("1011_2", "1011_{2}", True),
    ("1011_2", "1011", True),
    ("11", "1011_2", True),
]  # fmt: skip


@pytest.mark.parametrize(("reference", "answer", "equal"), PAIRS)
def test_a_realistic_answer_is_read_as_it_is_meant(reference, answer, equal):
    assert answers.same(reference, answer) is equal


def test_the_table_is_large_and_every_reference_equals_itself():
    assert len(PAIRS) >= 120
    assert all(answers.same(reference, reference) is True for reference, _, _ in PAIRS)


ALL = sorted({text for pair in PAIRS for text in pair[:2]})


@pytest.mark.parametrize(
    "reference", ["", "50", r"50\%", "0.732", "(2, 3)", "2, 3", "y = 2x+1", "C"]
)
def test_equality_is_an_equivalence_and_names_do_not_depend_on_the_order(reference):
    """Names that equal answers share describe a partition, whatever the order of the answers."""
    wanted = dict(zip(ALL, answers.classes(ALL, reference), strict=True))
    for left, right in itertools.combinations(ALL, 2):
        one, other = (answers.canonical(each, reference) for each in (left, right))
        equal = one is not None and one == other
        assert equal == (other is not None and other == one)
        assert equal == (wanted[left] != "" and wanted[left] == wanted[right])
    for seed in range(5):
        shuffled = random.Random(seed).sample(ALL, len(ALL))
        assert dict(zip(shuffled, answers.classes(shuffled, reference), strict=True)) == wanted


VOTERS = ["0.5", r"\frac12", "1/2", "50%", "2", "2.0", "x", "", "1e3", r"1\,000", "no {"]


@given(st.permutations(VOTERS), st.sampled_from(["0.5", "2", "1000"]))
def test_a_vote_does_not_depend_on_the_order_of_the_replies(replies, reference):
    def vote(found):
        right = [answers.same(reference, each) for each in found]
        numbers = [float("nan") if each is None else float(each) for each in right]
        return metrics.majority(answers.classes(found, reference), numbers)

    assert vote(replies) == vote(VOTERS)


@given(
    st.fractions(max_denominator=10**6), st.sampled_from(["{n}/{d}", r"\frac{{{n}}}{{{d}}}", "{e}"])
)
def test_rational_numbers_are_read_exactly(number, style):
    text = style.format(n=number.numerator, d=number.denominator, e=f"{number.numerator}e-3")
    wanted = Fraction(number.numerator, 1000) if style == "{e}" else number
    assert answers.canonical(text) == ("number", wanted)


@given(st.integers(-(10**12), 10**12))
def test_separators_of_thousands_do_not_change_a_number(number):
    for separator in (",", r"\,", "{,}", "\u2009", "\u202f", "\u00a0", "~", " "):
        text = f"{number:,}".replace(",", separator).replace("-", "\u2212")
        assert answers.canonical(text) == ("number", Fraction(number)), text


@given(st.text(alphabet="0123456789.,+-*/^_(){}[]=<>|\\!%:x ansqrtpifc", max_size=30))
def test_any_text_has_a_form_or_is_unread(text):
    assert answers.same(text, text) in (True, None)


@pytest.mark.parametrize(
    "text", ["9^{9^{9^{9}}}", "10^{10^{10}}", "(9!)!", "1e999999999", "(" * 3000]
)
def test_huge_numbers_and_nested_brackets_end_quickly(text):
    assert answers.same("7", text) in (False, None)


@pytest.mark.parametrize("text", ["", "2 3", "2 +", "1/0", "(1", r"\foo", r"\sqrt", "2^"])
def test_a_text_is_read_whole_or_not_at_all(text):
    with pytest.raises(expressions.UnreadableError):
        expressions.value(text)


@pytest.mark.parametrize(
    ("reply", "answer", "correct", "failure"),
    [
        (r"\boxed{7}", r"7", True, ""),
        (r"So \boxed{7}. As asked, it is within \boxed{}.", "7", True, ""),
        (r"\boxed{7} \boxed{\text{your answer}}", "7", True, ""),
        (r"First try: \boxed{5}. Checking again, it is \boxed{7}.", "7", True, ""),
        (r"<think>\boxed{5}</think> \boxed{7}", "7", True, ""),
        (r"$\boxed{\boxed{7}}$", "7", True, ""),
        (r"\fbox{7}", "7", True, ""),
        (r"\boxed 7.", "7", True, ""),
        (r"\boxed{8}", "8", False, ""),
        (r"$x = \boxed{7}$ or $x = \boxed{8}$", "7, 8", False, ""),
        (r"\boxed{5} Wait, that is wrong, it should be 7.", "", None, dialogue.UNREAD),
        (r"\boxed{5} But this is incorrect.", "", None, dialogue.UNREAD),
        (r"\boxed{7, -0.x: 0*7=}", "", None, dialogue.UNREAD),
        (r"It is 7. Put it into \boxed{}.", "", False, dialogue.NO_ANSWER),
        (r"\boxed{5} and then \boxed{", "", False, dialogue.NO_ANSWER),
        ("It is 7.", "", False, dialogue.NO_ANSWER),
        (r"<think>It is \boxed{7}.", "", False, dialogue.NO_ANSWER),
    ],
)
def test_the_answer_of_a_reply_and_why_it_is_not_known(reply, answer, correct, failure):
    """An answer that cannot be read is a failure of its own: neither right nor wrong."""
    rows = {"domain": "math", "question": "1", "level": "", "text": "", "answer": "7"}
    limits = sandbox.Limits(cpu_s=2, wall_s=5, memory_mb=256, output_bytes=1000)
    speech = {"math": Dialogue("chat", False, "math")}
    grader = Grader(pd.DataFrame([rows]), speech, Judge(limits), 1.0, 0)
    graded = grader.grade("math", "1", reply, 0)
    assert (graded.answer, graded.correct, graded.failure) == (answer, correct, failure)
    assert not (graded.correct is None and graded.passes_weak)


def test_an_unread_answer_stays_unknown_in_the_table_and_in_the_scores(tmp_path):
    texts = {"model": "m", "domain": "math", "arm": "sequential", "level": "easy", "text": "x"}
    base = texts | {"request_id": "r", "sample": 0, "chain": 0, "retry": 0, "accepted": True}
    base |= {"finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1}
    base |= {"passes_weak": False, "mean_logprob": None, "repeats_shown": False}
    outcomes = {"1": (True, None, False), "2": (None, None, None)}
    made = [
        base
        | {"question": question, "attempt": at, "answer": "" if right is None else str(right)}
        | {"correct": right, "failure": dialogue.UNREAD if right is None else ""}
        for question, found in outcomes.items()
        for at, right in enumerate(found, start=1)
    ]
    tables.write(pd.DataFrame(made), tmp_path / "attempts.parquet", ATTEMPTS, None)
    frame = tables.read(tmp_path / "attempts.parquet", ATTEMPTS)
    assert frame["correct"].isna().sum() == 4
    rows = Rows("m", "math", 0)
    accuracy.difficulty(rows, frame)
    accuracy.foreign(rows, frame)
    accuracy.failures(rows, frame)
    found = {(row["metric"], row.get("cell", "")): row for row in rows.made}
    assert (found["level_accuracy", "easy"]["value"], found["level_accuracy", "easy"]["n"]) == (
        0.5,
        1,
    )
    assert found["later_accuracy", ""]["value"] == 0
    assert found["failed_share", "unread"]["value"] == pytest.approx(4 / 6)
    assert found["failed_share", "no answer"]["value"] == 0
