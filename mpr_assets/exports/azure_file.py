"""JSON in the shape of the brands of Azure AI Video Indexer: `videos[0].insights.brands` of its index."""

from __future__ import annotations

import json

from mpr_assets.exports.tables import ReportTables
from mpr_resources.media.clock import clock


def azure(tables: ReportTables) -> bytes:
    """UTF-8. The shape knows brands that were read or heard, so whatever was found in the picture is `Ocr`; it has no
    box, no frame and no size, and one confidence a brand: that of its surest detection."""
    report = tables.report
    brands = [
        {
            "id": number,
            "name": brand.brand,
            "referenceId": "",
            "referenceUrl": "",
            "referenceType": "",
            "description": "",
            "tags": [],
            "confidence": brand.max_confidence,
            "isCustom": True,
            "instances": [
                {
                    "brandType": "Ocr",
                    "start": clock(one.start_ms),
                    "end": clock(one.end_ms),
                    "adjustedStart": clock(one.start_ms),
                    "adjustedEnd": clock(one.end_ms),
                }
                for one in brand.exposures
            ],
        }
        for number, brand in enumerate(report.brands, start=1)
    ]
    insights = {"duration": clock(report.duration_ms), "brands": brands}
    index = {
        "name": report.timeline,
        "durationInSeconds": report.duration_ms // 1000,
        "videos": [{"insights": insights}],
    }
    return f"{json.dumps(index, ensure_ascii=False, indent=1)}\n".encode()
