"""The command `mpr`, also as `python -m mpr_cli`. Says what is missing where the asset graph is not installed."""

from __future__ import annotations

import sys

from gpu_service.distribution import install_command


def main() -> None:
    """Run the command line."""
    try:
        from mpr_cli import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(("gpu_service", "mpr_")):
            raise
        sys.exit(f"mpr: the package {error.name} is not installed; run: {install_command('graph')}.")
    app.main()


if __name__ == "__main__":
    main()
