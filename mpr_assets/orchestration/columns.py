"""What the columns of the stages' tables hold, as Dagster shows it beside their types.

These are the words that several tables share. What a column means in one stage alone, that stage says itself:
`Stage.columns`.
"""

from __future__ import annotations

import dagster as dg

from mpr_assets.engine.stage import Stage

MEANINGS = {
    "brand": "the brand; null: a candidate, for which none was found",
    "chunk": "number of the chunk, in the timeline's order, from 0",
    "confidence": "how sure it is, 0 to 1",
    "h": "height of the box, px of the frame",
    "height_px": "height of the picture",
    "label": "what the region is taken for",
    "reason": "why it was decided so",
    "seq": "number of the frame within the timeline, from 0",
    "source": "what found it",
    "text": "the text that was read; empty: it was found by its look",
    "track": "number of the text that is followed from frame to frame",
    "w": "width of the box, px of the frame",
    "width_px": "width of the picture",
    "x": "left edge of the box, px of the frame",
    "y": "upper edge of the box, px of the frame",
}


def column_schema(stage: Stage) -> dg.TableSchema:
    """The stage's columns with their types and meanings."""
    return dg.TableSchema(
        [
            dg.TableColumn(name, str(dtype), description=stage.columns.get(name) or MEANINGS.get(name))
            for name, dtype in stage.schema.items()
        ]
    )
