"""What was said in a timeline, as the report has it: mentions of brands, and the transcript in lines to be read.

Mentions are no part of the time on screen. Who made them: `mpr_assets.stages.match_speech`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from mpr_assets.report.model import Caption, Mention

LINE_LETTERS = 84
"""Of a caption at most: two lines of 42, as broadcasters have them."""
LINE_MS = 7_000
"""A caption stays no longer."""
PAUSE_MS = 1_000
"""A longer pause ends a caption."""
SENTENCE_ENDS = (".", "?", "!", "。")


@dataclass(frozen=True)
class Heard:
    """The tables of `match_speech` and `transcribe`; each may be empty."""

    mentions: pl.DataFrame
    words: pl.DataFrame


NOTHING_HEARD = Heard(pl.DataFrame(), pl.DataFrame())


def mentions(heard: Heard) -> tuple[Mention, ...]:
    """The mentions in the order of time."""
    columns = [*Mention.model_fields]
    rows = heard.mentions.select(columns).iter_rows(named=True) if heard.mentions.height else ()
    return tuple(Mention(**row) for row in rows)


def captions(heard: Heard) -> tuple[Caption, ...]:
    """The words in lines, parted at the ends of sentences, at pauses and where a line is full."""
    made: list[Caption] = []
    ended = True
    rows = heard.words.select("start_ms", "end_ms", "text", "chunk").iter_rows() if heard.words.height else ()
    last_chunk = None
    for start_ms, end_ms, text, chunk in rows:
        last = made[-1] if made else None
        if (
            last is None
            or ended
            or chunk != last_chunk
            or start_ms - last.end_ms > PAUSE_MS
            or end_ms - last.start_ms > LINE_MS
            or len(last.text) + 1 + len(text) > LINE_LETTERS
        ):
            made.append(Caption(start_ms=start_ms, end_ms=end_ms, text=text))
        else:
            made[-1] = Caption(start_ms=last.start_ms, end_ms=max(last.end_ms, end_ms), text=f"{last.text} {text}")
        ended, last_chunk = text.endswith(SENTENCE_ENDS), chunk
    return tuple(made)
