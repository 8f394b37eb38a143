"""Where the webhook of object stores was: it is `mpr_api.webhook`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.exit("mpr: the webhook is in mpr_api now; start it with: python -m mpr_api.webhook")
