"""A brand's name where a format takes one line of text."""

from __future__ import annotations

import unicodedata

BREAKS = {"Cc", "Zl", "Zp"}
"""Unicode's categories of control characters and of separators of lines and paragraphs."""


def one_line(name: str) -> str:
    """The name with every break and control character as a space, and no two spaces together. All else is kept: marks
    of direction, joined emoji.

    >>> one_line("Acme\\r\\n Co\\u2028Ltd")
    'Acme Co Ltd'
    """
    return " ".join("".join(" " if unicodedata.category(one) in BREAKS else one for one in name).split())


def xml_line(name: str) -> str:
    """The same, for XML: what XML 1.0 has no letters for is left out."""
    return "".join(one for one in one_line(name) if not 0xD800 <= ord(one) <= 0xDFFF and one not in "\ufffe\uffff")
