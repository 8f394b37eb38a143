"""Where things are, by the variables of the environment. Imports nothing of weight: every command needs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The clone; defaults of what is kept lie in it."""


def profiles_path(environ: Mapping[str, str]) -> Path:
    """The folder of profiles as `MPR_PROFILES_DIR` says; `profiles/` in the clone by default."""
    return Path(environ.get("MPR_PROFILES_DIR") or ROOT / "profiles")
