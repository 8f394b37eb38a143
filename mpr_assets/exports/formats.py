"""The formats by their names. Each is in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gpu_service.errors import BadInput
from mpr_assets.exports.azure_file import azure
from mpr_assets.exports.coco_file import coco
from mpr_assets.exports.csv_file import exposures_csv
from mpr_assets.exports.cvat_file import cvat
from mpr_assets.exports.edl_file import edl
from mpr_assets.exports.fcpxml_file import fcpxml
from mpr_assets.exports.google_file import google
from mpr_assets.exports.json_file import report_json
from mpr_assets.exports.otio_file import otio
from mpr_assets.exports.parquet_file import parquet
from mpr_assets.exports.ro_crate_file import ro_crate
from mpr_assets.exports.speech_files import captions_webvtt, mentions_csv
from mpr_assets.exports.srt_file import srt
from mpr_assets.exports.tables import ReportTables
from mpr_assets.exports.webvtt_file import webvtt
from mpr_assets.exports.xlsx_file import xlsx

FormatName: TypeAlias = Literal[
    "csv",
    "json",
    "xlsx",
    "parquet",
    "webvtt",
    "srt",
    "edl",
    "otio",
    "azure",
    "google",
    "coco",
    "cvat",
    "fcpxml",
    "ro-crate",
    "mentions",
    "captions",
]


@dataclass(frozen=True)
class Format:
    """A format of export.

    Attributes:
        suffix: of the file's name, without a dot before it.
        make: the file's bytes; equal for equal tables.
        stem: the file's name without the suffix among the files of a report in the storage.
    """

    suffix: str
    make: Callable[[ReportTables], bytes]
    stem: str = "report"

    @property
    def stored_name(self) -> str:
        return f"{self.stem}.{self.suffix}"


FORMATS: dict[FormatName, Format] = {
    "csv": Format("csv", lambda tables: exposures_csv(tables.exposures).encode(), stem="exposures"),
    "json": Format("json", lambda tables: report_json(tables.report).encode()),
    "xlsx": Format("xlsx", xlsx),
    "parquet": Format("parquet", parquet, stem="exposures"),
    "webvtt": Format("vtt", webvtt),
    "srt": Format("srt", srt),
    "edl": Format("edl", edl),
    "otio": Format("otio", otio),
    "azure": Format("azure.json", azure),
    "google": Format("google.json", google),
    "coco": Format("coco.json", coco),
    "cvat": Format("cvat.xml", cvat),
    "fcpxml": Format("fcpxml", fcpxml),
    "ro-crate": Format("crate.zip", ro_crate),
    "mentions": Format("mentions.csv", mentions_csv),
    "captions": Format("captions.vtt", captions_webvtt),
}


def formats_named(names: Iterable[str]) -> dict[str, Format]:
    """The formats of these names, each once, in their order.

    Raises:
        BadInput: a name is none of a format.
    """
    known: dict[str, Format] = dict(FORMATS.items())
    for name in names:
        if name not in known:
            raise BadInput(f"{name!r} is no format of export", f"choose from {', '.join(known)}")
    return {name: known[name] for name in names}
