"""One namespace with nearly everything in it, as a graph."""

from __future__ import annotations

from pathlib import Path

from reconciler.core import ports
from reconciler.core.graph import Graph, graph_of
from reconciler.core.parse import Text, Translated, parse
from reconciler.core.render import render
from reconciler.core.world import World
from reconciler.model.desired import ContainerPayload
from tests.core.build import EMPTY, NOW

SHOP = Path(__file__).with_name("shop.yaml").read_text()
NATIVE = """
---
apiVersion: reconciler/v1
kind: Service
metadata: {name: worker}
spec: {process: {command: [work]}, ports: [{name: http}]}
---
apiVersion: reconciler/v1
kind: Service
metadata: {name: asker}
spec:
  container: {image: asker}
  env: {WHO: "${worker.addr}"}
  probes: {liveness: {httpGet: {port: http}}, readiness: {log: {pattern: up}}}
  ports: [{name: http, port: 80}]
  dependsOn: [worker]
"""
JOBS = """
---
apiVersion: reconciler/v1
kind: Job
metadata: {name: migrate}
spec: {container: {image: tool, command: [migrate]}, retries: 2, timeoutSeconds: 90.5, dependsOn: [db]}
---
apiVersion: reconciler/v1
kind: Job
metadata: {name: backup}
spec: {container: {image: tool, command: [backup]}, schedule: "0 3 * * *", timeZone: Europe/Berlin}
---
apiVersion: reconciler/v1
kind: Job
metadata: {name: inside}
spec: {in: service/db, command: ["true"]}
---
apiVersion: reconciler/v1
kind: Service
metadata: {name: app}
spec: {container: {image: app}, dependsOn: [{service: migrate, condition: Completed}]}
"""


def graph(text: str = SHOP, translated: list[Translated] | None = None, **environment: str) -> Graph:
    """Each secret sealed by its length: what it holds shows all the same, if it were to show."""
    texts = [Text("shop.yaml", text.encode(), "/")] if translated is None else []
    documents = parse(texts, environment=environment, namespace="shop", translated=translated or [])
    resources = [document.resource for document in documents]
    return graph_of("shop", resources, owner="me", seal=lambda value: value.decode())


def payloads(of: Graph) -> dict[str, ContainerPayload]:
    rendered = render(of, EMPTY, ports.assign(World(of, EMPTY, NOW), {}))
    assert not rendered.waits, rendered.waits
    found = {str(key): item.payload for key, item in rendered.desired.items()}
    return {name: payload for name, payload in found.items() if isinstance(payload, ContainerPayload)}
