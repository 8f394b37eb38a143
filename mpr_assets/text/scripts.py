"""Which names an OCR engine cannot write, and which recogniser could.

What it can write the engine itself says, wherever it runs. How names are found in what it wrote is in `name_index`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from gpu_service.pictures import Picture
from gpu_service.routines import Inference
from gpu_service.routines.ocr.engine import OcrSettings
from gpu_service.routines.ocr.routine import OCR
from gpu_service.wire import OcrItem
from mpr_assets.text.names import spellings
from mpr_resources.brands.brand_file import Brand

MODELS = {
    "Arabic": "arabic_PP-OCRv5_rec_mobile",
    "Cyrillic": "cyrillic_PP-OCRv5_rec_mobile",
    "Devanagari": "devanagari_PP-OCRv5_rec_mobile",
    "Greek": "el_PP-OCRv5_rec_mobile",
    "Hangul": "korean_PP-OCRv5_rec_mobile",
    "Kannada": "ka_PP-OCRv4_rec_mobile",
    "Latin": "latin_PP-OCRv5_rec_mobile",
    "Tamil": "ta_PP-OCRv5_rec_mobile",
    "Telugu": "te_PP-OCRv5_rec_mobile",
    "Thai": "th_PP-OCRv5_rec_mobile",
}
"""By script, as Unicode calls it, PP-OCR's recogniser for it, by the name that RapidOCR gives it."""
NAMES_TOLD = 3
"""More of a script are counted, not named."""


def cannot_be_read(brands: Sequence[Brand], inference: Inference, settings: OcrSettings) -> tuple[str, ...]:
    """A sentence for each script in which names are that the engine of these settings cannot write.

    A name counts as readable where one of its spellings is: without its accents, with umlauts written out, in Latin
    letters of the same shape. The engine is asked only where a name has other letters than ASCII, which every
    recogniser writes.
    """
    texts = {text: brand.name for brand in brands for text in brand.texts if not text.isascii()}
    keys = {text: ["".join(words) for words, _ in spellings(text)] for text in sorted(texts)}
    letters = {letter for all_keys in keys.values() for key in all_keys for letter in key if not letter.isascii()}
    if not letters:
        return ()
    asked = "".join(sorted({one for letter in letters for one in _cases(letter)}))
    item = OcrItem(find=False, recognise=False, characters=asked)
    [(_, answer)] = inference.map(OCR, [(None, Picture(pixels=np.zeros((32, 32, 3), np.uint8)), item)], settings)
    unwritable = {letter for letter in letters if all(one in answer.unwritable for one in _cases(letter))}
    by_script: dict[str, list[str]] = {}
    for text, its_keys in keys.items():
        missing = [letter for letter in its_keys[0] if letter in unwritable]
        if missing and all(unwritable.intersection(key) for key in its_keys):
            name = text if text == texts[text] else f"{text} ({texts[text]})"
            by_script.setdefault(_script(missing[0]), []).append(name)
    return tuple(_sentence(script, names, settings) for script, names in sorted(by_script.items()))


def _cases(letter: str) -> set[str]:
    return {one for one in (letter, letter.upper()) if len(one) == 1}


def _script(letter: str) -> str:
    return unicodedata.name(letter, "another script").partition(" ")[0].capitalize()


def _sentence(script: str, names: Sequence[str], settings: OcrSettings) -> str:
    told = ", ".join(names[:NAMES_TOLD])
    more = f" and {len(names) - NAMES_TOLD} more" if len(names) > NAMES_TOLD else ""
    setting = "paddle_reader" if settings.engine == "paddleocr" else "rapid_reader"
    model = getattr(settings, setting) or "its own recogniser"
    could = (
        f"set run_ocr.{setting} to a recogniser that can, as {MODELS[script]} (see docs/gpu-host.md), or give "
        if script in MODELS
        else "give "
    )
    return (
        f"the OCR engine {settings.engine} with {model} cannot write {script}, so {told}{more} will not be read: "
        f"{could}the brand reference pictures."
    )
