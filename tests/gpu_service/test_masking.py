from __future__ import annotations

import pytest

from gpu_service.errors import BadInput, TransientError
from gpu_service.masking import masked, masked_errors, without_secrets

MASKED = {
    "empty": ("", ""),
    "no address": ("me:word@host and token=1", "me:word@host and token=1"),
    "user and password": ("http://me:word@host:80/a", "http://***@host:80/a"),
    "a user alone, who may be a token": ("https://ghp_1@host/a", "https://***@host/a"),
    "an @ in the password": ("http://me:w@rd@host", "http://***@host"),
    "a database keeps its user": ("postgresql+psycopg2://mpr:word@db/mpr", "postgresql+psycopg2://mpr:***@db/mpr"),
    "a database without a password": ("postgresql://USER@HOST/NAME", "postgresql://USER@HOST/NAME"),
    "a password of a database in its query": ("postgresql://db/mpr?password=word", "postgresql://db/mpr?password=***"),
    "S3": ("https://b/k?X-Amz-Credential=c&X-Amz-Date=d&x-amz-signature=s&v=1", "https://b/k?X-Amz-Credential=***"
           "&X-Amz-Date=***&x-amz-signature=***&v=1"),
    "Azure": ("https://b/k?sv=1&sp=r&sig=s%3D", "https://b/k?sv=1&sp=r&sig=***"),
    "CloudFront": ("https://b/k?Expires=1&Signature=s&Key-Pair-Id=K", "https://b/k?Expires=***&Signature=***"
                   "&Key-Pair-Id=***"),
    "a token": ("https://h/a?access_token=t#x", "https://h/a?access_token=***#x"),
    "a key": ("https://h/a?key=k&api_key=k", "https://h/a?key=***&api_key=***"),
    "names that are like it": ("https://h/a?keyframe=1&monkey=2&list=3", "https://h/a?keyframe=1&monkey=2&list=3"),
    "a key of S3 with a question mark": ("s3://b/what?token=1.mp4", "s3://b/what?token=1.mp4"),
    "in quotes": ("'http://a:b@h', \"http://c:d@i\" `x`", "'http://***@h', \"http://***@i\" `x`"),
    "several": ("http://a:b@h,http://c:d@i", "http://***@h,http://***@i"),
}  # fmt: skip


@pytest.mark.parametrize("case", MASKED)
def test_what_is_shown(case: str) -> None:
    text, shown = MASKED[case]
    assert masked(text) == shown
    assert masked(shown) == shown


STORED = {
    "a path": ("/data/a?token=1.mp4", "/data/a?token=1.mp4"),
    "a key": ("s3://b/a?token=1.mp4", "s3://b/a?token=1.mp4"),
    "nothing secret": ("https://h/get?id=7&st=10", "https://h/get?id=7&st=10"),
    "user and password": ("https://me:word@h:8/a.mp4", "https://h:8/a.mp4"),
    "signed for S3": ("https://b/a.mp4?X-Amz-Date=1&versionId=2&X-Amz-Signature=s", "https://b/a.mp4?versionId=2"),
    "signed by Azure": ("https://b/a.mp4?sv=1&st=2&se=3&sr=b&sp=r&sig=s", "https://b/a.mp4"),
    "a fragment": ("https://h/a.mp4#access_token=t", "https://h/a.mp4"),
    "a token": ("https://h/a.mp4?token=t&id=7", "https://h/a.mp4?token=~69530807f50b&id=7"),
}


@pytest.mark.parametrize("case", STORED)
def test_what_is_stored(case: str) -> None:
    address, stored = STORED[case]
    assert without_secrets(address) == stored
    assert without_secrets(stored) == stored


def test_objects_that_a_secret_parameter_tells_apart_stay_apart() -> None:
    one, other = (without_secrets(f"https://me:word@h/get?key={name}") for name in ("a.mp4", "b.mp4"))
    assert one != other
    assert one == without_secrets("https://h/get?key=a.mp4"), "a password changes nothing of it"


def test_an_error_is_masked_from_the_start() -> None:
    error = BadInput("http://me:word@h is away", "see http://me:word@h/health", where="http://me:word@h")
    assert str(error) == "http://***@h: http://***@h is away; see http://***@h/health."
    assert (error.what, error.remedy, error.where) == (
        "http://***@h is away", "see http://***@h/health", "http://***@h",
    )  # fmt: skip


def test_what_an_error_goes_back_to_is_masked_too() -> None:
    def fail() -> None:
        try:
            raise ExceptionGroup("several", [OSError("http://me:word@h/a?sig=s")])
        except ExceptionGroup as group:
            raise TransientError("It is away") from group

    with pytest.raises(TransientError) as raised, masked_errors():
        fail()
    cause = raised.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert str(cause.exceptions[0]) == "http://***@h/a?sig=***"
