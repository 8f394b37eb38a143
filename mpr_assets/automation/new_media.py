"""New media by themselves: which files of the media folder or bucket become timelines, under which name, and when.

What is decided here is pure; the sensor around it is in `mpr_assets.automation.new_media_sensor`. How a timeline is
made of a file is no concern of this module.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gpu_service.errors import BadInput
from gpu_service.settings import Settings
from mpr_assets.timelines.spec import ChunkSpec, TimelineSpec, parse_chunk, recorded_time
from mpr_resources.names import shortened
from mpr_resources.storage.store import ObjectInfo
from mpr_resources.yaml_files.load import load_model

SUFFIXES = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .webm .wmv".split()  # noqa: SIM905
)
"""Files whose names end so are media; all others are passed over."""
BINS = frozenset(
    {"#recycle", "$recycle.bin", "@eadir", "@recycle", "lost+found", "recycler", "system volume information"}
)
"""Folders, in small letters, where systems put what users have deleted or never see."""
UNFINISHED_SUFFIXES = frozenset({".crdownload", ".download", ".filepart", ".part", ".partial"})
"""Of what browsers and copying programs are still writing; Safari's is a folder with the file in it."""
SIDECAR = ".yaml"
"""What a file's own settings are called beside it: `match.mp4.yaml`."""
MAX_SIDECAR_BYTES = 100_000
DEFAULT_PROFILE = "generic"
SETTLE_S = 20.0
"""A file that looks the same for so long has stopped growing."""
MOST_A_TICK = 100
"""Dagster takes requests for runs one by one, 0.13 s each."""

READABLE_LENGTH = 60
READABLE_BYTES = 150
VERSION_LENGTH = 12


class Sidecar(Settings):
    """What a file beside the media says about it."""

    profile: str | None = Field(None, min_length=1, description="name of a profile; none: the folder's name")
    brands: str | None = Field(
        None, min_length=1, description="brand file, absolute or in the folder of profiles; none: the profile's"
    )
    chunks: tuple[str, ...] = Field((), description="spans START-END like 00:10:00-00:12:30; none: the whole file")
    stream: int | None = Field(
        None, ge=0, description="number of the video stream, as ffprobe counts; none: the one that a player would show"
    )
    recorded_at: str | None = Field(None, description="when the file was recorded or broadcast, in ISO 8601")

    @field_validator("recorded_at", mode="before")
    @classmethod
    def _recorded_at(cls, given: object) -> str | None:
        return None if given is None else recorded_time(given)


@dataclass(frozen=True)
class MediaFile:
    """A file that may become a timeline.

    Attributes:
        key: its place below the media folder or prefix.
        version: changes with the file's size, time and etag, and with its sidecar's.
        sidecar: its sidecar; None where it has none.
    """

    key: str
    version: str
    sidecar: ObjectInfo | None

    @property
    def timeline(self) -> str:
        return timeline_name(self.key)


class Memory(BaseModel):
    """What is known from one look to the next; the sensor's cursor.

    Attributes:
        looked_s: when all files were looked at last.
        looks: of files that are not taken yet, by version: since when they have looked so.
        asked: versions that runs were asked for in the last tick, by timeline: Dagster has them for certain.
        backlog: whether more files had settled than a tick may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    looked_s: float = 0.0
    looks: dict[str, float] = {}
    asked: dict[str, str] = {}
    backlog: bool = False

    @classmethod
    def parse(cls, cursor: str | None) -> Memory:
        """Of the cursor; nothing is known where it is none, or one that somebody has typed.

        Nothing is asked for twice then: what was taken is known elsewhere, and Dagster knows every run key.
        """
        try:
            return cls.model_validate_json(cursor or "{}")
        except ValidationError:
            return cls()


@dataclass(frozen=True)
class Decision:
    """What a look led to.

    Attributes:
        take: files to be taken now, in this order.
        left: how many more have stopped growing.
        since_s: of all files that are not taken yet, by version: since when they have looked so.
        now_s: when that was.
    """

    take: tuple[MediaFile, ...]
    left: int
    since_s: Mapping[str, float]
    now_s: float

    def memory(self, done: Sequence[MediaFile]) -> Memory:
        """What is to be remembered when runs were asked for these of `take`."""
        versions = {file.version for file in done}
        return Memory(
            looked_s=self.now_s,
            looks={version: since_s for version, since_s in self.since_s.items() if version not in versions},
            asked={file.timeline: file.version for file in done},
            backlog=self.left + len(self.take) > len(done),
        )


def is_media(key: str) -> bool:
    """Whether a key is a media file's: by its suffix, and nothing on its way is hidden, deleted or still written."""
    path = PurePosixPath(key)
    return path.suffix.lower() in SUFFIXES and not any(map(_set_aside, path.parts))


def _set_aside(name: str) -> bool:
    """Whether a file or folder of this name is hidden, a recycle bin, or what a program has not finished."""
    return (
        name.startswith((".", "~"))
        or name.endswith("~")
        or name.lower() in BINS
        or PurePosixPath(name).suffix.lower() in UNFINISHED_SUFFIXES
    )


def media_files(entries: Iterable[ObjectInfo]) -> list[MediaFile]:
    """The media files of a listing, each with its sidecar where it has one."""
    found: dict[str, ObjectInfo] = {}
    sidecars: dict[str, ObjectInfo] = {}
    for entry in entries:
        if is_media(entry.key):
            found[entry.key] = entry
        elif entry.key.endswith(SIDECAR):
            sidecars[entry.key.removesuffix(SIDECAR)] = entry
    return [media_file(entry, sidecars.get(key)) for key, entry in found.items()]


def media_file(entry: ObjectInfo, sidecar: ObjectInfo | None) -> MediaFile:
    """The file as it is now."""
    # Whole seconds: S3 tells fractions in a listing and none of a single object.
    known = [one for one in (entry, sidecar) if one is not None]
    seen = [(one.key, one.size_bytes, int(one.modified_s), one.etag.strip('"')) for one in known]
    return MediaFile(entry.key, hashlib.sha256(repr(seen).encode()).hexdigest()[:VERSION_LENGTH], sidecar)


def timeline_name(key: str) -> str:
    """The name of a file's timeline: readable, always the same, and another for every other key.

    >>> timeline_name("soccer_broadcast/match 1.mp4")
    'soccer_broadcast-match-1-d5928fe6'
    """
    stem = key.removesuffix(PurePosixPath(key).suffix)
    readable = shortened(re.sub(r"[\W-]+", "-", stem), READABLE_LENGTH, READABLE_BYTES)
    digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{readable or 'media'}-{digest}"


def decide(
    files: Sequence[MediaFile],
    whole: Collection[str],
    memory: Memory,
    taken: Mapping[str, str],
    now_s: float,
    *,
    settle_s: float = SETTLE_S,
    most: int = MOST_A_TICK,
) -> Decision:
    """The files to take now: those that have stopped growing, the longest waiting first.

    Args:
        files: all that there are, in any order.
        whole: keys of files that are known to be whole, because their store has told so.
        memory: of the look before.
        taken: versions that runs were asked for before, by timeline.
        now_s: on the clock that `memory` is on.
        settle_s: for how long a file must have looked the same, on two looks at least.
        most: files taken at once.
    """
    new = [one for one in files if taken.get(one.timeline) != one.version]
    since_s = {one.version: min(now_s, memory.looks.get(one.version, now_s)) for one in new}
    settled = [
        one
        for one in new
        if one.key in whole or (one.version in memory.looks and now_s - since_s[one.version] >= settle_s)
    ]
    settled.sort(key=lambda one: (one.key not in whole, since_s[one.version], one.key))
    return Decision(tuple(settled[:most]), max(0, len(settled) - most), since_s, now_s)


def timeline_spec(file: MediaFile, source: str, sidecar: bytes | None, profiles_folder: Path) -> TimelineSpec:
    """The timeline of a file: its folder picks the profile, its sidecar may say more.

    What cannot be used in the sidecar is said by the timeline's run.

    Args:
        source: where the file is read from.
        sidecar: what the sidecar holds.
        profiles_folder: where the sidecar's brand file is looked for.
    """
    top, folder, _ = file.key.partition("/")
    spec = TimelineSpec(
        name=file.timeline,
        profile=top if folder else DEFAULT_PROFILE,
        chunks=(ChunkSpec(source=source, name=file.key),),
        brands=None,
        version=file.version,
        refused=None,
    )
    if sidecar is None:
        return spec
    try:
        said = load_model(source + SIDECAR, sidecar, Sidecar)
        spans: list[tuple[int, int] | tuple[None, None]] = [parse_chunk(chunk) for chunk in said.chunks]
        brands = _brand_file(said.brands, Path(source.removesuffix(file.key)), profiles_folder)
    except BadInput as error:
        place = "" if source + SIDECAR in str(error) else f"{source}{SIDECAR}: "
        return spec.model_copy(update={"refused": f"{place}{error}"})
    chunks = tuple(
        ChunkSpec(
            source=source,
            start_ms=start_ms,
            end_ms=end_ms,
            stream=said.stream,
            name=file.key,
            recorded_at=said.recorded_at,
        )
        for start_ms, end_ms in spans or [(None, None)]
    )
    return spec.model_copy(
        update={
            "profile": said.profile or spec.profile,
            "chunks": chunks,
            "brands": brands,
        }
    )


def _brand_file(named: str | None, media_folder: Path, profiles_folder: Path) -> str | None:
    """Where the brand file lies that a sidecar names.

    Raises:
        BadInput: among the media, where strangers write: a brand file has pictures read, wherever they lie.
    """
    if named is None:
        return None
    path = profiles_folder.absolute() / named
    if path.resolve().is_relative_to(media_folder.resolve()):
        raise BadInput(f"The brand file {path} lies in the watched folder", "move it to the folder of profiles")
    return str(path)
