"""What an object store's errors mean: one sentence each, and whether the same call may succeed later.

What is stored where is not here. A missing object is told by `mpr_resources.storage.store`; it is no fault of the
store.
"""

from __future__ import annotations

import errno
import re

from obstore.exceptions import BaseError, NotSupportedError, PermissionDeniedError, UnauthenticatedError

from gpu_service.errors import BadInput, MprError, PermanentError, TransientError

CODE = re.compile(r"<Code>(\w+)</Code>")
STATUS = re.compile(r"status code: (\d{3})")
SYSTEM_MESSAGE = re.compile(r'message: "([^"]+)"')
INSTANCE_CREDENTIALS = ("169.254.169.254", "169.254.170.2")
"""Where AWS machines and containers ask for keys, which is tried when none are set."""

WRONG_KEYS = {"SignatureDoesNotMatch", "InvalidAccessKeyId"}
EXPIRED_KEYS = {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"}
WRONG_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
DAMAGED_ON_THE_WAY = {"XAmzContentSHA256Mismatch", "BadDigest", "IncompleteBody", "InvalidDigest"}
OVERLOADED = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling"}
MAY_PASS = {408, 425, 429, 500, 502, 503, 504}


def code_of(error: Exception) -> str:
    """The code that S3 gives with a refusal, such as `NoSuchBucket`; empty where it gives none."""
    found = CODE.search(str(error))
    return found[1] if found else ""


def status_of(error: Exception) -> int | None:
    """The HTTP status of the answer; None where there was none."""
    found = STATUS.search(str(error))
    return int(found[1]) if found else None


def explain(error: Exception, verb: str, where: str, endpoint: str) -> MprError:
    """The exception to raise for what obstore raised.

    Args:
        verb: what was tried: "read", "write".
        where: the object's address.
        endpoint: the server's; empty for a folder and for AWS itself.
    """
    if isinstance(error, ValueError) and not isinstance(error, BaseError):
        return BadInput(
            f"{where!r} cannot be the name of an object: it has an empty part, or holds a control character or bytes "
            "that are not UTF-8",
            "rename it",
        )
    code, status = code_of(error), status_of(error)
    server = f" at {endpoint}" if endpoint else ""
    if any(address in str(error) for address in INSTANCE_CREDENTIALS):
        return PermanentError(
            f"There are no keys to {verb} {where} with", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if code in WRONG_KEYS:
        return PermanentError(
            f"The S3 server{server} does not know the keys ({code})",
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if code in EXPIRED_KEYS:
        return PermanentError(f"The keys for {where} have expired ({code})", "set new ones, AWS_SESSION_TOKEN included")
    if code == "RequestTimeTooSkewed":
        return PermanentError(f"The S3 server{server}'s clock differs from this machine's", "correct the clock")
    if code == "NoSuchBucket":
        return PermanentError(f"The bucket of {where} does not exist{server}", "create it, or correct its name")
    if code in WRONG_REGION or "configured region" in str(error):
        return PermanentError(f"The bucket of {where} is in another region", "set AWS_DEFAULT_REGION to it")
    if code in DAMAGED_ON_THE_WAY:
        return TransientError(f"What was sent to {where} arrived damaged ({code}) and was not stored", "try again")
    if isinstance(error, UnauthenticatedError | PermissionDeniedError | PermissionError) or status in (401, 403):
        return PermanentError(f"The storage refuses to {verb} {where}", "check its keys and permissions")
    if isinstance(error, NotSupportedError) and "Range request" in str(error):
        return PermanentError(
            f"The server of {where} does not support range requests", "copy it to this machine or to S3"
        )
    if code in OVERLOADED or status in MAY_PASS:
        return TransientError(f"The storage did not {verb} {where}: it answers {code or status}", "try again later")
    if status is not None and 400 <= status < 500:
        return PermanentError(f"The storage refuses to {verb} {where} ({code or f'status {status}'}).")
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in str(error):
        return PermanentError(f"The storage cannot {verb} {where}: its disk is full", "make room")
    if (isinstance(error, OSError) and error.errno == errno.EROFS) or "Read-only file system" in str(error):
        return PermanentError(f"The storage cannot {verb} {where}: it is read-only", "mount it for writing")
    reason = _reason(error)
    if endpoint and status is None:
        return TransientError(
            f"The S3 server{server} did not {verb} {where} ({reason})", "check that it runs, and S3_ENDPOINT_URL"
        )
    return TransientError(f"The storage did not {verb} {where} ({reason})", "check that it exists")


def _reason(error: Exception) -> str:
    """The cause as the operating system tells it, or the error's first line without the store's own words."""
    said = SYSTEM_MESSAGE.findall(str(error))
    if said:
        return str(said[-1]).lower()
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return first.rpartition(" - ")[2].rstrip(". ")
