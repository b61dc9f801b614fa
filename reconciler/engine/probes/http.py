"""Just as much HTTP as a probe needs: one GET, no redirects, one deadline for all of it, a bounded read."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

from reconciler.values import dataclass

READ_BYTES = 64 * 1024
DRAIN_SECONDS = 0.1
"""For the body, once the headers are here: hanging up in the middle would fill the server's log with complaints."""


class Unanswered(Exception):
    """There was a connection, and no HTTP came of it."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    reason: str
    body: bytes
    """As much of it as came in time."""


def get(
    address: tuple[str, int], path: str, until: float, *, tls: bool = False, headers: Mapping[str, str] | None = None
) -> Response:
    """`until` is on the monotonic clock. Raises TimeoutError, ConnectionRefusedError, another OSError, Unanswered."""
    with connect(address, until) as plain:
        line = _encrypted(plain, until) if tls else plain
        try:
            line.sendall(_request(address, path, headers or {}))
            head, body = _read_head(line, until)
            status, reason = _status_of(head)
            return Response(status, reason, _first_part(head, _read_body(line, head, body, until)))
        except (ConnectionResetError, BrokenPipeError) as error:
            raise Unanswered("the connection was closed without an answer") from error
        finally:
            line.close()


def connect(address: tuple[str, int], until: float) -> socket.socket:
    return socket.create_connection(address, timeout=_left(until))


def _left(until: float) -> float:
    """Never 0, which would mean: don't block."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _encrypted(plain: socket.socket, until: float) -> socket.socket:
    """Any certificate will do: a probe asks whether it works, not who it is."""
    import ssl  # noqa: PLC0415 -- slow to load, and few need it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    plain.settimeout(_left(until))
    try:
        return context.wrap_socket(plain)
    except ssl.SSLError as error:
        raise Unanswered(f"TLS failed: {error.reason or error}") from error


def _request(address: tuple[str, int], path: str, headers: Mapping[str, str]) -> bytes:
    host, port = address
    fields = {
        "Host": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "User-Agent": "reconciler-probe",
        "Accept": "*/*",
        "Connection": "close",
    }
    given = {_one_line(name).title(): _one_line(value) for name, value in headers.items()}
    lines = [f"GET {_escaped(path)} HTTP/1.1", *(f"{name}: {value}" for name, value in {**fields, **given}.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _one_line(text: str) -> str:
    return "".join(char for char in text if char >= " " and char != "\x7f")


def _escaped(path: str) -> str:
    return "".join(chr(byte) if 0x20 < byte < 0x7F else f"%{byte:02X}" for byte in path.encode())


def _read_head(line: socket.socket, until: float) -> tuple[bytes, bytes]:
    """The headers, and what of the body came along with them."""
    read = b""
    while b"\r\n\r\n" not in read and b"\n\n" not in read:
        if len(read) >= READ_BYTES:
            raise Unanswered(f"more than {READ_BYTES // 1024} KiB and still no end of the headers")
        line.settimeout(_left(until))
        chunk = line.recv(16 * 1024)
        if not chunk:
            said = f" after {read[:100]!r}" if read else " without an answer"
            raise Unanswered(f"the connection was closed{said}")
        read += chunk
        if not b"HTTP/".startswith(read[:5]):
            raise Unanswered(f"this is no HTTP: {read[:100]!r}")
    end = b"\r\n\r\n" if b"\r\n\r\n" in read else b"\n\n"
    head, _, body = read.partition(end)
    return head, body


def _status_of(head: bytes) -> tuple[int, str]:
    version, _, rest = head.splitlines()[0].decode("latin-1").partition(" ")
    status, _, reason = rest.strip().partition(" ")
    if not version.startswith("HTTP/") or len(status) != 3 or not status.isdecimal():
        raise Unanswered(f"this is no HTTP: {head[:100]!r}")
    return int(status), reason.strip()


def _read_body(line: socket.socket, head: bytes, body: bytes, until: float) -> bytes:
    """Until it ends, or enough came, or time is up: its status has been told, nothing more can go wrong."""
    until = min(until, time.monotonic() + DRAIN_SECONDS)
    expected = min(_length(head), READ_BYTES)
    try:
        while len(body) < expected:
            line.settimeout(_left(until))
            chunk = line.recv(16 * 1024)
            if not chunk:
                return body
            body += chunk
    except OSError:
        return body
    return body


def _length(head: bytes) -> int:
    length = _field(head, b"content-length")
    return int(length) if length.isdigit() and len(length) < 10 else READ_BYTES


def _field(head: bytes, name: bytes) -> bytes:
    for line in head.splitlines()[1:]:
        label, _, value = line.partition(b":")
        if label.strip().lower() == name:
            return value.strip()
    return b""


def _first_part(head: bytes, body: bytes) -> bytes:
    """Of a chunked body the first chunk, which is enough for an excerpt."""
    if _field(head, b"transfer-encoding").lower() != b"chunked":
        return body
    size, _, rest = body.partition(b"\r\n")
    try:
        return rest[: int(size.partition(b";")[0], 16)]
    except ValueError:
        return body
