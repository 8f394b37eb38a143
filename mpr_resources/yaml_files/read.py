"""The bytes of a YAML file. What is in them is `syntax`'s and `load`'s."""

from __future__ import annotations

from pathlib import Path

from gpu_service.errors import BadInput

MAX_BYTES = 3_000_000
"""Some 60,000 brands, which take 15 s to read."""


def read_file(path: Path) -> bytes:
    """The bytes of a YAML file.

    Raises:
        BadInput: it cannot be read.
    """
    if path.is_dir():
        raise BadInput(f"{path} is a folder", "name a YAML file in it")
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, and be empty the next time
            raise BadInput(f"{path} is not a regular file", "save the YAML to a file first")
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"{path} is larger than {MAX_BYTES // 1_000_000} MB", "is it really a YAML file?")
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist", "check the path") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", "check its permissions") from None
