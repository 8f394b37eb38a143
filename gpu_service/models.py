"""The models of this host: what their short names stand for, what they are, and each in memory once.

Settings name a model by a short name (`yolo_model: boards`); which file that is, the host decides, never a request.
`use` is called once at the start: by `python -m gpu_service` with what `--models` says, in a Dagster process by the
inference resource. How a model is run is in its engine's file in `routines/`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from pydantic import Field

from gpu_service.distribution import install_command
from gpu_service.errors import BadInput, MissingEngine
from gpu_service.pictures import Image
from gpu_service.settings import Settings

M = TypeVar("M")

HUB = "hub:"
"""Before a name of the Hugging Face hub, `hub:owner/name` or `hub:owner/name@revision`, in place of a path."""
PACKAGE = "package:"
"""Before a place within an installed Python package that carries a model, `package:name/folder`."""


class ModelFiles(Settings):
    """What short names stand for on this host, and what computes."""

    files: dict[str, str] = Field(
        default_factory=dict,
        description="short name -> path of a file or folder, hub:owner/name[@revision] for a hub model, or "
        "package:name/folder for one that a Python package carries",
    )
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="device; auto: the GPU if there is one"
    )


VARIANTS_KEPT = 4
"""Of a model that is loaded in several ways, by the number of its threads for one, which requests may choose."""

_host = ModelFiles()
_guard = threading.Lock()
_locks: dict[tuple[str, str], threading.Lock] = {}
_held: dict[tuple[str, str], tuple[str, Any]] = {}
_hashes: dict[Path, tuple[int, int, str]] = {}
_snapshots: dict[str, Path] = {}


def use(host: ModelFiles) -> None:
    """Set what this process knows of models. What is in memory stays there."""
    global _host
    _host = host


def parse_files(text: str) -> dict[str, str]:
    """`boards=/models/boards.pt,reader=/models/rec`, or the same as a JSON object.

    Raises:
        BadInput: it is neither.
    """
    if text.strip().startswith("{"):
        try:
            given = json.loads(text)
        except ValueError as error:
            raise BadInput(f"The list of models is not JSON: {error}.") from error
        if not all(isinstance(path, str) for path in given.values()):
            raise BadInput('The list of models must be names and paths: {"boards": "/models/boards.pt"}.')
        return {str(name): str(path) for name, path in given.items()}
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(name.strip() and path.strip() for name, _, path in pairs):
        raise BadInput("The list of models must be NAME=PATH,NAME=PATH", f"it is {text!r}")
    return {name.strip(): path.strip() for name, _, path in pairs}


def find(name: str, setting: str) -> Path:
    """The file or folder of a model. A model of the hub is fetched, if it is not here yet.

    Args:
        name: the short name.
        setting: what the user would change, for the message.

    Raises:
        MissingEngine: no model has this name here, or there is nothing where it should be.
    """
    if not name:
        raise MissingEngine("No model is chosen", f"set `{setting}` to a model of the host ({_known()})")
    if name not in _host.files:
        raise MissingEngine(
            f"This host has no model `{name}`, which `{setting}` requests ({_known()})",
            "start it with --models NAME=PATH, or set INFERENCE_MODELS",
        )
    where = _host.files[name]
    if where.startswith(HUB):
        return _snapshot(name, where.removeprefix(HUB))
    path = _in_package(name, where.removeprefix(PACKAGE)) if where.startswith(PACKAGE) else Path(where)
    if not path.exists():
        raise MissingEngine(
            f"The model `{name}`, which `{setting}` requests, is not at the path in "
            "the host's --models (or INFERENCE_MODELS)",
            "correct the path",
        )
    return path


def _in_package(name: str, place: str) -> Path:
    package_name, _, inner = place.partition("/")
    spec = importlib.util.find_spec(package_name) if package_name.isidentifier() else None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise MissingEngine(
            f"The package {package_name!r}, which carries the model `{name}`, is not installed on this host",
            "install it, or give the model's path in --models (or INFERENCE_MODELS)",
        )
    return Path(folders[0]) / inner


def _known() -> str:
    return f"known: {', '.join(sorted(_host.files))}" if _host.files else "known: none"


def _snapshot(name: str, repository: str) -> Path:
    if repository not in _snapshots:
        hub = package("huggingface_hub", f"the model `{name}` of the hub", "torch")
        owner_and_name, _, revision = repository.partition("@")
        try:
            folder = hub.snapshot_download(owner_and_name, revision=revision or None)
        except Exception as error:
            raise MissingEngine(
                f"The model `{name}` cannot be fetched from the hub as {owner_and_name}: {one_line(error)}",
                "give a path in --models (or INFERENCE_MODELS) where there is no network",
            ) from error
        _snapshots[repository] = Path(folder)
    return _snapshots[repository]


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of all names and files in a folder, in hex. Files are read again only when they changed."""
    if not path.is_dir():
        return _file_hash(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.relative_to(path).as_posix()} {_file_hash(file)}\n".encode())
    return whole.hexdigest()


def _file_hash(file: Path) -> str:
    stat = file.stat()
    known = _hashes.get(file)
    if known and known[:2] == (stat.st_mtime_ns, stat.st_size):
        return known[2]
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    _hashes[file] = stat.st_mtime_ns, stat.st_size, digest
    return digest


def load(kind: str, name: str, setting: str, make: Callable[[Path], M]) -> M:
    """The model of this name, made by `make` from its path at the first call, by one thread.

    It is made anew if its files change.

    Args:
        kind: the engine, and behind a space what else tells its models apart; equal files of two kinds are two models.

    Raises:
        MissingEngine: see `find`; or the files are not a model that the engine can use.
    """
    path = find(name, setting)
    key = kind, str(path)
    with _guard:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        seal = fingerprint(path)
        held = _held.get(key)
        if held and held[0] == seal:
            model: M = held[1]
            _hold(kind, str(path), seal, model)
            return model
        try:
            model = make(path)
        except MissingEngine:
            raise
        except Exception as error:
            raise MissingEngine(
                f"The model `{name}`, which `{setting}` requests, cannot be loaded by the engine "
                f"`{kind.partition(' ')[0]}`: "
                f"{one_line(error)}."
            ) from error
        _hold(kind, str(path), seal, model)
        return model


def _hold(kind: str, path: str, seal: str, model: object) -> None:
    """Keep the model, and of its engine's others at this path those that were used last."""
    with _guard:
        _held.pop((kind, path), None)
        _held[kind, path] = seal, model
        variants = [key for key in _held if key[1] == path and key[0].partition(" ")[0] == kind.partition(" ")[0]]
        for key in variants[:-VARIANTS_KEPT]:
            del _held[key]


def identity(name: str, setting: str) -> str:
    """The model's name and the beginning of its hash."""
    return f"{name}:{fingerprint(find(name, setting))[:16]}"


def package(module: str, what: str, extra: str) -> ModuleType:
    """A package that only some engines need.

    Raises:
        MissingEngine: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _not_installed(module, what, extra, f" ({one_line(error)})") from error


def version(distribution: str, what: str, extra: str) -> str:
    """Name and version of a package, without importing it.

    Raises:
        MissingEngine: it is not installed; the message names the extra.
    """
    try:
        return f"{distribution}-{importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise _not_installed(distribution, what, extra, "") from error


def _not_installed(package_name: str, what: str, extra: str, why: str) -> MissingEngine:
    what = what[0].upper() + what[1:]
    return MissingEngine(
        f"{what} needs the package {package_name}, which cannot be used on this host{why}",
        f"install it with `{install_command(extra)}`, or choose another engine",
    )


def torch_device() -> str:
    """`cuda:0`, `cpu` and the like, for torch.

    Raises:
        MissingEngine: a GPU is asked for and torch sees none.
    """
    torch = package("torch", "the device", "torch")
    here = bool(torch.cuda.is_available())
    if _host.device == "auto":
        return "cuda:0" if here else "cpu"
    if _host.device.startswith("cuda") and not here:
        raise MissingEngine("--device (or INFERENCE_DEVICE) requests a GPU, but torch finds none", "set auto or cpu")
    return _host.device


def pil_picture(image: Image) -> Any:
    """The picture as Pillow has it, in RGB: what transformers takes without guessing which axis is which."""
    pillow = package("PIL.Image", "this engine", "torch")
    return pillow.fromarray(np.ascontiguousarray(image[..., ::-1]))


def wants_gpu() -> bool:
    """Whether an engine that sees a GPU may use it."""
    return _host.device != "cpu"


def one_line(error: Exception) -> str:
    """The first line of an error's text, without its full stop, at most 300 characters."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")[:300]
