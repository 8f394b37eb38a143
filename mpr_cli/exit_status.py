"""What the command line ends with."""

from __future__ import annotations

FAILED = 1
UNUSABLE = 2
INTERRUPTED = 130
