"""Equality of mathematical answers: both have the same canonical form.

The form is a function of one answer and of the question's reference answer. So equality is an
equivalence relation at every question, and a vote does not depend on the order of the replies.
Conventions that the reference decides:

- a percentage counts in percent where the reference does, or is a number above 1; else 50% is 1/2;
- a reference decimal whose last half unit is at most `RELATIVE` of it counts as rounded: answers
  are rounded to its last digit. All other numbers are compared exactly;
- a bare list "1, 2" is an ordered pair where the reference is one, else a set;
- "y = 2x" is the term 2x unless the reference is an equation; "A" is an option where it is one;
- units are dropped, not converted, and so are degree signs outside of functions.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath

from workflow_scripts.parallel_sequential import expressions
from workflow_scripts.parallel_sequential.expressions import UnreadableError
from workflow_scripts.parallel_sequential.notation import normalised

RELATIVE = Fraction(1, 1000)
SAME_DIGITS = 30  # to which values that are not rational are compared
VERBATIM = "verbatim"  # answers to a question whose reference cannot be read
LARGEST_EXPONENT = 10_000  # in scientific notation
Form = tuple[Any, ...]

ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBER_WORDS = {word: number for number, word in enumerate(ONES)} | {
    word + end: 10 * tens + more
    for tens, word in enumerate(TENS, start=2)
    for more, end in enumerate(["", *(f"-{one}" for one in ONES[1:10])])
}
NUMBER_WORDS |= {word.replace("-", " "): number for word, number in NUMBER_WORDS.items()}

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
DECIMAL = re.compile(rf"({NUMBER})(?:[eE]([-+]?\d+))?")
SCIENTIFIC = re.compile(rf"({NUMBER})\s*\*\s*10\s*(?:\^|\*\*)\s*\{{?\s*([-+]?\d+)\s*\}}?")
MIXED = re.compile(r"([-+]?)(\d+)\s+(\d+)\s*/\s*(\d+)")
REPEATING = re.compile(r"([-+]?)(\d*)\.(\d*)\\overline\s*\{(\d+)\}")
BASE = re.compile(r"(\d+)_\{?(\d+)\}?")
RATIO = re.compile(r"\d+(?:\s*:\s*\d+)+")
OPTION = re.compile(r"(?:(?i:option|choice|letter|answer):? )?\(?([A-J])[).:]?")
OPTION_AND_TEXT = re.compile(r"\(?([A-J])[).:]\s*\S.*")
NAME = r"(?:\\?[A-Za-z]+)(?:_\{?\w+\}?)?(?:\s*\(\s*[A-Za-z]\s*\))?"
ASSIGNED = re.compile(rf"({NAME})\s*=\s*([^=]+)")
DESCRIBED = re.compile(r"[A-Za-z\\|][^-+*/^]*")  # "P(X = 3)", "\\angle ABC"
SHORT_UNITS = (
    "mm|cm|dm|km|kg|mg|ml|mL|cl|dl|ft|in|yd|mi|lb|lbs|oz|hr|hrs|min|sec|ms|Hz|kHz|MHz|kW|kJ|kN|"
    "Pa|kPa|mol|of|mph|km/h|kmh|m/s|cm/s|ft/s|sq|cu|am|pm|rad|deg|USD|EUR"
)
EXPRESSION_WORD = re.compile(
    r"(?:sqrt|pi|sin|cos|tan|cot|sec|csc|log|ln|exp|mod|and|or|inf|infinity|arcsin|arccos|arctan|"
    r"binom|frac|times|over|plus|minus|to)\b",
    re.IGNORECASE,
)
MULTIPLES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
MULTIPLE = re.compile(rf"({NUMBER}) ?({'|'.join(MULTIPLES)})(?: [A-Za-z ]+)?", re.IGNORECASE)
# Words after a number that change it.
QUANTITY = re.compile(
    r"(?:dozen|half|halves|thirds?|quarters?|fourths?|fifths?|\w+ths?|squared|cubed|factorial|mod|"
    r"modulo|hundred|thousand|[mbtr]+illion|times|pairs?|percent|more|less)\b",
    re.IGNORECASE,
)
UNIT_SIZE = r"(?:\s*(?:\^|\*\*)\s*\{?\s*[23]\s*\}?)?"
UNIT = re.compile(
    rf"(.*?(?:[\d)}}]|\\pi))\s*((?:{SHORT_UNITS})(?:\s+(?:per\s+)?[A-Za-z/]+)*|(?<=\s)[A-Za-z]{{3,}}(?:[\s/-]+[A-Za-z]+)*|"
    rf"(?<=\s)[A-Za-z])\.?{UNIT_SIZE}"
)
NO_SOLUTION = re.compile(
    r"(?:there (?:is|are) )?no (?:real )?solutions?(?: exists?)?|none"
    r"|\\emptyset|\\varnothing|\\\{\s*\\\}"
)
INFINITY = re.compile(r"([-+]?)\s*(?:\\infty|infinity|inf|oo)")
RELATION = re.compile(r"(<=|>=|\\[lg]eq?(?:slant)?(?![A-Za-z])|\\[lg]t(?![A-Za-z])|<|>)")


@dataclass(frozen=True)
class Convention:
    """How a question's reference answer makes the answers to it be read.

    `shape` is the kind of the reference's form. `unit` is the unit of the last digit of a rounded
    decimal, or None. `percent`: the reference counts in percent. `equation`: the left side of an
    equation such as "y = 2x", or "=" for other equations.
    """

    shape: str = ""
    unit: Fraction | None = None
    percent: bool = False
    small: bool = True
    equation: str = ""
    base: int = 0


NONE = Convention()
PART = Convention("part")  # of a collection


@lru_cache(maxsize=1 << 14)
def convention(reference: str) -> Convention:
    """The convention of a reference answer."""
    text = normalised(reference)
    form = canonical(reference)
    if form is None:
        return Convention(VERBATIM)
    kind = str(form[0])
    percent = text.endswith("%")
    shape = "list" if kind == "set" and not text.startswith("\\{") else kind
    value = form[1] if kind == "number" and isinstance(form[1], Fraction) else None
    unit = None
    found = DECIMAL.fullmatch(text) or SCIENTIFIC.fullmatch(text)
    if found and value and "." in found[1]:
        places = len(found[1].partition(".")[2]) - int(found[2] or 0)
        last = Fraction(10) ** -places
        unit = last if last / 2 <= RELATIVE * abs(value) else None
    equation = ""
    if text.count("=") == 1 and not RELATION.search(text):
        named = ASSIGNED.fullmatch(text)
        left = named[1] if named else "="
        try:
            constant = named is not None and len(expressions.value(named[2])) == 1
        except UnreadableError:
            constant = True
        equation = "" if constant else left
    based = BASE.fullmatch(text)
    return Convention(
        shape=shape,
        unit=unit,
        percent=percent,
        small=value is not None and abs(value) <= 1,
        equation=equation,
        base=int(based[2]) if based else 0,
    )


@lru_cache(maxsize=1 << 16)
def canonical(answer: str, reference: str = "") -> Form | None:
    """The canonical form of an answer to the question with this reference; None if unreadable.

    Its first entry is the kind: number, complex, term, equation, set, pair, interval, union,
    matrix, ratio, option, text or verbatim.
    """
    text = normalised(answer)
    plain = DECIMAL.fullmatch(text)
    given = convention(reference) if reference else NONE
    if given.shape == VERBATIM:
        return (VERBATIM, re.sub(r"\s", "", text).lower()) if text else None
    if plain and given == NONE and not plain[2]:
        return ("number", Fraction(plain[1]))
    try:
        return _form(text, given)
    except (UnreadableError, ZeroDivisionError, RecursionError):
        return None


def same(reference: str, answer: str) -> bool | None:
    """Whether an answer equals the reference; None if that cannot be known.

    It is not known for an answer that cannot be read, and for one that is written otherwise than a
    reference that cannot be read.
    """
    wanted, found = canonical(reference, reference), canonical(answer, reference)
    if found is None or (wanted != found and found[0] == VERBATIM):
        return None
    return wanted == found


def classes(found: Sequence[str | None], reference: str = "") -> list[str]:
    """A name for each answer to one question: equal answers, and only they, share a name.

    The name is the shortest of the equal answers, the first in alphabetical order among those, so
    it does not depend on their order. It is "" for no answer and for one that cannot be read.
    """
    forms = [canonical(each, reference) if each else None for each in found]
    names: dict[Form, str] = {}
    for form, answer in zip(forms, found, strict=True):
        if form is not None and answer is not None:
            names[form] = min(names.get(form, answer), answer, key=lambda name: (len(name), name))
    return ["" if form is None else names[form] for form in forms]


def _form(text: str, given: Convention) -> Form:
    if not text:
        raise UnreadableError("an empty answer")
    if given.shape == "option":
        found = OPTION.fullmatch(text) or OPTION_AND_TEXT.fullmatch(text)
        if found:
            return ("option", found[1])
    if given.shape == "number" and (found := re.fullmatch(r"\([A-J]\) ?(\S.*)", text)):
        text = found[1]
    if given.base and text.isdigit():
        text = f"{text}_{given.base}"
    before, about, after = text.partition("\\approx")
    if about:  # the exact value where both are given
        exact = _form(before.strip(), given)
        number = exact[0] == "number"
        return exact if number else _form(f"{before.strip()} = {after.strip()}", given)
    for read in (_number, _special, _collection, _relation, _spoken, _equation):
        form = read(text, given)
        if form is not None:
            return _fitted(form, given)
    return _fitted(_term(expressions.value(text)), given)


def _fitted(form: Form, given: Convention) -> Form:
    """The form under the conventions of the reference: rounded, a ratio, an equation."""
    if form[0] == "number":
        if given.unit is not None:
            return ("number", _rounded(form[1], given.unit))
        if given.shape == "ratio" and isinstance(form[1], Fraction):
            return ("ratio", (form[1].numerator, form[1].denominator))
    if form[0] == "ratio" and given.shape == "number" and len(form[1]) == 2 and form[1][1]:
        return ("number", Fraction(*form[1]))
    return form


def _rounded(number: Any, unit: Fraction) -> Any:
    if number in ("inf", "-inf"):
        return number
    if isinstance(number, Fraction):
        return (number / unit + Fraction(1, 2)).__floor__() * unit
    with mpmath.workdps(expressions.DIGITS):
        scaled = mpmath.mpf(number) * unit.denominator / unit.numerator
        return int(mpmath.floor(scaled + mpmath.mpf(1) / 2)) * unit


def _number(text: str, given: Convention) -> Form | None:
    """A number in digits or words, with its percent sign and unit; None for anything else."""
    if text.endswith("%"):
        inside = _form(text[:-1].strip(), NONE)
        if inside[0] != "number" or not isinstance(inside[1], Fraction):
            raise UnreadableError("a percentage of no number")
        whole = given.percent or (given.shape == "number" and not given.small)
        return ("number", inside[1] if whole else inside[1] / 100)
    if found := DECIMAL.fullmatch(text) or SCIENTIFIC.fullmatch(text):
        exponent = int(found[2] or 0)
        if abs(exponent) > LARGEST_EXPONENT:
            raise UnreadableError("a very large exponent")
        return ("number", Fraction(found[1].rstrip(".") or "0") * Fraction(10) ** exponent)
    if found := MIXED.fullmatch(text):
        sign, whole_part, above, below = found.groups()
        part = Fraction(int(above), int(below))
        if part >= 1:
            raise UnreadableError("a whole number before an improper fraction")
        return ("number", (int(whole_part) + part) * (-1 if sign == "-" else 1))
    if found := REPEATING.fullmatch(text):
        sign, ahead, fixed, period = found.groups()
        size = 10 ** len(fixed)
        number = Fraction(int((ahead + fixed) or 0), size)
        number += Fraction(int(period), size * (10 ** len(period) - 1))
        return ("number", -number if sign == "-" else number)
    if found := BASE.fullmatch(text):
        base = int(found[2])
        if 2 <= base <= 36 and all(int(digit) < base for digit in found[1]):
            return ("number", Fraction(int(found[1], base)))
        raise UnreadableError("digits that the base does not have")
    words = text.lower().removeprefix("minus ").removeprefix("negative ")
    if words in NUMBER_WORDS:
        number = Fraction(NUMBER_WORDS[words])
        return ("number", number if words == text.lower() else -number)
    if found := MULTIPLE.fullmatch(text):
        return ("number", Fraction(found[1]) * 10 ** MULTIPLES[found[2].lower()])
    found = UNIT.fullmatch(text)
    if found and QUANTITY.match(found[2]):
        raise UnreadableError("a number with a word that changes it")
    if found and not EXPRESSION_WORD.match(found[2]) and _is_unit(found[2], given):
        inside = _form(found[1].strip(), given)
        return inside if inside[0] == "number" else None
    return None


def _is_unit(word: str, given: Convention) -> bool:
    return len(word) > 1 or (given.shape == "number" and word in "mgshLlVNJWACFKdtu")


def _special(text: str, given: Convention) -> Form | None:
    """Infinity, no solution, ratios, options, matrices."""
    if NO_SOLUTION.fullmatch(text.lower()):
        return ("set", frozenset())
    if found := INFINITY.fullmatch(text):
        return ("number", "-inf" if found[1] == "-" else "inf")
    if RATIO.fullmatch(text):
        parts = [int(each) for each in text.split(":")]
        divisor = math.gcd(*parts) or 1
        return ("ratio", tuple(each // divisor for each in parts))
    if found := OPTION.fullmatch(text):
        return ("option", found[1])
    if found := re.fullmatch(r"\\begin\{(\w)matrix\}(.*)\\end\{\1matrix\}", text):
        rows = re.split(r"\\\\", found[2].strip().removesuffix("\\\\"))
        return (
            "matrix",
            tuple(tuple(_form(e.strip(), NONE) for e in row.split("&")) for row in rows),
        )
    return None


def _collection(text: str, given: Convention) -> Form | None:
    """Sets, lists, pairs, intervals and their unions."""
    if re.search(r"\\cup(?![A-Za-z])", text):
        text = re.sub(r"^\s*\\?[A-Za-z]\s*\\in(?![A-Za-z])\s*", "", text)
        united = _each(re.split(r"\\cup(?![A-Za-z])", text))
        return ("union", frozenset(_as_interval(each) for each in united))
    if found := re.fullmatch(r"\\?[A-Za-z](?:_\w)?\s*\\in(?![A-Za-z])\s*(.+)", text):
        text = found[1]
    if found := re.fullmatch(r"\((?:\s*\\?[A-Za-z]\s*,)+\s*\\?[A-Za-z]\s*\)\s*=\s*(\(.+\))", text):
        text = found[1]
    if re.search(r"\\pm(?![A-Za-z])", text) and "," not in text:
        ends = [_form(re.sub(r"\\pm(?![A-Za-z])", sign, text), NONE) for sign in "+-"]
        return ("set", frozenset(ends))
    found = re.fullmatch(r"(?:[A-Za-z]\s*=\s*)?\\\{(.*)\\\}|\{(.*,.*)\}", text)
    if found:
        return ("set", frozenset(_each(_split(found[1] if found[1] is not None else found[2]))))
    if re.fullmatch(r"[(\[].*[)\]]", text) and _closes_at_end(text):
        parts = _split(text[1:-1])
        if len(parts) > 1:
            entries = _each(parts)
            if given.shape == "list" and text[0] == "(":
                return ("set", frozenset(entries))
            if len(entries) == 2 and (text[0], text[-1]) != ("(", ")"):
                return ("interval", text[0], text[-1], *entries)
            return ("pair", *entries)
        return None
    if given.shape == "number" and re.fullmatch(r"[-+]?\d+,\d+", text):
        raise UnreadableError("a comma that may be a decimal point")
    parts = _split(re.sub(r"(?:,\s*)?(?<=[\s,\d)}])(?:and|or)(?=[\s\d\\(-])", ",", text))
    if len(parts) < 2:
        return None
    if all(re.fullmatch(r"[A-Za-z ]+", each) for each in parts) and any(len(e) > 2 for e in parts):
        return None  # prose
    named = [ASSIGNED.fullmatch(each) for each in parts]
    names = {found[1] for found in named if found}
    entries = _each([f[2] if f else each for f, each in zip(named, parts, strict=True)])
    if len(set(entries)) == 1:  # "3/4 or 0.75"
        return entries[0]
    ordered = given.shape in ("pair", "interval") or len(names) > 1
    return ("pair", *entries) if ordered else ("set", frozenset(entries))


def _each(parts: list[str]) -> list[Form]:
    return [_form(part.strip(), PART) for part in parts]


def _split(text: str) -> list[str]:
    """The parts between the commas and semicolons that are not inside brackets."""
    depth, parts = 0, [""]
    for each in text:
        depth += (each in "([{") - (each in ")]}")
        if each in ",;" and depth == 0:
            parts.append("")
        else:
            parts[-1] += each
    return [part.strip() for part in parts]


def _closes_at_end(text: str) -> bool:
    depth = 0
    for place, each in enumerate(text):
        depth += (each in "([{") - (each in ")]}")
        if depth == 0:
            return place == len(text) - 1
    return False


def _as_interval(form: Form) -> Form:
    if form[0] == "pair" and len(form) == 3:
        return ("interval", "(", ")", *form[1:])
    if form[0] in ("interval", "set"):
        return form
    raise UnreadableError("a union of no sets")


def _relation(text: str, given: Convention) -> Form | None:
    """Inequalities in one symbol with constant bounds, as the interval that they describe."""
    parts = RELATION.split(text)
    if len(parts) not in (3, 5):
        return None
    sides = [part.strip() for part in parts[::2]]
    signs = [
        ("<" if sign.startswith(("<", "\\l")) else ">", sign not in ("<", ">", "\\lt", "\\gt"))
        for sign in parts[1::2]
    ]
    if any(direction == ">" for direction, _ in signs):
        if any(direction == "<" for direction, _ in signs):
            raise UnreadableError("inequalities in both directions")
        sides, signs = sides[::-1], [("<", closed) for _, closed in signs[::-1]]
    symbol = re.compile(r"\\?[A-Za-z]+(?:_\w)?")
    if len(sides) == 2:
        if symbol.fullmatch(sides[0]):
            sides, signs = ["-\\infty", *sides], [("<", False), *signs]
        else:
            sides, signs = [*sides, "\\infty"], [*signs, ("<", False)]
    if not symbol.fullmatch(sides[1]):
        raise UnreadableError("an inequality of no single symbol")
    low, high = _form(sides[0], NONE), _form(sides[2], NONE)
    if {low[0], high[0]} != {"number"}:
        raise UnreadableError("an inequality without constant bounds")
    ends = ("[" if signs[0][1] else "(", "]" if signs[1][1] else ")")
    return ("pair", low, high) if ends == ("(", ")") else ("interval", *ends, low, high)


def _spoken(text: str, given: Convention) -> Form | None:
    """Words: an answer in prose, compared without case, marks and articles."""
    if re.search(r"\\(?!text)[A-Za-z]|[=^_{}<>|]", text):
        return None
    longest = max((len(w) for w in re.findall(r"[^\W\d_]+", text)), default=0)
    known = re.sub(r"sqrt|arcsin|arccos|arctan|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|lg", "", text)
    letters = re.findall(r"[^\W\d_]{3,}", known)
    small = text.lower() in ("no", "yes", "or", "if", "up", "on", "in", "am", "pm")
    clock = re.search(r"\b[ap]\.?m\.?$", text.lower()) and ":" in text
    if not (letters or small or clock) or longest == 0:
        return None
    if given.shape not in ("", "text", "option") and re.search(r"\d", text):
        raise UnreadableError("a number among words")
    if re.search(r"\d[^A-Za-z]*[-+*/]|[-+*/][^A-Za-z]*\d", text) or (
        re.search(r"\d", text) and re.search(r"answer|[,;]", text.lower())
    ):
        raise UnreadableError("words between numbers")
    words = re.findall(r"[^\W_]+", text.lower().replace(".", "" if clock else " "))
    return ("text", " ".join(word for word in words if word not in ("the", "a", "an")) or text)


def _equation(text: str, given: Convention) -> Form | None:
    """An equation up to a factor; where the reference is none, "y = 2x" is the term 2x."""
    if text.count("=") == 0:
        if given.equation not in ("", "="):
            return _equation(f"{given.equation} = {text}", given)
        return None
    sides = [side.strip() for side in text.split("=")]
    if any(not side for side in sides):
        raise UnreadableError("an equation with an empty side")
    if given.shape == "number" and DESCRIBED.fullmatch(text.rpartition("=")[0]):
        sides = ["x", sides[-1]]
    named = re.fullmatch(NAME, sides[0]) or len(sides) > 2 or given.shape == "number"
    if not given.equation:
        # "x = 5", "m + n = 2 + 3 = 5", "2 + 3 = 5": the number, if there is one.
        forms = [_form(side, given) for side in (sides if not named else _without_names(sides))]
        numbers = {form for form in forms if form[0] == "number"}
        if len(numbers) > 1:
            raise UnreadableError("two values in one answer")
        if numbers and (named or len(forms) == sum(form[0] == "number" for form in forms)):
            return numbers.pop()
        if named and forms:
            return forms[-1]
    if len(sides) != 2:
        raise UnreadableError("more than one equation")
    left, right = (re.sub(r"^([A-Za-z])\s*\(\s*[A-Za-z]\s*\)$", r"\1", side) for side in sides)
    zero = expressions.value(f"({left})-({right})")
    if len(zero) == 1 or any(each == 0 for each in zero):
        raise UnreadableError("an equation without symbols")
    with mpmath.workdps(expressions.DIGITS):
        rest = [expressions.combined(lambda a, b: a / b, each, zero[0]) for each in zero[1:]]
        return ("equation", *map(_key, rest))


def _without_names(sides: list[str]) -> list[str]:
    """The sides of an equation without a name on the left."""
    return sides[1:] if re.fullmatch(NAME, sides[0]) else sides


def _term(values: tuple[Any, ...]) -> Form:
    """The form of a term from its values: a number, or what tells a term with symbols apart."""
    if len(values) > 1:
        return ("term", *map(_key, values))
    found = _key(values[0])
    return ("complex", found) if isinstance(found, tuple) else ("number", found)


def _key(number: Any) -> Any:
    """A fraction where the value is one, else its first digits as text (a pair if complex)."""
    if isinstance(number, Fraction):
        return number
    with mpmath.workdps(expressions.DIGITS):
        size = max(abs(number), mpmath.mpf(1))
        if abs(mpmath.im(number)) > size * mpmath.mpf(10) ** -40:
            return (_key(mpmath.re(number)), _key(mpmath.im(number)))
        real = mpmath.re(number)
        if abs(real) < 1e12:
            text = mpmath.nstr(real, expressions.DIGITS - 10, strip_zeros=False)
            near = Fraction(text).limit_denominator(1000000)
            if (
                abs(real - mpmath.mpf(near.numerator) / near.denominator)
                < size * mpmath.mpf(10) ** -40
            ):
                return near
        return mpmath.nstr(real, SAME_DIGITS)
