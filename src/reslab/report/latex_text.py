"""Text for LaTeX: what somebody has written, in ASCII that sets as that text and as nothing else.

It needs no package and no font encoding: accents are LaTeX's own, Greek and operators stand in
mathematics. A letter that Computer Modern lacks is told by its number, [U+4ECE].
"""

import itertools
import re
import unicodedata

from reslab.text import printable

SPECIAL = {
    "\\": r"$\backslash$",
    **{letter: "\\" + letter for letter in "#%&_{}"},
    "$": r"$\mathdollar$",  # the text's own stands in another font
    "~": r"$\sim$",
    "^": r"\symbol{94}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': r"\symbol{34}",
    "`": r"\symbol{96}",
    # After \\ in a table these would be its arguments.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
WORDS = {
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{THIN SPACE}": r"\,",
    "\N{NON-BREAKING HYPHEN}": "-",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "§": r"$\mathsection$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "µ": r"$\mu$",
}
OPERATORS = {
    "−": "-",
    "±": r"\pm",
    "×": r"\times",
    "·": r"\cdot",
    "÷": r"\div",
    "≈": r"\approx",
    "≠": r"\neq",
    "≤": r"\leq",
    "≥": r"\geq",
    "→": r"\rightarrow",
    "←": r"\leftarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "∞": r"\infty",
    "√": r"\surd",
    "∈": r"\in",
    "°": r"{}^{\circ}",
    "¹": "{}^{1}",
    "²": "{}^{2}",
    "³": "{}^{3}",
}
ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "'",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~",
    "\N{COMBINING DIAERESIS}": '"',
    "\N{COMBINING MACRON}": "=",
    "\N{COMBINING DOT ABOVE}": ".",
    "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING CARON}": "v",
    "\N{COMBINING BREVE}": "u",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H",
    "\N{COMBINING CEDILLA}": "c",
}
DOTLESS = {"i": r"\i", "j": r"\j"}
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta",
    "η": "eta", "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu",
    "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "varphi",
    "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda",
    "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
LIGATURES = ("--", "''", ",,")
"""Letters that a font would make one."""


LONG = 24
"""Letters of a word, an address or a digest, that may be broken into lines from there on."""
PARTS = re.compile(r".{0,15}?[/:=_.#?&]|.{1,16}")


def escaped(text: str) -> str:
    """The text in one line of ASCII; unprintable letters as in all tables (`reslab.text`)."""
    words = unicodedata.normalize("NFC", printable(text)).split(" ")
    return " ".join(
        r"\allowbreak{}".join(map(_word, PARTS.findall(word) if len(word) > LONG else [word]))
        for word in words
    )


def _word(word: str) -> str:
    pairs = itertools.pairwise(f" {word}")
    return "".join(("{}" if a + b in LIGATURES else "") + _letter(b) for a, b in pairs)


def _letter(letter: str) -> str:
    if letter in SPECIAL or letter in WORDS:
        return SPECIAL.get(letter) or WORDS[letter]
    if letter in OPERATORS:
        return f"${OPERATORS[letter]}$"
    if letter in GREEK:
        return f"$\\{GREEK[letter]}$"
    return letter if letter.isascii() else _accented(letter) or f"{{[}}U+{ord(letter):04X}{{]}}"


def _accented(letter: str) -> str:
    parts = unicodedata.normalize("NFD", letter)
    base, mark = parts[0], parts[1:]
    if mark not in ACCENTS or not base.isascii():
        return ""
    return f"{{\\{ACCENTS[mark]}{{{DOTLESS.get(base, base)}}}}}"
