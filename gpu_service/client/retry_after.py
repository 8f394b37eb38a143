"""The header Retry-After (RFC 9110, 10.2.3), of inference hosts and of providers."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, whether the header is a number or a date; None where there is none that can be read.

    Args:
        headers: by their names in lower case, or without regard to case.

    >>> retry_after_s({"retry-after": "1.5"})
    1.5
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
