"""A decoder that crashes, hangs or takes too much gives a sentence, and nothing else happens."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gpu_service.errors import BadInput, MprError, PermanentError, TransientError
from mpr_resources.media import fence
from mpr_resources.media.fence import fenced
from mpr_resources.media.fenced_reading import probed
from mpr_resources.media.probe import probe
from mpr_resources.media.sources import LocalFile, Sources
from tests.clips import write_numbered
from tests.mpr_resources.media import broken_decoders as broken

HARMFUL = "; it is damaged, or made to harm: copy it again or convert it to MP4."


@pytest.mark.parametrize("numbers", [0, 1, 3])
def test_what_the_function_gives_comes_in_order(numbers: int) -> None:
    assert list(fenced(int, broken.count, numbers)) == list(range(numbers))


Broken = tuple[Callable[[], Iterator[int]], type[MprError], str]
BROKEN: dict[str, Broken] = {
    "a sentence of ours": (
        lambda: fenced(int, broken.fail, broken.mpr_error(BadInput)),
        BadInput,
        "a.mp4: The file is odd; leave it out.",
    ),
    "one that may be tried again": (
        lambda: fenced(int, broken.fail, broken.mpr_error(TransientError)),
        TransientError,
        "a.mp4: The file is odd; leave it out.",
    ),
    "an error of the decoder's": (
        lambda: fenced(int, broken.fail, UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")),
        BadInput,
        "a.mp4 cannot be decoded (UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid "
        "start byte)" + HARMFUL,
    ),
    "a crash": (lambda: fenced(int, broken.crash), BadInput, "Decoding a.mp4 ended the decoder (SIGSEGV)" + HARMFUL),
    "an abort": (
        lambda: fenced(int, broken.end_by, int(signal.SIGABRT)),
        BadInput,
        "Decoding a.mp4 ended the decoder (SIGABRT)" + HARMFUL,
    ),
    "killed, as the system does": (
        lambda: fenced(int, broken.end_by, int(signal.SIGKILL)),
        TransientError,
        "Decoding a.mp4 was ended from outside (SIGKILL), as where memory runs out; run again.",
    ),
    "too much memory": (
        lambda: fenced(int, broken.devour),
        BadInput,
        "a.mp4 cannot be decoded (MemoryError: more than 8 GB)" + HARMFUL,
    ),
    "too much memory for a header": (
        lambda: fenced(int, broken.devour_as_it_opens),
        BadInput,
        "a.mp4 cannot be decoded (MemoryError: more than 2 GB as it opens)" + HARMFUL,
    ),
    "no number": (
        lambda: fenced(int, broken.give_text),
        BadInput,
        "Decoding the file gave what it should not (ValidationError)" + HARMFUL,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_decoder_gives_a_sentence(name: str) -> None:
    call, kind, sentence = BROKEN[name]
    with pytest.raises(kind) as refused:
        list(call())
    assert type(refused.value) is kind
    assert str(refused.value) == sentence
    assert list(fenced(int, broken.count, 2)) == [0, 1]


def test_one_that_hangs_is_ended_and_one_that_gets_on_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    list(fenced(int, broken.count, 1))  # it has started
    monkeypatch.setattr(fence, "STILL_S", 1.7)
    assert list(fenced(int, broken.hang, True)) == [1]
    with pytest.raises(BadInput, match=r"^Decoding a\.mp4 got no further for 2 s; it is damaged, or made to harm"):
        list(fenced(int, broken.hang, False))


def test_a_process_is_used_again_and_one_that_was_broken_off_is_not() -> None:
    [first] = fenced(int, broken.process_number)
    assert list(fenced(int, broken.process_number)) == [first]
    assert first != os.getpid()
    numbers = fenced(int, broken.count, 10**9)
    assert next(numbers) == 0
    numbers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert list(fenced(int, broken.process_number)) != [first]


def test_relative_paths_begin_where_it_is_asked_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert list(fenced(str, broken.working_folder)) == [str(folder)]
    folder.rmdir()
    assert list(fenced(int, broken.count, 1)) == [0]


def test_two_at_once_have_a_process_each() -> None:
    numbers = fenced(int, broken.count, 2)
    assert next(numbers) == 0
    assert list(fenced(int, broken.count, 2)) == [0, 1]
    assert list(numbers) == [1]


def test_it_writes_no_file_and_what_it_prints_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(MprError, match=r"ended the decoder \(SIGXFSZ\)|File too large"):
        list(fenced(int, broken.write, tmp_path / "x"))
    assert list(fenced(int, broken.print_and_count)) == [1]


def test_an_error_of_another_package_keeps_its_kind(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"gone\.mp4 does not exist; check the path\."):
        probed(LocalFile(tmp_path / "gone.mp4"))


def test_a_probe_is_the_same_behind_the_fence(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_numbered(path, 10, fps=10)
    assert probed(Sources().at(str(path))) == probe(path)
