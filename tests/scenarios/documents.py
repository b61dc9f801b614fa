"""Documents as values, so that a scenario can say in one line what it declares, and change one field of it."""

from __future__ import annotations

from typing import Any

from tests.scenarios.stage import IMAGE, Document

SLEEP = ("sleep", "100000")
SERVE = ("httpd", "-f", "-p", "80", "-h", "/www")


def document(kind: str, name: str, **spec: Any) -> Document:
    return {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def box(name: str, *command: str, container: dict[str, Any] | None = None, **spec: Any) -> Document:
    """A container that sleeps, unless told otherwise, and ends at once when it is asked to."""
    inside = {"image": IMAGE, "command": list(command or SLEEP), "init": True, **(container or {})}
    return document("Service", name, container=inside, **spec)


def server(name: str, **spec: Any) -> Document:
    """A container that serves HTTP on an automatic port, unless told otherwise."""
    return box(name, *SERVE, **{"ports": [{"name": "http", "port": 80}], **spec})


def native(name: str, *command: str, **spec: Any) -> Document:
    """A process that sleeps, unless told otherwise."""
    return document("Service", name, process={"command": list(command or SLEEP)}, **spec)


def native_server(name: str, **spec: Any) -> Document:
    """A process that serves HTTP on an automatic port, unless told otherwise."""
    serve = ("busybox", "httpd", "-f", "-p", "127.0.0.1:${ports.http}", "-h", "/")
    return native(name, *serve, **{"ports": [{"name": "http"}], **spec})


def shell(name: str, script: str, **spec: Any) -> Document:
    return native(name, "sh", "-c", script, **spec)


def config(name: str, **data: str) -> Document:
    return document("Config", name, data=data)


def secret(name: str, **data: str) -> Document:
    return document("Secret", name, data=data)


def volume(name: str, **spec: Any) -> Document:
    return document("Volume", name, **spec)


def network(name: str, **spec: Any) -> Document:
    return document("Network", name, **spec)


def changed(original: Document, **spec: Any) -> Document:
    """The same document with other fields in its spec."""
    return {**original, "spec": {**original["spec"], **spec}}
