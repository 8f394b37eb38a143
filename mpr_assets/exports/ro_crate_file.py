"""RO-Crate: the report, its tables and the frames that prove it in one archive, and what each stage did to make them.

By RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) and the profile of runs Process Run Crate 0.5.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeAlias

from mpr_assets.exports.csv_file import exposures_csv
from mpr_assets.exports.json_file import report_json
from mpr_assets.exports.parquet_file import parquet
from mpr_assets.exports.tables import ReportTables, StageTime
from mpr_assets.exports.xlsx_file import xlsx
from mpr_assets.report.model import StageProvenance

Entity: TypeAlias = dict[str, Any]

METADATA = "ro-crate-metadata.json"
CRATE, RUNS = "https://w3id.org/ro/crate/1.1", "https://w3id.org/ro/wfrun/process/0.5"
CONTEXT = [f"{CRATE}/context", {"sha256": "https://schema.org/sha256"}]
STATUS = {"materialized": "Completed", "failed": "Failed", "skipped": "Potential"}
"""schema.org's words for what became of a stage."""
TABLES: Mapping[str, tuple[str, Callable[[ReportTables], bytes]]] = {
    "report.json": ("application/json", lambda tables: report_json(tables.report).encode()),
    "exposures.csv": ("text/csv", lambda tables: exposures_csv(tables.exposures).encode()),
    "exposures.parquet": ("application/vnd.apache.parquet", parquet),
    "report.xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", xlsx),
}
PAGE, REPORT = "report.html", "compile_report"
WRITTEN = (1980, 1, 1, 0, 0, 0)
"""In place of the date of making, so that equal reports are equal bytes."""


def ro_crate(tables: ReportTables) -> bytes:
    """A ZIP archive. Times of stages are those at which their tables were stored; of the report itself none is told.

    Raises:
        MissingObject: a frame that proves an exposure is not stored any more.
    """
    files = {name: make(tables) for name, (_, make) in TABLES.items()}
    kinds = {name: kind for name, (kind, _) in TABLES.items()}
    files[PAGE], kinds[PAGE] = tables.behind.page(), "text/html"
    for key in sorted({one.evidence.frame for brand in tables.report.brands for one in brand.exposures}):
        name = f"frames/{key.rpartition('/')[2]}"
        files[name], kinds[name] = tables.behind.read(key), "image/jpeg"
    document = {"@context": CONTEXT, "@graph": list(_graph(tables, files, kinds))}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        metadata = f"{json.dumps(document, ensure_ascii=False, indent=1)}\n".encode()
        for name, data in {METADATA: metadata, **files}.items():
            packed = zipfile.ZIP_STORED if kinds.get(name) == "image/jpeg" else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, WRITTEN), data, packed)
    return buffer.getvalue()


def _graph(tables: ReportTables, files: Mapping[str, bytes], kinds: Mapping[str, str]) -> Iterator[Entity]:
    report = tables.report
    times = tables.behind.times([one.stage for one in report.stages if one.stage != REPORT])
    published = max((one.end_s for one in times.values()), default=0)
    actions = [_stage(stage, times.get(stage.stage)) for stage in report.stages]
    yield {"@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": CRATE}}
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Report of {report.timeline}",
        "description": "What brands are on screen, when and how, the frames that prove it, and what made it",
        "datePublished": _iso(published),
        "conformsTo": {"@id": RUNS},
        "hasPart": [{"@id": name} for name in files],
        "mentions": [{"@id": action[0]["@id"]} for action in actions],
    }
    yield {"@id": RUNS, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    for name, data in files.items():
        size = {"contentSize": str(len(data)), "sha256": sha256(data).hexdigest()}
        yield {"@id": name, "@type": "File", "name": name, "encodingFormat": kinds[name], **size}
    for number, source in enumerate(report.sources, start=1):
        version = {"version": source.version, "duration": f"PT{source.duration_ms / 1000:g}S"}
        yield {"@id": f"#video-{number}", "@type": "VideoObject", "name": source.name, **version}
    videos = [{"@id": f"#video-{number}"} for number, _ in enumerate(report.sources, start=1)]
    for place, (action, *others) in enumerate(actions):
        if place == 0:
            action["object"] = [*videos, *action["object"]]
        if place == len(actions) - 1:
            action["result"] = [{"@id": name} for name in files]
        yield action
        yield from others


def _stage(stage: StageProvenance, time: StageTime | None) -> list[Entity]:
    """The action of a stage; its program, and its settings as parameters."""
    program, action = f"#program-{stage.stage}", f"#run-{stage.stage}"
    settings = [
        {"@id": f"{action}-{name}", "@type": "PropertyValue", "name": name, "value": _plain(value)}
        for name, value in stage.settings.items()
    ]
    told: Entity = {
        "@id": action,
        "@type": "CreateAction",
        "name": stage.stage,
        "actionStatus": {"@id": f"http://schema.org/{STATUS[stage.status]}ActionStatus"},
        "identifier": stage.settings_hash,
        "instrument": {"@id": program},
        "object": [{"@id": one["@id"]} for one in settings],
    }
    if stage.reason:
        told["error" if stage.status == "failed" else "description"] = stage.reason
    if time is not None:
        told |= {} if time.seconds is None else {"startTime": _iso(time.end_s - time.seconds)}
        told["endTime"] = _iso(time.end_s)
    made_by = {"@id": program, "@type": "SoftwareApplication", "name": f"MPR {stage.stage}"}
    versions = {"softwareVersion": stage.code_version} | ({"description": stage.model} if stage.model else {})
    return [told, made_by | versions, *settings]


def _plain(value: object) -> object:
    """A setting as a parameter has it: what is no text, number or truth value, as JSON."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, ensure_ascii=False)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds")
