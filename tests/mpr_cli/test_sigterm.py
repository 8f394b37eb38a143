"""A command that is asked to end by SIGTERM says so, and ends as by Ctrl+C."""

from __future__ import annotations

import os
import subprocess
import sys

ENDS_ITSELF = """
import os, signal, sys
from mpr_cli import app, report
report.storage = lambda: os.kill(os.getpid(), signal.SIGTERM)
sys.argv = ["mpr", "report", "match"]
app.main()
"""


def test_sigterm_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS_ITSELF],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert (done.returncode, done.stderr) == (
        130,
        "mpr: interrupted; finished stages are kept, run the same command again to continue.\n",
    )
