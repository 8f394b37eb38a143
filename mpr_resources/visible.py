"""Text of others as a person can be shown it: nothing in it is obeyed by a terminal or turns the text around it.

What markup is (HTML's, markdown's, rich's) is escaped where it is written.
"""

from __future__ import annotations

import unicodedata

HIDDEN = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that no name needs: control characters, halves of characters, separators of lines."""
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """The text with what a terminal would obey, or could not show, as an escape.

    >>> visible("Ac\x1b[31mme\u202e")
    'Ac\\x1b[31mme\\u202e'
    """
    return "".join(ascii(c)[1:-1] if c not in "\n\t" and is_hidden(c) else c for c in text)


def is_hidden(character: str) -> bool:
    return unicodedata.category(character) in HIDDEN or character in BIDI_CONTROLS
