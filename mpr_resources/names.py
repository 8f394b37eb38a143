"""What the name of a timeline, a scenario or a profile may hold, a name made from a file's, and how names are shown.

The name of a timeline is a word on the command line, a partition in Dagster, a folder and part of keys in the storage,
where it stands in UTF-8 as it is.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from gpu_service.errors import BadInput

MAX_LENGTH = 100
MAX_BYTES = 200
"""File systems take 255 bytes a name, and something is added to it."""
MADE_LENGTH = 80
"""Of a name that is made from a file's, which leaves room for what a user adds."""
HIDDEN = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that no name needs: control characters, halves of characters, separators of lines."""
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_name(name: str, kind: str) -> str:
    """The name itself, when it can be one.

    Args:
        kind: what has the name, as an error calls it: "timeline name".

    Raises:
        BadInput: it is empty, too long, begins with anything but a letter or a digit, or holds something other than
            letters and digits of any script, their combining marks, `_` and `-`.
    """
    if len(name) > MAX_LENGTH:
        raise BadInput(f"The {kind} {name[:20]!r}... has {len(name)} characters", f"use at most {MAX_LENGTH}")
    if len(name.encode(errors="replace")) > MAX_BYTES:
        raise BadInput(f"The {kind} {name[:20]!r}... takes more than {MAX_BYTES} bytes", "use a shorter one")
    if not name[:1].isalnum() or not all(map(_allowed, name)):
        wrong = sorted({character for character in name if not _allowed(character)})
        holds = f"holds {', '.join(map(repr, wrong))}" if wrong else "does not begin with a letter or digit"
        holds = holds if name else "is empty"
        suggestion = _readable(name, "-") or "match-1"
        raise BadInput(f"The {kind} {name!r} {holds}", f"use letters, digits, _ and -, for example {suggestion!r}")
    return name


def name_of_file(stem: str, kind: str) -> str:
    """A name made from a file's name without its suffix, composed (NFC); always the same for the same file name.

    Args:
        kind: stands before a hash where nothing in the file's name can be in a name.

    >>> name_of_file("Finale (2. Halbzeit)", "timeline"), name_of_file("試合", "timeline")
    ('Finale_2_Halbzeit', '試合')
    >>> name_of_file("!!!", "timeline")
    'timeline-e84c538e'
    """
    name = shortened(_readable(unicodedata.normalize("NFC", stem), "_"), MADE_LENGTH, MAX_BYTES)
    return name or f"{kind}-{hashlib.sha256(stem.encode(errors='surrogateescape')).hexdigest()[:8]}"


def shortened(name: str, length: int, size_bytes: int) -> str:
    """The beginning of a name, of so many characters and bytes at most, without `_` and `-` at its ends."""
    name = name.strip("-_")[:length]
    while len(name.encode()) > size_bytes:
        name = name[:-1]
    return name.strip("-_")


def _allowed(character: str) -> bool:
    """Whether a name may hold the character, after its first."""
    return character in "_-" or character.isalnum() or _is_mark(character)


def _is_mark(character: str) -> bool:
    """Whether it belongs to the letter before it, as vowels of Indic scripts do."""
    return unicodedata.category(character).startswith("M")


def _readable(text: str, replacement: str) -> str:
    """The text with each run of what no name may hold replaced, marks that have no letter before them included."""
    kept: list[str] = []
    for character in text:
        alone = _is_mark(character) and not (kept and (kept[-1].isalnum() or _is_mark(kept[-1])))
        kept.append(character if _allowed(character) and not alone else " ")
    return re.sub(" +", replacement, "".join(kept)).strip("-_")


def visible(text: str) -> str:
    """The text with what a terminal would obey, or could not show, as an escape.

    >>> visible("Ac\x1b[31mme\u202e")
    'Ac\\x1b[31mme\\u202e'
    """
    return "".join(ascii(c)[1:-1] if c not in "\n\t" and is_hidden(c) else c for c in text)


def is_hidden(character: str) -> bool:
    return unicodedata.category(character) in HIDDEN or character in BIDI_CONTROLS
