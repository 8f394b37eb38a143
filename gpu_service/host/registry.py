"""The routines that the service serves, by name."""

from __future__ import annotations

from gpu_service.host.batching import AnyRoutine
from gpu_service.routines.detect import DETECT
from gpu_service.routines.detect_edges import DETECT_EDGES
from gpu_service.routines.look import LOOK
from gpu_service.routines.ocr.routine import OCR
from gpu_service.routines.preprocess import PREPROCESS
from gpu_service.routines.segment_field import SEGMENT_FIELD
from gpu_service.routines.transcribe import TRANSCRIBE
from gpu_service.routines.vectors import VECTORS
from gpu_service.routines.vlm import VLM

ROUTINES: dict[str, AnyRoutine] = {
    routine.name: routine
    for routine in (SEGMENT_FIELD, DETECT_EDGES, DETECT, PREPROCESS, OCR, VLM, TRANSCRIBE, VECTORS, LOOK)
}
