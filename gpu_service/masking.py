"""Addresses without what is secret in them: user and password, signatures and tokens in the query.

`masked` is for what people read or programs log, `without_secrets` for what is stored and must still tell one object
from another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

HIDDEN = "***"

_SIGNATURES = (
    r"x-(?:amz|goog|oss|cos|obs)-[\w-]+|awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|signature|sig|expires"
    r"|policy|hdn(?:ea|ts)|__token__|__gda__"
)
"""Parameters by which S3, CloudFront, Google, Azure, Alibaba, Tencent, Huawei and Akamai sign an address: other values
each time, for the same object."""
_BESIDE_SIG = r"s[eprstv]|sip|spr|sdd|srt|sk(?:[estv]|oid|tid)"
"""What Azure signs by `sig`."""
_SECRETS = (
    r"[\w.-]*(?:token|secret|passw|pwd|credential|signature|session|jwt|auth)[\w.-]*|(?:api|access)?[_-]?key|pass"
    r"|passphrase|streamid"
)
"""Parameters that may hold a secret, or say which object is meant."""

_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*)://[^\s'\"`<>]+", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^/?#]*@")
_PASSWORD = re.compile(r"(?<=://)([^/?#:@]*):[^/?#]*@")
_STREAM_KEY = re.compile(r"(://[^/]*/[^/]+/)[^\s]+")
"""What follows the application in an address of RTMP: who knows it may publish."""
_VALUE = re.compile(rf"([?&](?:{_SIGNATURES}|{_SECRETS})=)[^&#]*", re.IGNORECASE)
_SIGNATURE = re.compile(_SIGNATURES, re.IGNORECASE)
_OF_AZURE = re.compile(_BESIDE_SIG)
_SECRET = re.compile(_SECRETS, re.IGNORECASE)
_HASH = re.compile("~[0-9a-f]{12}")


def masked(text: str) -> str:
    """The text with `***` for users and passwords in addresses, and for what is secret in their queries.

    >>> masked("http://me:word@host:8000 answers /ocr with 500")
    'http://***@host:8000 answers /ocr with 500'
    >>> masked("postgresql://mpr:word@host/mpr and https://host/a.mp4?id=7&X-Amz-Signature=ab12")
    'postgresql://mpr:***@host/mpr and https://host/a.mp4?id=7&X-Amz-Signature=***'
    >>> masked("rtmp://me:word@host/live/KEY?x=1 and srt://host:9000?passphrase=word")
    'rtmp://me:***@host/live/*** and srt://host:9000?passphrase=***'
    """
    return _ADDRESS.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    address, scheme = found[0], found[1].lower()
    if scheme in ("http", "https"):
        address = _USER.sub(f"{HIDDEN}@", address)
    address = _PASSWORD.sub(rf"\1:{HIDDEN}@", address)
    if scheme in ("rtmp", "rtmps"):
        address = _STREAM_KEY.sub(rf"\1{HIDDEN}", address)
    return address if scheme in ("s3", "file") else _VALUE.sub(rf"\1{HIDDEN}", address)  # in their names ? is a letter


def without_secrets(address: str) -> str:
    """An http or https address without user, password, signature and fragment; any other text as it is.

    A parameter that may hold a secret and may say which object is meant, such as `token` or `key`, has a hash in the
    place of its value: equal for equal values, and of no use to who reads it. So two addresses of one object that were
    signed at different times give the same, and those of two objects do not.

    >>> without_secrets("https://me:word@host/a.mp4?id=7&Expires=9&Signature=ab")
    'https://host/a.mp4?id=7'
    >>> without_secrets("https://host/get?key=a.mp4")
    'https://host/get?key=~f964350ef714'
    """
    if not re.match("https?://", address, re.IGNORECASE):
        return address
    whole, question, query = address.partition("#")[0].partition("?")
    whole = _USER.sub("", whole)
    parts = query.split("&")
    of_azure = any(part.lower().startswith("sig=") for part in parts)
    kept = []
    for part in parts:
        name, equals, value = part.partition("=")
        if _SIGNATURE.fullmatch(name) or (of_azure and _OF_AZURE.fullmatch(name)):
            continue
        if equals and _SECRET.fullmatch(name) and not _HASH.fullmatch(value):
            kept.append(f"{name}=~{sha256(f'{whole} {part}'.encode()).hexdigest()[:12]}")
        else:
            kept.append(part)
    return whole + (question + "&".join(kept) if any(kept) else "")


@contextmanager
def masked_errors() -> Iterator[None]:
    """What is raised within goes on with masked texts, and so does all that it goes back to: for who stores errors."""
    try:
        yield
    except BaseException as error:
        seen: set[int] = set()
        todo: list[BaseException | None] = [error]
        while todo:
            one = todo.pop()
            if one is not None and id(one) not in seen:
                seen.add(id(one))
                one.args = tuple(masked(part) if isinstance(part, str) else part for part in one.args)
                todo += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        raise
