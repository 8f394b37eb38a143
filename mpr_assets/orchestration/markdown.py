"""Text of others, brand names and file names above all, as Dagster's markdown shows it: as it is, and nothing else.

What is said in markdown is said where it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MARKED = re.compile(r"([!-/:-@\[-`{-~])")
"""ASCII punctuation: CommonMark lets each be escaped, and none without need changes what is shown."""
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
"""Control characters, line ends, and those that turn the direction of what follows."""
LINKED = re.compile(r"(://|www\.|@)", re.IGNORECASE)
"""What GitHub's markdown makes a link of, escaped or not."""
WORD_JOINER = "\u2060"


def escaped(text: str) -> str:
    r"""The text as markdown that shows it.

    >>> escaped("A*B* | <b>")
    'A\\*B\\* \\| \\<b\\>'
    """
    visible = UNSEEN.sub(" ", text).strip()
    unlinked = LINKED.sub(lambda found: WORD_JOINER.join(["", *found[0], ""]), visible)
    return MARKED.sub(r"\\\1", unlinked)


def bullets(sentences: Iterable[str]) -> str:
    """A list, each sentence escaped."""
    return "\n".join(f"- {escaped(one)}" for one in sentences)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all of it is escaped."""
    lines = [columns, *rows]
    cells = [" | ".join(map(escaped, line)) for line in lines]
    return "\n".join(f"| {line} |" for line in [cells[0], " | ".join("---" for _ in columns), *cells[1:]])
