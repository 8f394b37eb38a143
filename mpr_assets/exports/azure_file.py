"""JSON in the shape of the brands of Azure AI Video Indexer: `videos[0].insights.brands` of its index."""

from __future__ import annotations

import json

from mpr_assets.exports.tables import ReportTables
from mpr_resources.media.clock import clock


def azure(tables: ReportTables) -> bytes:
    """UTF-8. The shape knows brands that were read or heard: whatever was found in the picture is `Ocr`, what was said
    `Transcript`. It has no box, no frame and no size, and one confidence a brand: that of its surest detection or
    mention."""
    report = tables.report
    instances: dict[str, list[dict[str, str]]] = {}
    surest: dict[str, float] = {}
    for brand in report.brands:
        surest[brand.brand] = brand.max_confidence
        instances[brand.brand] = [_instance("Ocr", one.start_ms, one.end_ms) for one in brand.exposures]
    for said in report.mentions:
        surest[said.brand] = max(surest.get(said.brand, 0.0), said.confidence)
        instances.setdefault(said.brand, []).append(_instance("Transcript", said.start_ms, said.end_ms))
    brands = [
        {
            "id": number,
            "name": name,
            "referenceId": "",
            "referenceUrl": "",
            "referenceType": "",
            "description": "",
            "tags": [],
            "confidence": surest[name],
            "isCustom": True,
            "instances": of_brand,
        }
        for number, (name, of_brand) in enumerate(instances.items(), start=1)
    ]
    insights = {"duration": clock(report.duration_ms), "brands": brands}
    index = {
        "name": report.timeline,
        "durationInSeconds": report.duration_ms // 1000,
        "videos": [{"insights": insights}],
    }
    return f"{json.dumps(index, ensure_ascii=False, indent=1)}\n".encode()


def _instance(kind: str, start_ms: int, end_ms: int) -> dict[str, str]:
    start, end = clock(start_ms), clock(end_ms)
    return {"brandType": kind, "start": start, "end": end, "adjustedStart": start, "adjustedEnd": end}
