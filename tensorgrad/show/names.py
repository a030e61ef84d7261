"""Names as they are drawn: plain text for SVG and the terminal, mathematics for LaTeX; what each format must escape."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
).split()
"""Greek letters that LaTeX has a command for."""

_LETTERS = {
    unicodedata.lookup(
        f"GREEK {'SMALL' if g[0].islower() else 'CAPITAL'} LETTER {g.upper().replace('LAMBDA', 'LAMDA')}"
    ): g
    for g in GREEK
}
"""The letter itself -> its command's name."""

_TEXT = {
    "\\": r"\textbackslash{}",
    "…": r"\ldots{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    **{c: "\\" + c for c in "{}$&#_%"},
}


class Name(NamedTuple):
    """One label: as plain text, and as LaTeX mathematics (the text escaped, if not said)."""

    text: str
    math: str = ""

    @property
    def latex(self) -> str:
        """The label in LaTeX's math mode."""
        return self.math or math_name(self.text)


def math_name(name: str) -> str:
    r"""A name in LaTeX's math mode: letters in italics, Greek by its commands, all else upright and escaped.

    >>> math_name("x"), math_name("Sigma"), math_name("a_b"), math_name("x2")
    ('x', '\\Sigma', '\\mathrm{a\\_b}', 'x_{2}')
    """
    stem, digits = re.fullmatch(r"(.*?)([0-9]*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    if stem in GREEK:
        return f"\\{stem}" + (f"_{{{digits}}}" if digits else "")
    if len(stem) == 1 and (stem in _LETTERS or (stem.isascii() and stem.isalpha())):
        letter = f"\\{_LETTERS[stem]}" if stem in _LETTERS else stem
        return letter + (f"_{{{digits}}}" if digits else "")
    if name.isdigit():
        return name
    if re.fullmatch(r"[A-Za-z0-9_]+", name):
        return f"\\mathrm{{{latex_text(name)}}}"
    return f"\\text{{{latex_text(name)}}}"


def latex_text(text: str) -> str:
    r"""Text escaped for LaTeX's text mode.

    >>> latex_text("x^2 & a_b")
    'x\\textasciicircum{}2 \\& a\\_b'
    """
    return "".join(f"$\\{_LETTERS[c]}$" if c in _LETTERS else _TEXT.get(c, c) for c in text)


def with_fonts(latex: str) -> str:
    r"""LaTeX whose letters beyond Latin (Chinese, ...) are set by the command \tgwide, which chooses a font for them.

    >>> with_fonts(r"\text{张量}")
    '\\text{\\tgwide{张量}}'
    """
    return re.sub(r"[^\x00-\u024f]+", r"\\tgwide{\g<0>}", latex)


NAMELESS = Name("")

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def raised(exponent: str) -> str:
    """An exponent behind its base: small digits, or `^` and the text.

    >>> raised("-1"), raised("1/2")
    ('⁻¹', '^(1/2)')
    """
    if exponent.lstrip("-").isdigit():
        return exponent.translate(_RAISED)
    return f"^{exponent}" if exponent.isidentifier() else f"^({exponent})"


def polynomial(text: str) -> str:
    """A polynomial in sizes as one writes it by hand.

    >>> polynomial("2*m*n**2 - 1")
    '2·m·n² - 1'
    """
    return re.sub(r"\*\*(-?[0-9]+)", lambda power: raised(power[1]), text).replace("*", "·")


def columns(text: str) -> int:
    """Width of a text in columns of a terminal: wide letters take two.

    >>> columns("ab"), columns("张量")
    (2, 4)
    """
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
