"""Which hosts a session may be sent to, and connections to them.

An address comes from whoever may start a session, and a server may send on to another. So a name is resolved here, each
address that it stands for is looked at, and the connection goes to one that was looked at, not to the name again. Those
of this machine and of private networks are reached where `MPR_LIVE_HOSTS` lists them.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpx2

from gpu_service.errors import BadInput, TransientError

CONNECT_S = 10.0
HOSTS = "MPR_LIVE_HOSTS"
NAT64 = ipaddress.ip_network("64:ff9b::/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Reachable:
    """Says which addresses may be connected to. `names`: hosts that are trusted whatever they resolve to."""

    names: frozenset[str] = frozenset()
    networks: tuple[IpNetwork, ...] = ()
    resolve: Callable[..., Iterable[tuple[object, ...]]] = socket.getaddrinfo

    @classmethod
    def listed(cls, said: str | None = None) -> Reachable:
        """As `MPR_LIVE_HOSTS` lists them: names, addresses and networks, separated by commas.

        Raises:
            BadInput: it cannot be read.
        """
        parts = [one.strip() for one in (os.environ.get(HOSTS, "") if said is None else said).split(",")]
        names, networks = [], []
        for part in filter(None, parts):
            try:
                networks.append(ipaddress.ip_network(part.strip("[]"), strict=False))
            except ValueError:
                if "/" in part or ":" in part:
                    raise BadInput(
                        f"{HOSTS} lists {part!r}", "list names, addresses and networks, like camera.local,10.1.0.0/16"
                    ) from None
                names.append(part.lower())
        return cls(frozenset(names), tuple(networks))

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be connected to.

        Raises:
            BadInput: it has none but such as may not.
            TransientError: it is not known at present.
        """
        try:
            found = self.resolve(host, port, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise TransientError(
                f"The host {host} is not known ({getattr(error, 'strerror', None) or error})"
            ) from None
        all_of_it = list(dict.fromkeys(str(one[4][0]) for one in found))  # type: ignore[index]
        allowed = [one for one in all_of_it if host.lower() in self.names or self._may(one)]
        if not allowed:
            which = "" if host in all_of_it else f" ({', '.join(all_of_it)})"
            raise BadInput(
                f"{host}{which} is of this machine or of a private network, where no session is sent to by itself",
                f"list it in {HOSTS} if it is meant",
            )
        return allowed

    def connect(self, host: str, port: int, *, tls: bool = False) -> socket.socket:
        """A connection to a host that may be reached; `tls`: encrypted, with a certificate of that name.

        Raises:
            BadInput: it may not be reached, or its certificate does not hold.
            TransientError: nothing answers.
        """
        refused: OSError | None = None
        for address in self.addresses(host, port):
            try:
                connection = socket.create_connection((address, port), CONNECT_S)
                return _encrypted(connection, host) if tls else connection
            except ssl.SSLCertVerificationError as error:
                raise untrusted(host, port, error) from None
            except OSError as error:
                refused = error
        assert refused is not None
        raise TransientError(f"{host}:{port} does not answer ({refused.strerror or refused})") from None

    def _may(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        if any(address in network for network in self.networks):
            return True
        return all(one.is_global and not one.is_multicast for one in _meant(address))


def _meant(address: IpAddress) -> list[IpAddress]:
    """The addresses that packets to it may come to: itself, or one of IPv4 that is written within it."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address] if address.sixtofour is None else [address, address.sixtofour]


def trusted() -> ssl.SSLContext:
    """Whose certificates hold: what the machine trusts, or what `SSL_CERT_FILE` or `SSL_CERT_DIR` names instead."""
    return httpx2.create_ssl_context()


def untrusted(host: str, port: int, error: ssl.SSLCertVerificationError) -> BadInput:
    """What is said of a host whose certificate does not hold."""
    return BadInput(
        f"The certificate of {host}:{port} does not hold ({error.verify_message})",
        "name the file of the authority that signed it in SSL_CERT_FILE, if it is to be trusted",
    )


def _encrypted(connection: socket.socket, host: str) -> ssl.SSLSocket:
    try:
        return trusted().wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise
