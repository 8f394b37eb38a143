"""The processes of a session end with the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

CODE = """
import sys, time
from mpr_live.processes import end_with_parent
end_with_parent(int(sys.argv[1]))
print("told", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize(("is_there", "ends"), [(True, 0), (False, -signal.SIGTERM)])
def test_a_process_ends_whose_parent_was_gone_before_it_asked(is_there: bool, ends: int) -> None:
    parent = os.getpid() if is_there else 1
    command = [sys.executable, "-c", CODE, str(parent), "1" if is_there else "60"]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, timeout=50).returncode == ends
