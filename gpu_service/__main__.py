"""`python -m gpu_service`: the service on this machine."""

from __future__ import annotations

import os
import sys

from gpu_service import models
from gpu_service.errors import MprError
from gpu_service.host.config import from_arguments


def main() -> int:
    """0 after an ordered end, 2 when the configuration cannot be used."""
    try:
        config = from_arguments(sys.argv[1:], os.environ)
        models.use(models.ModelFiles(files=config.models, device=config.device))
        from gpu_service.host.server import serve

        serve(config)
    except MprError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
