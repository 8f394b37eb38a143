"""Names that are read on screen about some time: what somebody who speaks then is likely to say.

What is no name is told by its words, as the commonest of a language are none. Which names are of brands is for
`name_index` to find.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mpr_assets.text.common_words import CommonWords
from mpr_assets.text.name_index import COMMON_ALONE_PER_MILLION
from mpr_resources.brands.folding import fold

MOST_NAMES = 20
"""Of more, those on most frames. Whisper hears some 220 tokens of hotwords and no more."""
MOST_LETTERS = 40
MOST_WORDS = 4
"""What is longer is a sentence."""
MIN_LETTERS = 3
MIN_CONFIDENCE = 0.8
MIN_FRAMES = 2
"""What is read once only is often misread (no measurement is known)."""


class ScreenNames:
    """The names among lines of text.

    Args:
        lines: as `run_ocr` gives them.
        frames, scenes: as `extract_frames` and `filter_scenes` give them; a kept frame's lines are on all frames that
            it stands for.
        languages: of the text around the names.
    """

    def __init__(
        self, lines: pl.DataFrame, frames: pl.DataFrame, scenes: pl.DataFrame, languages: Sequence[str]
    ) -> None:
        common = CommonWords(languages)
        sure = lines.filter(pl.col("confidence") >= MIN_CONFIDENCE).select("seq", name=_cleaned(pl.col("text")))
        named = {name: _key(name, common) for name in sure["name"].unique()}
        keys = pl.DataFrame({"name": [*named], "key": [*named.values()]}, schema={"name": pl.Utf8, "key": pl.Utf8})
        times = frames.select("seq", "timeline_ms").join(scenes.select("seq", "kept_seq"), on="seq", how="left")
        self._shown = (
            sure.join(keys.filter(pl.col("key") != ""), on="name")
            .join(times.select("timeline_ms", seq=pl.coalesce("kept_seq", "seq")), on="seq")
            .select("timeline_ms", "name", "key")
        )

    def between(self, start_ms: int, end_ms: int) -> tuple[str, ...]:
        """The names on most frames of this part of the timeline, `end_ms` not in it: at most `MOST_NAMES`, those on
        most frames first. Spellings that fold alike are one name, as it is spelt most often."""
        shown = self._shown.filter(pl.col("timeline_ms").is_between(start_ms, end_ms, closed="left"))
        frames = shown.group_by("key").agg(frames=pl.col("timeline_ms").n_unique())
        spelt = shown.group_by("key", "name").len().sort("len", "name", descending=[True, False])
        found = spelt.unique("key", keep="first", maintain_order=True).join(frames, on="key")
        most = found.filter(pl.col("frames") >= MIN_FRAMES).sort("frames", "key", descending=[True, False])
        return tuple(most["name"].head(MOST_NAMES))


def _cleaned(text: pl.Expr) -> pl.Expr:
    """Without a comma too, which parts hotwords, and without what is no letter or digit at its ends."""
    spaced = text.str.replace_all(r"[\s,;]+", " ")
    return spaced.str.replace_all(r"^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$", "")


def _key(text: str, common: CommonWords) -> str:
    """What spellings of the name share; empty: it is none."""
    words = [word.text for word in fold(text, repair=True).words]
    letters = sum(map(str.isalpha, text))
    if letters < MIN_LETTERS or 2 * letters <= len(text) or len(text) > MOST_LETTERS or len(words) > MOST_WORDS:
        return ""
    if all(common.per_million(word) >= COMMON_ALONE_PER_MILLION for word in words):
        return ""
    return "".join(words)
