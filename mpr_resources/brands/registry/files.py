"""The registry as a file: YAML with everything but the history, or CSV for a spreadsheet.

A YAML file is a brand file whose brands may also have `status`, `source`, `everywhere` and `airings`; its pictures lie
in a folder beside it. A CSV file has the columns of `COLUMNS`; several texts in one cell are parted by ` | `.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gpu_service.errors import BadInput
from gpu_service.settings import Settings
from mpr_resources.brands.brand_file import Brand, check_names, read_reference
from mpr_resources.brands.registry.entries import (
    Airing,
    BrandOrigin,
    BrandRecord,
    Status,
)
from mpr_resources.yaml_files.load import load_file, validate
from mpr_resources.yaml_files.read import read_file
from mpr_resources.yaml_files.syntax import dump

COLUMNS = ("name", "aliases", "exclude", "tags", "status", "source", "everywhere")
LISTS = frozenset({"aliases", "exclude", "tags"})
BETWEEN = " | "


class _Span(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    first_ms: int = Field(ge=0)
    last_ms: int = Field(ge=0)


class _FileEntry(Brand):
    status: Status = Status.CONFIRMED
    source: BrandOrigin = BrandOrigin.MANUAL
    everywhere: bool = True
    airings: Mapping[str, _Span] = {}


class _RegistryFile(Settings):
    brands: tuple[_FileEntry, ...]


def read_entries(path: Path) -> list[BrandRecord]:
    """The brands of a `.csv`, `.yaml` or `.yml` file.

    Raises:
        BadInput: it cannot be read or is none; the message names file, place and remedy.
    """
    listed = _from_csv(path) if _is_csv(path) else list(load_file(path, _RegistryFile).brands)
    check_names(listed, str(path))
    return [_entry(one, path.parent) for one in listed]


def write_entries(path: Path, entries: Iterable[BrandRecord]) -> None:
    """Write the brands as the file's name says; pictures of a YAML file beside it.

    Raises:
        BadInput: the name ends otherwise, the file cannot be written, or a text cannot stand in a CSV cell.
    """
    try:
        if _is_csv(path):
            path.write_text(_to_csv(entries), encoding="utf-8", newline="")
        else:
            folder = path.with_name(f"{path.stem}_logos")
            brands = [_plain(entry, folder) for entry in entries]
            path.write_text(dump({"brands": brands}), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror})", "give another path") from error


def _is_csv(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".yaml", ".yml"):
        raise BadInput(f"{path} ends neither in .csv nor in .yaml", "give it one of the two suffixes")
    return suffix == ".csv"


def _entry(listed: _FileEntry, folder: Path) -> BrandRecord:
    return BrandRecord(
        name=listed.name,
        aliases=listed.aliases,
        status=listed.status,
        source=listed.source,
        everywhere=listed.everywhere,
        exclude=listed.exclude,
        tags=listed.tags,
        pictures=tuple(read_reference(listed.name, folder / logo, Path(logo).name) for logo in listed.logos),
        airings={timeline: Airing(at.first_ms, at.last_ms) for timeline, at in listed.airings.items()},
    )


def _plain(entry: BrandRecord, folder: Path) -> dict[str, Any]:
    """The brand as YAML has it; its pictures go into the folder."""
    logos = []
    for picture in entry.pictures:
        folder.mkdir(exist_ok=True)
        file = folder / f"{picture.sha256[:16]}{Path(picture.name).suffix.lower()}"
        file.write_bytes(picture.encoded)
        logos.append(f"{folder.name}/{file.name}")
    lists = {"aliases": entry.aliases, "exclude": entry.exclude, "tags": entry.tags, "logos": logos}
    airings = {name: {"first_ms": at.first_ms, "last_ms": at.last_ms} for name, at in entry.airings.items()}
    return {
        "name": entry.name,
        **{key: list(texts) for key, texts in lists.items() if texts},
        "status": str(entry.status),
        "source": str(entry.source),
        "everywhere": entry.everywhere,
        **({"airings": airings} if airings else {}),
    }


def _to_csv(entries: Iterable[BrandRecord]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow([_cell(entry, column) for column in COLUMNS])
    return text.getvalue()


def _cell(entry: BrandRecord, column: str) -> str:
    value = getattr(entry, column)
    if column not in LISTS:
        return str(value).lower() if isinstance(value, bool) else str(value)
    for text in value:
        if "|" in text:
            raise BadInput(
                f"{text!r} of the brand {entry.name!r} has a |, which separates texts in CSV", "export to YAML"
            )
    return BETWEEN.join(value)


def _from_csv(path: Path) -> list[_FileEntry]:
    try:
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not a text file in UTF-8", "save it as CSV UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = reader.fieldnames or ()
        unknown = [column for column in columns if column not in COLUMNS]
        if unknown or "name" not in columns:
            which = f"the column {unknown[0]!r}" if unknown else "no column `name`"
            raise BadInput(f"{path} has {which}", f"the first line lists columns, of {', '.join(COLUMNS)}")
        return [_of_row(f"{path}, line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise BadInput(f"{path}, line {reader.line_num}: this is not CSV: {error}.") from None


def _of_row(where: str, row: Mapping[str | None, Any]) -> _FileEntry:
    if None in row or None in row.values():
        raise BadInput(
            f"{where}: it has not as many cells as the first line",
            "put texts with commas in quotes",
        )
    data: dict[str, Any] = {}
    for column, cell in row.items():
        if str(column) in LISTS:
            data[str(column)] = [text.strip() for text in cell.split("|") if text.strip()]
        elif cell.strip():
            data[str(column)] = cell.strip()
    if "everywhere" in data:
        data["everywhere"] = {"true": True, "false": False}.get(data["everywhere"].lower(), data["everywhere"])
    return validate(where, data, _FileEntry)
