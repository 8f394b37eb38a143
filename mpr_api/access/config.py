"""What the person who runs the API decides: address, tokens, origins, what may be registered, limits.

Read from the environment in `from_environ` alone, which the command calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpu_service.errors import BadInput
from gpu_service.host.callers import is_loopback
from mpr_resources.environment import project_folder, state_folder

TOKEN, READ_TOKEN = "MPR_API_TOKEN", "MPR_API_READ_TOKEN"
ORIGINS, ROOTS = "MPR_API_ORIGINS", "MPR_SOURCE_ROOTS"
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8100


@dataclass(frozen=True)
class ApiConfig:
    """How the API is served.

    Attributes:
        host: the address that it listens at.
        token: opens everything; empty: nobody is asked for one, and only this machine may ask at all.
        read_token: opens what changes nothing; empty: there is none.
        origins: pages of other servers whose scripts may ask, like https://tools.example.
        media_url: the folder or bucket that uploads go to and new media come from.
        roots: folders and beginnings of addresses (s3://bucket/, https://host/) that sources may be in.
        body_bytes: of a request at most, uploads apart.
        upload_folder: where uploads lie until they are whole.
        upload_bytes: of an uploaded file at most.
        replays_per_s, uploads_per_s: of one client, over some time.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str = ""
    read_token: str = ""
    origins: tuple[str, ...] = ()
    media_url: str = ""
    roots: tuple[str, ...] = ()
    body_bytes: int = 8 * 2**20
    upload_folder: str = ""
    upload_bytes: int = 200 * 2**30
    replays_per_s: float = 30.0
    uploads_per_s: float = 10.0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> ApiConfig:
        """As the environment says; checked.

        Raises:
            BadInput: it listens beyond this machine without a token, or a token cannot be one.
        """
        media_url = environ.get("MPR_MEDIA_URL") or str(state_folder() / "media")
        default_roots = [media_url, *([str(project_folder())] if project_folder() else [])]
        return cls(
            host=host,
            port=port,
            token=_token(environ, TOKEN),
            read_token=_token(environ, READ_TOKEN),
            origins=tuple(_list(environ.get(ORIGINS, ""))),
            media_url=media_url,
            upload_folder=str(state_folder() / "uploads"),
            roots=tuple(_list(environ.get(ROOTS, "")) or default_roots),
        ).checked()

    def checked(self) -> ApiConfig:
        """This, when it may be served so.

        Raises:
            BadInput: it may not.
        """
        if not self.token and not is_loopback(self.host):
            raise BadInput(
                f"At {self.host} anybody in the network could use the API",
                f"set {TOKEN} to a long random text, or leave --host out",
            )
        if self.read_token and not self.token:
            raise BadInput(f"{READ_TOKEN} is set and {TOKEN} is not", f"set {TOKEN} too")
        if self.token and self.token == self.read_token:
            raise BadInput(f"{TOKEN} and {READ_TOKEN} are the same", "choose different ones")
        for origin in self.origins:
            scheme, _, rest = origin.partition("://")
            if scheme not in ("http", "https") or not rest or "/" in rest or "*" in rest:
                raise BadInput(f"{origin!r} in {ORIGINS} is not an origin", "write it like https://tools.example")
        return self


def root_folder(root: str) -> Path | None:
    """The folder that a root is; None: it is the beginning of an address."""
    return None if "://" in root and not root.startswith("file://") else Path(root.removeprefix("file://")).expanduser()


def _token(environ: Mapping[str, str], variable: str) -> str:
    token = environ.get(variable, "")
    if not token.isascii() or any(character.isspace() for character in token):
        raise BadInput(f"{variable} holds more than ASCII letters, digits and signs", "choose another token")
    return token


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
