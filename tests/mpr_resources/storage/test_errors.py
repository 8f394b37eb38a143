"""What a disk's errors mean."""

from __future__ import annotations

import errno
import os

import pytest
from obstore.exceptions import GenericError

from gpu_service.errors import PermanentError, TransientError
from mpr_resources.storage.errors import explain

CASES = {
    "full": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), PermanentError, "it: its disk is full; make room."),
    "full, as obstore tells it": (
        GenericError('Os { code: 28, message: "No space left on device" }'),
        PermanentError,
        "it: its disk is full; make room.",
    ),
    "read-only": (OSError(errno.EROFS, os.strerror(errno.EROFS)), PermanentError, "read-only; mount it for writing."),
    "read-only, as obstore tells it": (
        GenericError('Os { code: 30, message: "Read-only file system" }'),
        PermanentError,
        "The storage cannot write it: it is read-only; mount it for writing.",
    ),
    "anything else": (
        GenericError('Os { code: 5, message: "Input/output error" }'),
        TransientError,
        "The storage did not write it (input/output error); check that it exists.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_disks_error_is_told(name: str) -> None:
    error, kind, told = CASES[name]
    said = explain(error, "write", "it", "")
    assert type(said) is kind
    assert str(said).endswith(told)
