"""Expressions in x as people write them, read into a program for NumPy; nothing is ever eval'ed.

    sum      = product { ("+" | "-") product }
    product  = signed { ("*" | "/") signed | power }   2 sin x, 2x and 3(x + 1) multiply
    signed   = { "+" | "-" } power                     -x^2 is -(x^2)
    power    = atom [ ("^" | "**") signed ]            x^2^3 is x^(2^3)
    atom     = number | x | pi | e | "(" sum ")" | call
    call     = name [ "^" number ] ( "(" sum ")" | argument )
    argument = signed { power }                        up to an operator or the next function

sin 2x cos x is sin(2x) * cos(x), and sin^2 x is (sin x)^2. 1/2x is refused: people read it in two
ways.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import nearest

__all__ = ["Expression", "ExpressionError"]


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "asin": np.arcsin,
    "atan": np.arctan,
    "cbrt": np.cbrt,
    "cos": np.cos,
    "cosh": np.cosh,
    "exp": np.exp,
    "ln": np.log,
    "log": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}
OPERATORS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "^": np.power,
}
CONSTANTS = {"e": math.e, "pi": math.pi, "π": math.pi}
VARIABLE = "x"

MAX_LENGTH = 1000  # characters
MAX_DEPTH = 40  # parentheses, signs, powers and functions inside each other; Python's stack is safe

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>π|[a-zA-Z]+[0-9]*)|(?P<sign>\*\*|[-+*/^()]))"
)
_SAME = {"**": "^", "−": "-", "·": "*", "×": "*"}  # noqa: RUF001  # signs that people type
_SIGNS = str.maketrans({sign: to for sign, to in _SAME.items() if len(sign) == 1})


class ExpressionError(ValueError):
    """An expression that can't be read, or has no finite value somewhere."""


class _Token(NamedTuple):
    kind: str  # number, name, sign or end
    text: str
    at: int  # of its first character, from 0


class _Step(NamedTuple):
    """One instruction of a stack machine: push a value (or x), or apply a function to the top."""

    work: float | Callable[..., Array] | None  # None pushes x
    operands: int
    token: _Token


class Expression:
    """A function of x, for instance `Expression("x^2 + 2 sin x + cos(x - 1) - 5")`.

    Attributes:
        text: as it was written.

    Raises:
        ExpressionError: it can't be read; says at which character, and what would be right.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = _Parser(text).parse()

    def __call__(self, x: Array) -> Array:
        """Its value at each x, in float64: the same shape.

        Raises:
            ExpressionError: a value is infinite or not a number; says at which x, and which part
                of the expression gave it.
        """
        x = np.asarray(x, np.float64)
        stack: list[Array] = []
        culprit: tuple[_Token, float] | None = None
        with np.errstate(all="ignore"):  # what is not finite is told below
            for work, operands, token in self._steps:
                inputs = [stack.pop() for _ in range(operands)][::-1]
                value = work(*inputs) if callable(work) else x if work is None else np.asarray(work)
                stack.append(value)
                finite = np.broadcast_to(np.isfinite(value), x.shape)
                if culprit is None and not finite.all():
                    culprit = token, float(x[~finite].flat[0])
        y = np.broadcast_to(stack.pop(), x.shape)
        if culprit is not None and not np.isfinite(y).all():
            token, where = culprit
            raise ExpressionError(
                f"expression: {_place(self.text, token)} has no finite value at x = {where:.6g}; "
                "change the range or the expression"
            )
        return y


def _place(text: str, token: _Token) -> str:
    """A token by its character and what stands around it."""
    if token.kind == "end":
        return f"the end of {text[-20:]!r}"
    around = text[token.at : token.at + 20]
    return f"{token.text[:20]!r} at character {token.at + 1} ({around!r})"


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    plain = text.translate(_SIGNS).rstrip()
    while at < len(plain):
        match = _TOKEN.match(plain, at)
        if match is None:
            at += len(plain[at:]) - len(plain[at:].lstrip())
            raise ExpressionError(
                f"expression: {_place(text, _Token('sign', text[at], at))} means nothing here; "
                "write numbers, x, + - * / ^ ( ) and functions such as sin"
            )
        kind = str(match.lastgroup)
        token = match[kind]
        found.append(_Token(kind, _SAME.get(token, token), match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", len(text))]


class _Parser:
    """Reads tokens from left to right, and writes the steps in the order in which they are done."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise ExpressionError(
                f"expression: must have at most {MAX_LENGTH} characters, got {len(text)}"
            )
        self.text = text
        self.tokens = _tokens(text)
        self.steps: list[_Step] = []
        self.depth = 0

    @property
    def next(self) -> _Token:
        return self.tokens[0]

    def parse(self) -> list[_Step]:
        if self.next.kind == "end":
            raise ExpressionError("expression: is empty; write one such as x^2 + 2 sin x")
        self.sum()
        if self.next.text == ")":
            raise self.error("closes a parenthesis that was not opened; remove it, or open one")
        return self.steps

    def sum(self) -> None:
        self.product()
        while self.next.text in ("+", "-"):
            operator = self.take()
            self.product()
            self.apply(operator)

    def product(self) -> None:
        self.signed()
        divided = False
        while True:
            if self.next.text in ("*", "/"):
                operator = self.take()
                divided = operator.text == "/"
                self.signed()
            elif self.begins_atom():
                if divided:  # 1/2x: some mean (1/2)x and some 1/(2x)
                    raise self.error("follows a quotient without a sign; write 1/(2x) or (1/2)x")
                operator = _Token("sign", "*", self.next.at)
                self.power()
            elif self.next.kind == "number":
                raise self.error("follows without a sign; write one, such as *")
            else:
                return
            self.apply(operator)

    def signed(self) -> None:
        if self.next.text not in ("+", "-"):
            return self.power()
        sign = self.take()
        self.nested(self.signed)
        if sign.text == "-":
            self.steps.append(_Step(np.negative, 1, sign))
        return None

    def power(self) -> None:
        self.atom()
        if self.next.text == "^":
            operator = self.take()
            self.nested(self.signed)
            self.apply(operator)

    def atom(self) -> None:
        token = self.take()
        if token.text == "(":
            self.group(token)
        elif token.kind == "number":
            self.steps.append(_Step(float(token.text), 0, token))
        elif token.text == VARIABLE:
            self.steps.append(_Step(None, 0, token))
        elif token.text in CONSTANTS:
            self.steps.append(_Step(CONSTANTS[token.text], 0, token))
        elif token.text in FUNCTIONS:
            self.call(token)
        elif token.kind == "name":
            raise self.unknown(token)
        else:
            raise self.error("stands where a number, x or a function must be", token)

    def call(self, name: _Token) -> None:
        exponent = None
        if self.next.text == "^":
            operator = self.take()
            exponent = self.take()
            if exponent.kind != "number":
                raise self.error(f"must be a number, as in {name.text}^2 x", exponent)
        if self.next.text == "(":
            self.group(self.take())
        else:
            self.nested(self.argument)
        self.steps.append(_Step(FUNCTIONS[name.text], 1, name))
        if exponent is not None:
            self.steps.append(_Step(float(exponent.text), 0, exponent))
            self.apply(operator)

    def argument(self) -> None:
        self.signed()
        while self.begins_atom() and self.next.text not in FUNCTIONS:
            place = self.next
            self.power()
            self.apply(_Token("sign", "*", place.at))

    def group(self, opening: _Token) -> None:
        self.nested(self.sum)
        if self.next.text != ")":
            raise self.error("is never closed; add a )", opening)
        self.take()

    def nested(self, part: Callable[[], None]) -> None:
        """Read a part inside another, unless that goes too deep."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"is nested more than {MAX_DEPTH} deep; write it with fewer levels")
        part()
        self.depth -= 1

    def begins_atom(self) -> bool:
        return self.next.kind == "name" or self.next.text == "("

    def take(self) -> _Token:
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.next

    def apply(self, operator: _Token) -> None:
        self.steps.append(_Step(OPERATORS[operator.text], 2, operator))

    def unknown(self, token: _Token) -> ExpressionError:
        known = [VARIABLE, *CONSTANTS, *FUNCTIONS]
        near = nearest(token.text, known)
        hint = f"did you mean '{near}'? " if near else ""
        return self.error(f"is not known; {hint}the names are {', '.join(known)}", token)

    def error(self, what: str, token: _Token | None = None) -> ExpressionError:
        return ExpressionError(f"expression: {_place(self.text, token or self.next)} {what}")
