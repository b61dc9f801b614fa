"""A repository behind a server that is slow, cut off, or lies: what came only half is nothing at all."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.kinds.source import Git
from tests.engine.following import KEY, Following, service
from tests.engine.repositories import CLEAN, Repository

ENDLESS = 1 << 40


@dataclass
class Server:
    """`git http-backend` behind a socket. `cut` is after how many bytes of an answer the line is dropped."""

    root: Path
    cut: int = ENDLESS
    redirect: str = ""
    sizes: list[int] = field(default_factory=list)
    port: int = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.redirect:
            request.send_response(302)
            request.send_header("Location", self.redirect)
            request.end_headers()
            return
        path, _, query = request.path.partition("?")
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        environment = {
            **CLEAN, "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": request.command, "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        request.send_response(int(status.split()[0]))
        for name, value in fields:
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command == "POST":
            self.sizes.append(len(content))
            content = content[: self.cut]
        request.wfile.write(content)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    it = Server(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            it.answer(self)
            self.close_connection = True

        do_POST = do_GET  # noqa: N815 -- as the library calls it

        def log_message(self, *_: object) -> None:
            """It talks to nobody."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield it
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def stage(tmp_path: Path, server: Server) -> Following:
    return Following(tmp_path, directory="", git=Git(url=f"http://127.0.0.1:{server.port}/repo/.git"), verify="none")


def test_B6_a_server_is_followed(stage: Following, repo: Repository) -> None:
    repo.commit(web=service("web"))
    assert stage.follow() == "Synced", stage.message()
    repo.commit(web=service("web", "web:2"))
    stage.clock.sleep(60)
    assert stage.follow() == "Synced"
    assert stage.thing("shop-web-0").made_from == "web:2"


def test_F44_cut_at_any_kilobyte_nothing_of_it_comes_into_force(
    stage: Following, repo: Repository, server: Server
) -> None:
    repo.commit(web=service("web"))
    assert stage.follow() == "Synced"
    (repo.path / "noise").write_bytes(os.urandom(6000))
    repo.commit(web=service("web", "web:2"))
    cuts = 0
    for cut in range(0, 9000, 1024):
        server.cut = cut
        stage.clock.sleep(600)
        if stage.follow() == "Synced":
            break
        cuts += 1
        assert stage.reason() in {"Unreachable", "Refused"}, cut
        assert stage.thing("shop-web-0").made_from == "web:1", cut
        assert not list((stage.feeds.folder(KEY) / "mirror.git").glob("objects/pack/tmp_*")), cut
    assert cuts >= 5
    server.cut = ENDLESS
    stage.clock.sleep(600)
    assert stage.follow() == "Synced"
    assert stage.thing("shop-web-0").made_from == "web:2"


@pytest.mark.parametrize("where", ["file:///etc", "ext::sh -c id", "http://127.0.0.1:1/x"])
def test_a_redirection_leads_no_further_than_the_web(stage: Following, server: Server, where: str) -> None:
    server.redirect = where
    assert stage.follow() in {"Unreachable", "Refused"}


def test_F44_a_server_that_is_gone_leaves_everything_as_it_is(
    stage: Following, repo: Repository, server: Server
) -> None:
    repo.commit(web=service("web"))
    stage.follow()
    server.root = server.root / "nowhere"
    for _ in range(3):
        stage.clock.sleep(600)
        assert stage.follow() == "Unreachable"
    assert stage.objects() == ["shop-web-0"]
