"""What `fenced_reading` calls in the other process, which is the sooner there the less is imported here."""

from __future__ import annotations

from collections.abc import Iterator

from mpr_resources.media import sound
from mpr_resources.media.decoding import open_media
from mpr_resources.media.probe import Probe, probe
from mpr_resources.media.sound import SoundSpan
from mpr_resources.media.sources import Source
from mpr_resources.media.streams import StreamPlace


def probed(source: Source, stream: int | None) -> Iterator[Probe]:
    """As `probe`."""
    yield probe(source, stream)


def picture_times_ms(source: Source, place: StreamPlace, start_ms: int | None, end_ms: int | None) -> Iterator[bytes]:
    """int64, as bytes."""
    with open_media(source, place=place) as media:
        yield media.ms_of(media.times(start_ms, end_ms).pts).tobytes()


def has_sound(source: Source, place: StreamPlace) -> Iterator[bool]:
    """As `sound.has_sound`."""
    yield sound.has_sound(source, place)


def pieces(span: SoundSpan, piece_ms: int, overlap_ms: int) -> Iterator[tuple[int, bytes]]:
    """As `sound.pieces`; samples are int16, as bytes."""
    for start_ms, samples in sound.pieces(span, piece_ms, overlap_ms):
        yield start_ms, samples.tobytes()
