"""Milliseconds as frames and as timecode, for the formats of editing: SMPTE ST 12-1, drop-frame where it is usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mpr_assets.report.model import Report, ReportSource

USUAL = [Fraction(one) for one in ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")]
NEAR = Fraction(1, 5000)
"""A rate this near to a usual one, as a part of it, is that one: containers round theirs. 24 and 23.976 are 1/1000
apart."""
MOST_FPS = 100
"""Timecode has two digits for frames."""


@dataclass(frozen=True)
class FrameClock:
    """Frames a second, as a fraction."""

    fps: Fraction

    @classmethod
    def of(cls, report: Report) -> FrameClock:
        """That of the first source, by which an editor takes the whole timeline; 25 where there is none."""
        return cls.of_sources(report.sources)

    @classmethod
    def of_sources(cls, sources: Sequence[ReportSource]) -> FrameClock:
        """That of the first of them that has one; 25 where none has."""
        known = [Fraction(source.fps) for source in sources if not source.fps.endswith("/0")]
        fps = next((one for one in known if one > 0), Fraction(25))
        return cls(next((usual for usual in USUAL if abs(usual - fps) <= usual * NEAR), fps))

    @property
    def nominal(self) -> int:
        """Frames that timecode counts in a second."""
        return min(max(1, round(self.fps)), MOST_FPS)

    @property
    def drop_frame(self) -> bool:
        """Whether timecode leaves out numbers, so as to keep up with the clock: at 29.97 and 59.94."""
        return self.fps.denominator == 1001 and self.nominal % 30 == 0

    def frames(self, ms: int) -> int:
        """The frame that begins nearest to a time; a half goes to the later one.

        >>> FrameClock(Fraction(25)).frames(60), FrameClock(Fraction(30000, 1001)).frames(1001)
        (2, 30)
        """
        return int(ms * self.fps / 1000 + Fraction(1, 2))

    def timecode(self, frame: int) -> str:
        """`HH:MM:SS:FF`, with `;` before the frames where numbers are dropped: of each minute the first two (four at
        59.94), but of every tenth none. 24 hours on it begins again, as the standard has it.

        >>> FrameClock(Fraction(30000, 1001)).timecode(1800), FrameClock(Fraction(30000, 1001)).timecode(17982)
        ('00:01:00;02', '00:10:00;00')
        """
        if self.drop_frame:
            dropped = self.nominal // 15
            minute, ten = self.nominal * 60 - dropped, self.nominal * 600 - dropped * 9
            tens, rest = divmod(frame, ten)
            frame += dropped * 9 * tens + dropped * (max(0, rest - dropped) // minute)
        seconds, number = divmod(frame, self.nominal)
        time = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{time}{';' if self.drop_frame else ':'}{number:02}"
