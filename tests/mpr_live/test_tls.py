"""Streams that are pulled within TLS: taken in where the server's certificate holds, else refused with a sentence."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mpr_live.sources.reading import Reading
from tests.gpu_service.live import free_port
from tests.mpr_live.servers import clip_at, live, payloads, rtsp, taken, web
from tests.mpr_live.test_pulled import LIST

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_at(tmp_path_factory.mktemp("tls") / "clip.ts")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, `ca.pem`, and a certificate that it signed for this machine, `server.pem`."""
    folder = tmp_path_factory.mktemp("authority")
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("authority", HOST)]
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    for at, (name, key) in enumerate(zip(names, keys, strict=True)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[0])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(since + datetime.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=at == 0, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        )
        if at == 0:
            usage = dict.fromkeys(
                ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                 "crl_sign", "encipher_only", "decipher_only"), False,
            )  # fmt: skip
            builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
        pem = builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (folder / ("ca.pem", "server.pem")[at]).write_bytes(pem)
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.key").write_bytes(private)
    return folder


@contextmanager
def encrypted(authority: Path, port: int) -> Iterator[int]:
    """A port at which a server's port is reached within TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    listener = socket.create_server((HOST, 0))

    def pump(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(connection, server_side=True) as client,
            socket.create_connection((HOST, port), 5) as server,
        ):
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join(5)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


@contextmanager
def served(kind: str, authority: Path, clip: Path) -> Iterator[str]:
    """The address of a server of this kind that has the clip."""
    if kind == "https":
        with web() as pages, encrypted(authority, int(pages.address.rpartition(":")[2])) as port:
            pages.has("/a.m3u8", f"{LIST}#EXTINF:2,\n0.ts\n#EXT-X-ENDLIST\n".encode())
            pages.has("/0.ts", clip.read_bytes())
            yield f"https://{HOST}:{port}/a.m3u8"
    elif kind == "rtsps":
        with (
            rtsp(clip.read_bytes()) as address,
            encrypted(authority, int(address.rpartition(":")[2].partition("/")[0])) as port,
        ):
            yield f"rtsps://{HOST}:{port}/camera"
    else:
        behind = free_port()
        address = f"rtmp://{HOST}:{behind}/live/one"
        command = ["ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", "-f", "flv", "-listen", "1", address]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server, encrypted(authority, behind) as port:
            yield f"rtmps://{HOST}:{port}/live/one"
            server.kill()


KINDS = ("https", "rtmps", "rtsps")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_whose_authority_is_trusted_is_read(
    kind: str, authority: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPR_LIVE_HOSTS", HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    with served(kind, authority, clip) as address:
        found = taken(Reading(live(), address, None), most=len(payloads(clip)) - 1)
    assert len(found.openings[-1]) >= len(payloads(clip)) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_whose_certificate_does_not_hold_is_refused_with_a_sentence(
    kind: str, authority: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPR_LIVE_HOSTS", HOST)
    with served(kind, authority, clip) as address:
        found = taken(Reading(live(), address, None))
    assert found.openings == []
    assert found.error.startswith(f"The certificate of {HOST}:")
    assert found.error.endswith(
        "does not hold (unable to get local issuer certificate); name the file of the authority that signed it in "
        "SSL_CERT_FILE, if it is to be trusted."
    )
