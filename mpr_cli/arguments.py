"""Arguments that several commands take. Imports nothing of weight: every command needs it."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated

import typer

from gpu_service.errors import BadInput


def composed(name: str | None) -> str | None:
    """A timeline's name as it is registered: letters with accents in one piece (NFC), however they were typed.

    macOS hands out names of files in pieces (NFD). A name that was registered in pieces, as the sensor `new_media` may
    take it from a file's path, stays as it is.
    """
    whole = None if name is None else unicodedata.normalize("NFC", name)
    if whole == name or name is None:
        return name
    from mpr_assets.runs.local_storage import storage
    from mpr_resources.storage.keys import Keys

    return name if storage().exists(Keys.spec(name)) else whole


def stage_name(name: str) -> str:
    """The name, when a stage has it.

    Raises:
        BadInput: none has.
    """
    from mpr_assets.definitions import BY_NAME

    if name not in BY_NAME:
        raise BadInput(f"There is no stage {name!r}", f"choose one of {', '.join(BY_NAME)}")
    return name


_HELP = "name of a timeline"
Timeline = Annotated[str, typer.Argument(metavar="TIMELINE", callback=composed, help=_HELP)]
MaybeTimeline = Annotated[str | None, typer.Argument(metavar="[TIMELINE]", callback=composed, help=_HELP)]
OneOrAll = Annotated[
    str | None, typer.Argument(metavar="[TIMELINE]", callback=composed, help=f"{_HELP}; all by default")
]

Videos = Annotated[
    list[str],
    typer.Argument(metavar="VIDEO...", help="one video, or several in order: a path, s3://bucket/key or https://..."),
]
Profile = Annotated[str, typer.Option(help="the profile with the stages' settings")]
Chunks = Annotated[
    list[str] | None,
    typer.Option("--chunk", help="a span START-END of the video, repeatable; N:START-END for the Nth video"),
]
Streams = Annotated[
    list[str] | None,
    typer.Option(
        "--stream",
        help="number of the video stream, as ffprobe counts; N:STREAM for the Nth video; by default the one that a "
        "player would show",
    ),
]
Recorded = Annotated[
    list[str] | None,
    typer.Option(
        "--recorded-at",
        metavar="TIME",
        help="when the video was recorded or broadcast, like 2026-05-04T20:45; N:TIME for the Nth video",
    ),
]
Brands = Annotated[Path | None, typer.Option(help="brand file; the profile's own by default")]
Name = Annotated[
    str | None, typer.Option(callback=composed, help="name of the timeline; made from the video's by default")
]
Replace = Annotated[bool, typer.Option(help="replace the timeline if its name is registered")]
