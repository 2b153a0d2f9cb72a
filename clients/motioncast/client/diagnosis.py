"""Finds out why no server responds at an address, with plain sockets after connecting failed.

proxy -> name -> connection -> certificates -> what speaks there
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from motioncast.client.credentials import Tls
from motioncast.client.errors import ConnectError, ConnectReason
from motioncast.wire.addresses import host_of, is_loopback

_PROBE_SECONDS: Final = 2.0  # for each probe
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_HEAD: Final = b"HEAD / HTTP/1.1\r\nHost: motioncast\r\nConnection: close\r\n\r\n"
_HTTP2_SETTINGS: Final = 4  # the type of the first frame that an HTTP/2 server sends
_TLS_ALERT: Final = 0x15
_EXPIRED: Final = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED
_WRONG_NAME: Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
_CLIENT_REFUSED: Final = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE")  # in alerts
_TLS: Final[tuple[ConnectReason, str]] = (
    "tls",
    "the port speaks TLS, this connection is plain text (use the tls argument or --tls-ca)",
)
_NO_CLIENT_CERTIFICATE: Final[tuple[ConnectReason, str]] = (
    "client_certificate",
    "the server closes the connection after the TLS handshake: it requires a client certificate"
    " that it trusts (tls certificate and key; --tls-cert, --tls-key)",
)
_DEFAULT_PORT: Final = 443  # gRPC's own
_SCHEMES: Final = ("dns", "ipv4", "ipv6")  # of gRPC's addresses; all others contain slashes
_PROXIES: Final = ("grpc_proxy", "https_proxy", "http_proxy")  # in gRPC's order
_EXCEPTIONS: Final = ("no_grpc_proxy", "no_proxy")


def connect_error(target: str, waited_seconds: float, tls: Tls | None = None) -> ConnectError:
    """Returns why no server responds; takes some seconds at most.

    Args:
        target: The address, as it was given to gRPC.
        waited_seconds: How long connecting was tried.
        tls: How the connection was encrypted.
    """
    reason, why = _cause(target, tls)
    sentence = f"no server answers at {target} (waited {waited_seconds:g} s): {why}"
    return ConnectError(sentence, reason=reason)


def proxy_of(target: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Returns the proxy that gRPC uses for an address, and the variable that sets it."""
    for name in _PROXIES:
        if environment.get(name):
            break
    else:
        return None
    host = host_of(target)
    exceptions = next((environment[n] for n in _EXCEPTIONS if environment.get(n)), "")
    if any(_excepts(entry.strip(), host) for entry in exceptions.split(",")):
        return None
    return environment[name], name


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text[:6]) < 65536


def _cause(target: str, tls: Tls | None) -> tuple[ConnectReason, str]:
    if target.startswith(("unix:", "unix-abstract:", "vsock:")):
        return "silent", "no server listens on that socket"
    if target.startswith(("http://", "https://")):
        plain = target.partition("//")[2].rstrip("/")
        return "name", f"an address is HOST:PORT, without http://: use {plain}"
    name, _, port_text = target.partition(":")
    if name not in _SCHEMES and port_text and ":" not in port_text and not _is_port(port_text):
        return "name", f"{port_text!r} is not a port: an address is HOST:PORT"
    if not is_loopback(target) and (proxy := proxy_of(target, os.environ)):
        return "proxy", _ask_proxy(target, *proxy)
    host, port = host_of(target), _port_of(target)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return "name", f"the name {host!r} does not resolve"
    refused = False
    for family, _, _, _, address in found:
        try:
            if tls is not None and (wrong := _wrong_with_tls(family, address, host, tls)):
                return wrong
            said = [_asked(family, address, question) for question in (_PREFACE, _HEAD)]
        except ConnectionRefusedError:
            refused = True
        except OSError:
            continue
        else:
            if tls is None and not any(said) and _speaks_tls(family, address):
                return _TLS
            return _speaks(said[0], said[1], tls)
    if refused:
        return "refused", f"the connection is refused, nothing listens on port {port} there"
    return "unreachable", "cannot connect: a firewall blocks it, or the host is down"


def _speaks(to_preface: bytes, to_head: bytes, tls: Tls | None) -> tuple[ConnectReason, str]:
    """Identifies the protocol at a port by its replies to HTTP/2's preface and a HTTP/1 HEAD."""
    if to_preface[:1] == bytes([_TLS_ALERT]):
        if tls is not None:
            return "silent", "the port speaks TLS, but does not respond to gRPC"
        return _TLS
    if len(to_preface) >= 4 and to_preface[3] == _HTTP2_SETTINGS:
        if tls is not None:
            return "plain_text", "the port speaks plain text, this connection uses TLS"
        return "silent", "the port speaks HTTP/2, but does not answer calls in time"
    if to_head.startswith(b"HTTP/"):
        version = to_head[:8].decode("ascii", "replace")
        why = f"the port speaks {version}, not gRPC; the orchestrator's default gRPC port"
        return "http", f"{why} is 50050"
    return "silent", "the connection is accepted, but the port does not respond to gRPC"


def _wrong_with_tls(
    family: int, address: Any, host: str, tls: Tls
) -> tuple[ConnectReason, str] | None:
    """Returns what is wrong with the certificates; None if the problem is something else."""
    context = tls.context()
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PROBE_SECONDS)
        connection.connect(address)
        try:
            with context.wrap_socket(connection, server_hostname=host) as secure:
                secure.sendall(_PREFACE)
                if not secure.recv(9):  # closed without a message, as gRPC does
                    return _NO_CLIENT_CERTIFICATE
        except ssl.SSLCertVerificationError as error:
            return _certificate(error, host)
        except ssl.SSLError as error:
            if any(word in (error.reason or "") for word in _CLIENT_REFUSED):
                return _NO_CLIENT_CERTIFICATE
        except ConnectionError:
            return _NO_CLIENT_CERTIFICATE
        except OSError:
            pass
    return None


def _speaks_tls(family: int, address: Any) -> bool:
    """Returns whether a port that is silent in plain text speaks TLS, with any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PROBE_SECONDS)
        try:
            connection.connect(address)
            with context.wrap_socket(connection):
                return True
        except OSError:
            return False


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> tuple[ConnectReason, str]:
    if error.verify_code in _EXPIRED:
        return "expired", "the server's certificate has expired or is not yet valid"
    if error.verify_code in _WRONG_NAME:
        return "wrong_name", f"the server's certificate is not valid for the name {host}"
    return "untrusted", (
        "the server's certificate is not signed by a trusted authority (tls ca; --tls-ca)"
    )


def _asked(family: int, address: Any, question: bytes) -> bytes:
    """Returns the reply to a question on a new connection; OSError if there is none."""
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PROBE_SECONDS)
        connection.connect(address)
        return _answer(connection, question, 9)


def _ask_proxy(target: str, proxy: str, variable: str) -> str:
    """Describes the proxy's reply to the request that gRPC sends it."""
    at = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    shown = f"{at.hostname}:{at.port or 80}"
    way = f"the connection goes through the proxy {shown} ({variable})"
    past = f"no_proxy={host_of(target)} bypasses it"
    try:
        with socket.create_connection(
            (unquote(at.hostname or ""), at.port or 80), _PROBE_SECONDS
        ) as connection:
            request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
            line = _answer(connection, request.encode(), 256).partition(b"\r\n")[0]
    except (OSError, ValueError):
        return f"{way}, which does not answer; {past}"
    said = line.decode("ascii", "replace").partition(" ")[2]
    if said.startswith("200"):
        return f"{way}, which connects, but nothing responds to gRPC; {past}"
    return f"{way}, which responds {said or 'nothing'!r}; {past}"


def _answer(connection: socket.socket, question: bytes, size: int) -> bytes:
    """Returns the first bytes of the other side's reply, `size` or a little more at most."""
    answer = b""
    with contextlib.suppress(OSError):
        connection.settimeout(_PROBE_SECONDS)
        connection.sendall(question)
        while len(answer) < size and (part := connection.recv(256)):
            answer += part
    return answer


def _port_of(target: str) -> int:
    port = target.rpartition(":")[2]
    return int(port) if port.isdecimal() and int(port) < 65536 else _DEFAULT_PORT


def _excepts(entry: str, host: str) -> bool:
    if not entry:
        return False
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    return host.lower().endswith(entry.lower().lstrip("*"))
