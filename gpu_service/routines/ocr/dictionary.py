"""A recogniser's file, and the characters that it writes, from the forms in which recognisers are given away.

How the model is run is in its engine's file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

METADATA_KEY = "character"
"""Under this name RapidOCR's models carry their characters, one a line."""
BLANK = "blank"
"""What the blank is called in the dictionaries that have it."""
DESCRIPTION = "inference.yml"
"""In a folder of PaddleOCR's: lists the characters under PostProcess."""


def onnx_file(path: Path) -> Path:
    """The model of a file or folder.

    Raises:
        ValueError: the folder holds none, or several.
    """
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.onnx"))
    if len(found) != 1:
        raise ValueError(f"its folder holds {len(found) or 'no'} .onnx files, not one")
    return found[0]


def characters(path: Path, metadata: Mapping[str, str]) -> list[str]:
    """What a recogniser writes, in the order of its answers, without blank and without the space behind.

    Args:
        path: the model's file, or the folder that it is in.
        metadata: what the model says of itself.

    Raises:
        ValueError: neither the model nor a file beside it says.
    """
    if METADATA_KEY in metadata:
        return metadata[METADATA_KEY].splitlines()
    folder = path if path.is_dir() else path.parent
    description = folder / DESCRIPTION
    if description.exists():
        listed = yaml.safe_load(description.read_text(encoding="utf-8"))["PostProcess"]["character_dict"]
        return [str(character) for character in listed]
    texts = sorted(path.glob("*.txt")) if path.is_dir() else []
    if len(texts) == 1:
        return texts[0].read_text(encoding="utf-8").removesuffix("\n").split("\n")
    raise ValueError(
        f"it does not say which characters it writes: put its dictionary, one character a line, beside it as the only "
        f".txt file of a folder, or its {DESCRIPTION}"
    )


def with_blank_and_space(written: list[str], count: int) -> list[str]:
    """The characters with the blank before and, where the model has it, the space behind: dictionaries leave them out.

    Args:
        written: what the dictionary says.
        count: how many characters the model's answer tells apart.

    Raises:
        ValueError: that is another number; the dictionary is another model's.
    """
    if len(written) == count and written[0] == BLANK:
        written = written[1:]
    whole = ["", *written, *([" "] if " " not in written else [])]
    if len(whole) != count:
        raise ValueError(f"its dictionary has {len(written)} characters, but the model tells {count - 2} apart")
    return whole
