"""A registry that is just large enough to be pulled from, and that can be told to fail."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifest = b""
        self.failure = 0
        """A status with which every manifest is refused; 0 for none."""
        self.asked: list[str] = []
        self.hold: Callable[[str], None] = lambda path: None  # noqa: ARG005
        """What happens before a manifest is told of."""
        self.publish("one")

    def image(self, name: str) -> str:
        return f"127.0.0.1:{self.server_address[1]}/{name}:1"

    def publish(self, text: str) -> None:
        """One layer: busybox as a shell, and a file that says which version it is."""
        plain = _layer(text)
        layer = gzip.compress(plain, mtime=0)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["/sh"], "Env": ["PATH=/"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
            }
        ).encode()
        self.blobs |= {_digest(layer): layer, _digest(config): config}
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "size": len(config),
                    "digest": _digest(config),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "size": len(layer),
                        "digest": _digest(layer),
                    }
                ],
            }
        ).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if "/manifests/" in self.path:
            self.server.hold(self.path)
        if "/manifests/" in self.path and self.server.failure:
            code = {401: "UNAUTHORIZED", 403: "DENIED", 429: "TOOMANYREQUESTS"}.get(self.server.failure, "UNKNOWN")
            self._fail(self.server.failure, code)
        elif "/manifests/" in self.path and "/missing/" not in self.path:
            self._answer(200, self.server.manifest, MANIFEST)
        elif (blob := self.server.blobs.get(self.path.rpartition("/")[2])) is not None:
            self._answer(200, blob, "application/octet-stream")
        else:
            self._answer(200, b"{}") if self.path == "/v2/" else self._fail(404, "MANIFEST_UNKNOWN")

    def _fail(self, status: int, code: str) -> None:
        self._answer(status, json.dumps({"errors": [{"code": code, "message": "not today"}]}).encode())

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", _digest(body))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests say what went wrong; the requests are in `asked`."""


def _layer(text: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in (("sh", Path("/bin/busybox").read_bytes()), ("version", text.encode())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


@contextmanager
def serving() -> Iterator[Registry]:
    with Registry() as registry:
        thread = threading.Thread(target=registry.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield registry
        finally:
            registry.shutdown()
            thread.join()
