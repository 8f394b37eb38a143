"""Exit statuses of the command line."""

from __future__ import annotations

FAILED = 1
UNUSABLE = 2
INTERRUPTED = 130
