from __future__ import annotations

import os
import shlex

import click

from reconciler.cli.context import Context
from reconciler.cli.verb import verb
from reconciler.errors import Denied, Refused, UsageError

EXAMPLES = """
reconciler init
reconciler init shop
"""
FILE = "reconciler.yaml"
STARTER = """\
# What should run on this machine. Nothing happens until you say: reconciler apply -f reconciler.yaml
# Every field is explained by: reconciler explain service
apiVersion: reconciler/v1
kind: Config
metadata:
  name: site
spec:
  data:
    index.html: |
      <h1>It works.</h1>
---
apiVersion: reconciler/v1
kind: Service
metadata:
  name: web
spec:
  # A native process: detached. The command is a list; no shell is involved.
  process:
    command: [python3, -m, http.server, --bind, 127.0.0.1, --directory, "${volumes.site}", "${ports.http}"]

  # Or a container. Then it is found by its name from other containers.
  # container:
  #   image: nginx:1.27

  ports:
    - name: http
      # port: 80                   # a container's port inside
      hostPort: "8080-8099"        # the first free one, and the same one ever after; a number, or auto
  volumes:
    - config: site                 # a change of the Config restarts the service
      # mountPath: /usr/share/nginx/html    # where it lies in a container
  probes:
    readiness:                     # `apply` waits for this, and so do services with dependsOn: [web]
      httpGet: {port: http, path: /}
"""


@verb("init", examples=EXAMPLES)
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
def command(context: Context, directory: str) -> None:
    """Write a starter spec that works."""
    if directory.endswith((".yaml", ".yml")):  # it would become a directory of that name
        raise UsageError(f"{directory} looks like a file; init takes a directory, and writes {FILE} there")
    path = os.path.normpath(os.path.join(directory, FILE))
    _write(directory, path)
    print(f"wrote {path}: a web server as a native process, and the page it shows\n", file=context.stdout)
    context.stdout.write(_next_steps(shlex.quote(path)))


def _next_steps(path: str) -> str:
    steps = (
        (f"diff -f {path}", "what would happen"),
        (f"apply -f {path}", "let it happen"),
        ("status", "see it"),
        (f"delete -f {path}", "take it away"),
    )
    room = max(len(command) for command, _ in steps)
    lines = [f"reconciler {command:<{room}}  {meaning}" for command, meaning in steps]
    return "next: " + "\n      ".join(lines) + "\n"


def _write(directory: str, path: str) -> None:
    """Created anew or not at all: what somebody wrote is never lost."""
    try:
        os.makedirs(directory, exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError:
        raise Refused(f"{path} is there already", hint="it stays as it is; name another directory") from None
    except OSError as error:
        raise Denied(f"{path}: {error.strerror}", hint="name a directory where you may write") from error
