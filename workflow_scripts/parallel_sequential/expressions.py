"""The value of a mathematical expression in LaTeX or plain notation.

The whole text is read or none of it: there is no partial reading. Rational arithmetic is exact
(`Fraction`); everything else is computed to 60 digits. An expression with symbols is evaluated at
three fixed points, which tells unequal expressions apart (Schwartz 1980, Zippel 1979).
"""

import hashlib
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath

DIGITS = 60
POINTS = 3  # at which an expression with symbols is evaluated; at the second they are negative
LARGEST_BITS = 1 << 16  # of an exact power
LARGEST_FACTORIAL = 2000
Value = Any  # Fraction, mpmath.mpf or mpmath.mpc

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.\d*|\.\d+|\d+)|(?P<command>\\[A-Za-z]+|\\[{}|])|(?P<word>[^\W\d_]+)"
    r"|(?P<sign>\*\*|[-+*/^_!(){}\[\]|]))"
)
FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    **{name: getattr(mpmath, name) for name in ("sin", "cos", "tan", "cot", "sec", "csc", "exp")},
    **{name: getattr(mpmath, name) for name in ("sinh", "cosh", "tanh")},
    **{f"arc{name}": getattr(mpmath, f"a{name}") for name in ("sin", "cos", "tan")},
    **{"ln": mpmath.log, "log": mpmath.log, "lg": mpmath.log10},
}
GREEK = [
    *("alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "iota"),
    *("kappa", "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "phi", "varphi", "chi", "psi"),
    *("omega", "Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega"),
]
SHORT_WORDS = {
    *("am", "an", "as", "at", "be", "by", "do", "if", "in", "is", "it", "me", "my", "no", "of"),
    *("on", "or", "so", "to", "us", "we"),
}
FRACTION = "\\frac"


class UnreadableError(ValueError):
    """An expression that cannot be read as a whole; the message says where."""


def value(text: str) -> tuple[Value, ...]:
    """The value of a constant (one entry), or those at `POINTS` points (one entry each).

    Raises `UnreadableError` for text that is not one whole expression or has no finite value.
    """
    with mpmath.workdps(DIGITS):
        try:
            first = _Reader(text, 0)
            found = [first.whole()]
            if first.symbols:
                found += [_Reader(text, point).whole() for point in range(1, POINTS)]
        except (ArithmeticError, ValueError, TypeError, RecursionError) as error:
            raise UnreadableError(f"{text!r} has no value: {error}") from error
        if not all(isinstance(each, Fraction) or mpmath.isfinite(each) for each in found):
            raise UnreadableError(f"{text!r} has no finite value")
        return tuple(found)


def symbol_value(name: str, point: int) -> Fraction:
    """The value of a symbol at a point: a fraction between 1 and 3, negative at point 1."""
    digest = hashlib.sha256(f"{name} {point}".encode()).digest()
    size = 1 + Fraction(int.from_bytes(digest[:4], "big"), 1 << 31)
    return -size if point == 1 else size


def power(base: Value, exponent: Value) -> Value:
    """`base` to the power of `exponent`; exact where both are rational and the result is."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            bits = abs(exponent.numerator) * max(base.numerator, base.denominator).bit_length()
            if bits <= LARGEST_BITS:
                return base**exponent.numerator
        elif exponent.denominator == 2 and base >= 0:
            root = Fraction(math.isqrt(base.numerator), math.isqrt(base.denominator))
            if root * root == base:
                return power(root, Fraction(exponent.numerator))
    base, exponent = _float(base), _float(exponent)
    if abs(exponent) > 1e12:
        raise UnreadableError("an exponent above 1e12")
    return mpmath.power(base, exponent)


def _float(number: Value) -> Value:
    if isinstance(number, Fraction):
        return mpmath.mpf(number.numerator) / number.denominator
    return number


def combined(operation: Callable[[Value, Value], Value], left: Value, right: Value) -> Value:
    """The operation on two values; exact where both are rational."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return operation(left, right)
    return operation(_float(left), _float(right))


class _Reader:
    """Recursive descent over the tokens of one expression, evaluated at one point."""

    def __init__(self, text: str, point: int):
        self.tokens: list[tuple[str, str]] = []
        self.at, self.point, self.bars = 0, point, 0
        self.symbols: set[str] = set()
        place = 0
        text = text.rstrip()
        while place < len(text):
            found = TOKEN.match(text, place)
            if not found:
                raise UnreadableError(f"unexpected {text[place:]!r}")
            kind = str(found.lastgroup)
            place = found.end()
            if kind == "word":
                self.tokens += _words(found[kind])
            else:
                self.tokens.append((kind, found[kind]))

    def whole(self) -> Value:
        found = self.sum()
        if self.at < len(self.tokens):
            raise UnreadableError(f"unexpected {self.tokens[self.at][1]!r}")
        return found

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def kind(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise UnreadableError(f"expected {wanted or 'more'}, found {token or 'the end'}")
        self.at += 1
        return token

    def sum(self) -> Value:
        found = self.product()
        while self.peek() in ("+", "-"):
            plus = self.take() == "+"
            right = self.product()
            found = combined(lambda a, b: a + b, found, right if plus else -right)
        return found

    def product(self) -> Value:
        found = self.signed()
        while True:
            if self.peek() == "*":
                self.take()
                found = combined(lambda a, b: a * b, found, self.signed())
            elif self.peek() == "/":
                self.take()
                found = combined(lambda a, b: a / b, found, self.signed())
            elif self.starts():
                if self.kind() == "number" and self.tokens[self.at - 1][0] == "number":
                    raise UnreadableError("two numbers without a sign between them")
                found = combined(lambda a, b: a * b, found, self.powered())
            else:
                return found

    def starts(self) -> bool:
        """Whether a factor starts here, so that it is multiplied without a sign."""
        token = self.peek()
        if token == "|":
            return not self.bars
        if token in ("(", "[", "{"):
            return True
        return self.kind() in ("number", "command", "name") and token not in ("\\}", "\\|")

    def signed(self) -> Value:
        if self.peek() in ("+", "-"):
            return self.signed() if self.take() == "+" else -self.signed()
        return self.powered()

    def powered(self) -> Value:
        base = self.mixed()
        while self.peek() == "!":
            self.take()
            base = self.factorial(base)
        if self.peek() in ("^", "**"):
            self.take()
            return power(base, self.exponent())
        return base

    def exponent(self) -> Value:
        if self.peek() in ("+", "-"):
            return self.exponent() if self.take() == "+" else -self.exponent()
        return self.powered()

    def factorial(self, number: Value) -> Value:
        if not isinstance(number, Fraction) or number.denominator != 1 or number < 0:
            raise UnreadableError("a factorial of no whole number")
        if number > LARGEST_FACTORIAL:
            return mpmath.factorial(int(number))
        return Fraction(math.factorial(int(number)))

    def mixed(self) -> Value:
        """An atom, or a whole number with a proper fraction after it: 3\\frac{1}{2} is 7/2."""
        whole = self.kind() == "number" and "." not in self.peek()
        after_number = self.at and self.tokens[self.at - 1][1] in ("^", "**", "_")
        found = self.atom()
        if not whole or after_number or self.peek() != FRACTION:
            return found
        start, known = self.at, len(self.symbols)
        part = self.atom()
        plain = all(
            kind == "number" or sign in "{}" for kind, sign in self.tokens[start + 1 : self.at]
        )
        if not plain or len(self.symbols) > known or not isinstance(part, Fraction):
            return combined(lambda a, b: a * b, found, part)
        if part >= 1:
            raise UnreadableError("a whole number before an improper fraction")
        return found + part

    def group(self) -> Value:
        """The argument of a command: in braces, or a single digit or atom (\\frac12)."""
        if self.peek() == "{":
            self.take()
            found = self.sum()
            self.take("}")
            return found
        if self.kind() == "number" and len(self.peek()) > 1 and self.peek().isdigit():
            digits = self.peek()
            self.tokens[self.at : self.at + 1] = [("number", digits[0]), ("number", digits[1:])]
        return self.atom()

    def atom(self) -> Value:
        kind, token = self.kind(), self.take()
        if kind == "number":
            return Fraction(token if token[-1] != "." else token[:-1])
        if token in ("(", "[", "{"):
            bars, self.bars = self.bars, 0
            found = self.sum()
            self.take({"(": ")", "[": "]", "{": "}"}[token])
            self.bars = bars
            return found
        if token in ("|", "\\lvert"):
            self.bars += 1
            found = self.sum()
            self.take("|" if token == "|" else "\\rvert")
            self.bars -= 1
            return abs(found)
        name = token.removeprefix("\\")
        if kind == "command" or kind == "name":
            return self.named(name)
        raise UnreadableError(f"unexpected {token!r}")

    def named(self, name: str) -> Value:
        if name == "frac":
            above = self.group()
            return combined(lambda a, b: a / b, above, self.group())
        if name == "sqrt":
            degree: Value = Fraction(2)
            if self.peek() == "[":
                self.take()
                degree = self.sum()
                self.take("]")
            inside = self.group()
            if isinstance(degree, Fraction) and isinstance(inside, Fraction):
                return _root(inside, degree)
            return power(inside, 1 / degree)
        if name in ("binom", "dbinom", "tbinom"):
            n, k = self.group(), self.group()
            if not all(isinstance(each, Fraction) and each.denominator == 1 for each in (n, k)):
                raise UnreadableError("a binomial coefficient of no whole numbers")
            return Fraction(math.comb(int(n), int(k)))
        if name in FUNCTIONS:
            return self.function(name)
        if name == "pi":
            return +mpmath.pi
        if name == "e":
            return +mpmath.e
        if name == "i":
            return mpmath.mpc(0, 1)
        if name in GREEK or len(name) == 1:
            return self.symbol(name)
        raise UnreadableError(f"unknown {name!r}")

    def symbol(self, name: str) -> Fraction:
        if self.peek() == "_":
            self.take()
            start = self.at
            if self.peek() == "{":
                while self.take() != "}":
                    pass
            else:
                self.take()
            name += "_" + "".join(t for _, t in self.tokens[start : self.at] if t not in "{}")
        self.symbols.add(name)
        return symbol_value(name, self.point)

    def function(self, name: str) -> Value:
        base = exponent = None
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                base = self.group()
            else:
                exponent = -self.group() if self.peek() == "-" and self.take() else self.group()
        if self.peek() in ("(", "{", "["):
            inside = self.atom()
        else:
            inside = self.signed()
            while self.starts() and self.peek().removeprefix("\\") not in FUNCTIONS:
                inside = combined(lambda a, b: a * b, inside, self.powered())
        inside = _float(inside)
        if exponent == -1 and name in ("sin", "cos", "tan"):
            return FUNCTIONS[f"arc{name}"](inside)
        found = FUNCTIONS[name](inside)
        if base is not None:
            if name != "log":
                raise UnreadableError(f"a base of {name}")
            found = found / mpmath.log(_float(base))
        return found if exponent is None else power(found, exponent)


def _root(inside: Fraction, degree: Fraction) -> Value:
    """The root of a fraction; exact where it is rational. Odd roots of negatives are real."""
    if degree == 2 or degree.denominator != 1 or degree < 2:
        return power(inside, 1 / degree)
    n, sign = int(degree), 1
    if inside < 0 and n % 2:
        inside, sign = -inside, -1
    found = power(inside, Fraction(1, n))
    if not isinstance(found, Fraction) and mpmath.im(found) == 0:
        near = Fraction(int(mpmath.nint(found)))
        return sign * (near if near**n == inside else found)
    return sign * found


def _words(word: str) -> list[tuple[str, str]]:
    """A word as names: a function or constant, or else one symbol per letter (xy is x y)."""
    if word.lower() in SHORT_WORDS:
        raise UnreadableError(f"the word {word!r}")
    known = ("sqrt", "pi", *FUNCTIONS, "binom")
    found = []
    while word:
        name = next(
            (each for each in sorted(known, key=len, reverse=True) if word.startswith(each)),
            word[0],
        )
        found.append(
            ("command" if len(name) > 1 else "name", f"\\{name}" if len(name) > 1 else name)
        )
        word = word[len(name) :]
    if sum(kind == "name" for kind, _ in found) > 3:
        raise UnreadableError("a word that is no product of symbols")
    return found
