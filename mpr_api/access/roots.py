"""Where sources and files that a user names may be: within the configured roots, links followed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gpu_service.masking import masked
from mpr_api.access.config import ROOTS, root_folder
from mpr_api.access.refusals import Refused
from mpr_resources.media.sources import is_remote


def within(address: str, roots: Iterable[str]) -> str:
    """The address itself; of a file, its absolute path without links.

    Raises:
        Refused: it is in no root (403).
    """
    if is_remote(address) or "://" in address:
        if not any(root_folder(root) is None and _is_below(address, root) for root in roots):
            raise _outside(address)
        return address
    folders = [folder for root in roots if (folder := root_folder(root)) is not None]
    if not Path(address).is_absolute():
        raise Refused(400, f"The path {address[:200]!r} is not absolute", "write it from the root of the file system")
    try:
        path = Path(address).resolve()
        inside = any(path.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise _outside(address)
    return str(path)


def _is_below(address: str, root: str) -> bool:
    """Whether an address begins as the root does, to the end of a part of its path, and does not climb."""
    asked, allowed = urlsplit(address), urlsplit(root)
    if (asked.scheme, asked.netloc) != (allowed.scheme, allowed.netloc):
        return False
    parts, prefix = unquote(asked.path).split("/"), allowed.path.rstrip("/").split("/")
    return ".." not in parts and "\\" not in asked.path and parts[: len(prefix)] == prefix


def _outside(address: str) -> Refused:
    return Refused(
        403, f"{masked(address)[:200]} is outside the folders and addresses of {ROOTS}", "copy it there, or list it"
    )
