"""Where a session's processes keep what is this machine's alone: lock, log, the window that is open."""

from __future__ import annotations

import os
from pathlib import Path

from mpr_resources.environment import dagster_home


def live_folder() -> Path:
    """Of all sessions."""
    return dagster_home(os.environ) / "live"


def lock_file(session: str) -> Path:
    """Held by the session's supervisor."""
    return live_folder() / f"{session}.lock"


def log_file(session: str) -> Path:
    """What the session's processes print."""
    return live_folder() / f"{session}.log"


def scratch_folder(session: str) -> Path:
    return live_folder() / session
