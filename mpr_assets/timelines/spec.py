"""A timeline's spec: name, profile, chunks and brand file, and their notation.

What the sources really hold is found out by the `timeline` stage; where specs are kept is in
`mpr_assets.timelines.partitions`.
"""

from __future__ import annotations

import re
from datetime import date, datetime

from pydantic import Field, field_validator

from gpu_service.errors import BadInput
from gpu_service.masking import without_secrets
from gpu_service.settings import Settings
from mpr_resources.names import check_name


class ChunkSpec(Settings):
    """A span `[start_ms, end_ms)` of a source; None is the source's own start or end."""

    source: str = Field(description="path or address of a video; of an address without password and signature")
    start_ms: int | None = Field(None, description="first millisecond, on the source's clock; none: its start")
    end_ms: int | None = Field(None, description="millisecond after the last; none: the source's end")
    stream: int | None = Field(
        None,
        ge=0,
        description="number of the video stream in the file, counted from 0 with sound and data, as ffprobe counts; "
        "none: the one that a player would show",
    )
    name: str | None = Field(
        None, description="what reports call the source, like its path in the media folder; none: its file name"
    )

    recorded_at: str | None = Field(
        None,
        description="when the source's first picture was taken or broadcast, in ISO 8601, by the clock of the place; "
        "none: not known",
    )

    @field_validator("recorded_at", mode="before")
    @classmethod
    def _recorded_at(cls, given: object) -> str | None:
        return None if given is None else recorded_time(given)

    @field_validator("source")
    @classmethod
    def _source(cls, source: str) -> str:
        return without_secrets(source)


class TimelineSpec(Settings):
    """What a user asks for: a name, a profile and an ordered list of chunks."""

    name: str = Field(description="letters and digits of any script, _ and -; at most 100")
    profile: str = Field("generic", description="name of a profile")
    chunks: tuple[ChunkSpec, ...] = Field(description="in order, on one clock; sources may repeat")
    brands: str | None = Field(None, description="path of a brand file; none: the profile's")
    version: str | None = Field(
        None,
        description="of the media, from the sensor new_media, or where an address came with a password or a signature; "
        "none: the files are examined",
    )
    refused: str | None = Field(
        None, description="why the request cannot be used; the timeline's run fails with this message"
    )

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return validate_timeline_name(name)


def validate_timeline_name(name: str) -> str:
    """The name itself, when it can be a timeline's; see `mpr_resources.names`.

    Raises:
        BadInput: it cannot.
    """
    return check_name(name, "timeline name")


def recorded_time(given: object) -> str:
    """A time of recording as it is stored: ISO 8601, to the second, with its offset from UTC where it has one.

    >>> recorded_time("2026-05-04T20:45"), recorded_time("2026-05-04 20:45:10+02:00"), recorded_time("2026-05-04")
    ('2026-05-04T20:45:00', '2026-05-04T20:45:10+02:00', '2026-05-04T00:00:00')

    Raises:
        BadInput: it is none.
    """
    text = given.isoformat() if isinstance(given, date) else str(given)
    try:
        return datetime.fromisoformat(text).isoformat(timespec="seconds")
    except ValueError:
        raise BadInput(
            f"{text!r} is not a time of recording", "write it like 2026-05-04T20:45 or 2026-05-04T20:45+02:00"
        ) from None


def parse_chunk(text: str) -> tuple[int, int]:
    """`START-END` as `(start_ms, end_ms)`.

    Each is `HH:MM:SS`, `MM:SS` or `SS`, with up to three decimals: `00:10:00.040-00:12:30`, `90-120.5`.

    Raises:
        BadInput: it is not of that form, or it does not end after it starts.
    """
    start, dash, end = text.strip().partition("-")
    start_ms, end_ms = parse_time(start), parse_time(end)
    if not dash or start_ms is None or end_ms is None:
        raise BadInput(f"The chunk {text!r} is not a span of time", "write it as START-END, like 00:10:00-00:12:30")
    if end_ms <= start_ms:
        raise BadInput(f"The chunk {text!r} ends at or before its start", "put the earlier time first")
    return start_ms, end_ms


def parse_time(text: str) -> int | None:
    """`HH:MM:SS`, `MM:SS` or `SS`, with up to three decimals, in ms; None where it is not of that form."""
    form = re.fullmatch(r"(?:(?:([0-9]{1,4}):)?([0-9]{1,2}):)?([0-9]{1,7})(?:\.([0-9]{1,3}))?", text.strip())
    if form is None:
        return None
    hours, minutes, seconds, fraction = form.groups()
    if (minutes is not None and (int(seconds) > 59 or len(seconds) > 2)) or (hours is not None and int(minutes) > 59):
        return None
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds)
    return whole * 1000 + int((fraction or "").ljust(3, "0"))
