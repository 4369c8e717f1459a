"""What a plan is named by: the words that change its experiment, `quickstart@budget=0.02+seeds=1`.

Each word has one canonical form, defaults are left out, and what does not fit into a name (ONLY,
SET) stands in it as a hash. PLAN=pilot is a name of one's own: `quickstart@pilot`.
"""

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reslab.config.strict_yaml import parse_assignment
from reslab.errors import UserError, nearest
from reslab.text import quoted

if TYPE_CHECKING:
    from reslab.store.plan import Options

WORDS = ("budget", "epochs", "seeds", "only", "set")
"""The options that name a plan, in the order in which they stand in its name."""

HASHED = ("only", "set")
WHOLE = "words"
"""Stands in a name, with a hash of all of them, where they would be too long."""
LONGEST = 80
"""Letters of a name that is made of words."""

OWN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""A name of one's own; it has no `=`, and so is never one that is made."""


def canonical(options: "Options") -> dict[str, str]:
    """Words and their values, each in one form whichever way it was written; no defaults."""
    texts = {
        "budget": "" if options.budget in (None, 1) else _number(options.budget),
        "epochs": _number(options.epochs),
        "seeds": _number(options.seeds),
        "only": ",".join(part.strip() for part in (options.only or "").split(",")),
        "set": " ".join(map(_assignment, options.set)),
    }
    return {word: text for word, text in texts.items() if text and (word, text) != ("only", "*")}


def _number(value: float | None) -> str:
    """0.02 for 0.020, .02 and 2e-2; 2 for 2.0."""
    return "" if value is None else repr(value).removesuffix(".0").replace("e+", "e")


def _assignment(text: str) -> str:
    [(path, value)] = parse_assignment(text).items()
    return f"{path}={value!r}"


def words_of(experiment: str, options: "Options") -> str:
    """What stands behind the @ of a plan's name; nothing for the plan without words."""
    if options.plan is not None:
        return options.plan
    parts = canonical(options).items()
    name = "+".join(f"{word}={_hash(text) if word in HASHED else text}" for word, text in parts)
    return f"{WHOLE}={_hash(name)}" if len(f"{experiment}@{name}") > LONGEST and name else name


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def joined(experiment: str, words: str) -> str:
    """A plan's name."""
    return f"{experiment}@{words}" if words else experiment


def parted(name: str) -> tuple[str, str]:
    """An experiment's name and the words behind it, nothing where there are none; `UserError` for
    words that no plan has."""
    experiment, at, words = name.partition("@")
    if at and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=+-]*", words):
        raise UserError(
            f"{quoted(name)} is no plan's name: expected an experiment's and behind an @ words of "
            "letters, digits and '._=+-', such as quickstart@budget=0.02+seeds=1"
        )
    said = [word for word, is_word, _ in _parts(words) if is_word]
    if unknown := [word for word in said if word not in (*WORDS, WHOLE)]:
        raise UserError(
            f"{quoted(name)} is no plan's name: {quoted(unknown[0])} is none of its words"
            f"{nearest(unknown[0], WORDS)}"
        )
    return experiment, words


def _parts(words: str) -> Iterator[tuple[str, str, str]]:
    """Each word, `=` and its value; of a name of one's own the word alone."""
    return (part.partition("=") for part in words.split("+"))


def has_words(options: "Options") -> bool:
    """Whether anything is said that names a plan, be it a default."""
    return any(getattr(options, word) not in (None, "", ()) for word in WORDS)


def given(options: "Options") -> dict[str, str]:
    """The words that are said, as they are given to make."""
    texts = {
        "BUDGET": _number(options.budget),
        "EPOCHS": _number(options.epochs),
        "SEEDS": _number(options.seeds),
        "ONLY": options.only,
        "SET": " ".join(options.set),
        "PLAN": options.plan,
    }
    return {word: text for word, text in texts.items() if text}


def refuse_words(options: "Options") -> None:
    """`UserError` for words beside which no experiment is named."""
    if words := given(options):
        raise UserError(f"{as_given(words)} is of an experiment; say NAME=…, too")


def all_given(options: "Options") -> str:
    """All options that are not at their default, how runs are executed too, as a shell reads them:
    `BUDGET=0.02 DEVICES=2`."""
    execution = {
        "DEVICES": options.devices if options.devices != 1 else None,
        "MICRO_BATCH": options.micro_batch,
        "SYNC_BATCHNORM": 1 if options.sync_batchnorm else None,
        "COMPILE": None if options.compile is None else int(options.compile),
        "DIAGNOSTICS": 1 if options.diagnostics else None,
    }
    said = {word: value for word, value in execution.items() if value is not None}
    return as_given({**given(options), **said})


def as_given(words: Mapping[str, object]) -> str:
    """Words as a shell reads them: `BUDGET=0.02 ONLY='*20'`."""
    return " ".join(f"{word}={shlex.quote(str(value))}" for word, value in words.items())


def command(experiment: str, options: "Options") -> str:
    """The command that makes a plan."""
    return f"make experiment NAME={experiment} {as_given(given(options))}".rstrip()


def command_of(experiment: str, words: str) -> str:
    """The same from the words behind the @, in which a hash says no more than that there is one."""
    if "=" not in words:
        said = {"PLAN": words} if words else {}
    else:
        parts = _parts(words)
        said = {word.upper(): "…" if word in HASHED else text for word, _, text in parts}
    told = "…" if WHOLE.upper() in said else " ".join(f"{w}={text}" for w, text in said.items())
    return f"make experiment NAME={experiment} {told}".rstrip()
