"""A namespace as manifests of Kubernetes, by their values."""

from __future__ import annotations

import base64
from typing import Any

import yaml

from reconciler.core.unparse import to_yaml
from reconciler.exporting.kubernetes import kubernetes
from reconciler.exporting.sheet import Sheet, sheet
from tests.exporting.shop import JOBS, NATIVE, SHOP, graph


def manifests(page: Sheet) -> dict[tuple[str, str], dict[str, Any]]:
    trees = kubernetes(page)
    assert all(yaml.safe_load(to_yaml(tree)) == tree for tree in trees)
    assert {tree["metadata"]["namespace"] for tree in trees} == {"shop"}
    return {(tree["kind"], tree["metadata"]["name"]): tree for tree in trees}


def test_each_service_is_a_deployment_and_a_service_with_what_it_needs() -> None:
    found = manifests(sheet(graph()))
    assert set(found) == {
        ("Deployment", "web"), ("Service", "web"), ("Deployment", "api"), ("Service", "api"), ("Deployment", "db"),
        ("ConfigMap", "settings"), ("ConfigMap", "nginx"), ("Secret", "db"), ("Secret", "tls"),
        ("PersistentVolumeClaim", "data"),
    }  # fmt: skip
    assert found["Service", "web"]["spec"] == {
        "selector": {"app.kubernetes.io/name": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": 80, "protocol": "TCP"}],
    }
    web = found["Deployment", "web"]["spec"]
    assert web["replicas"] == 2
    assert web["template"]["metadata"]["labels"] == web["selector"]["matchLabels"]
    assert found["Deployment", "db"]["spec"]["strategy"] == {"type": "Recreate"}, "two would write to one claim"


def test_a_pod_is_made_of_what_the_container_was_made_of() -> None:
    pod = manifests(sheet(graph()))["Deployment", "web"]["spec"]["template"]["spec"]
    assert pod["hostAliases"] == [{"ip": "10.0.0.5", "hostnames": ["db2"]}]
    assert pod["terminationGracePeriodSeconds"] == 4
    inside = pod["containers"][0]
    assert inside["args"] == ["nginx", "-g", "daemon off; $x"]
    assert {one["name"]: one["value"] for one in inside["env"]} == {
        "LOG": "debug", "PRICE": "5$", "UPSTREAM": "http://api:3000/v1", "DB_HOST": "db",
        "API_HOST": "api", "API_PORT": "3000", "API_ADDR": "api:3000", "API_URL": "http://api:3000",
    }  # fmt: skip
    assert inside["envFrom"] == [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "db"}}]
    assert inside["resources"] == {"limits": {"cpu": "0.5", "memory": "256Mi"}}
    assert inside["securityContext"] == {"runAsUser": 1000, "runAsGroup": 1000, "capabilities": {"add": ["NET_ADMIN"]}}
    assert inside["readinessProbe"]["exec"] == {"command": ["/bin/sh", "-c", "test -e $HOME/up"]}
    mounts = {one["mountPath"]: one["name"] for one in inside["volumeMounts"]}
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert volumes[mounts["/run/tls"]]["secret"] == {"secretName": "tls", "defaultMode": 0o400}
    assert volumes[mounts["/www"]]["hostPath"] == {"path": "/srv/www"}
    assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"


def test_values_of_secrets_are_variables_unless_they_are_asked_for() -> None:
    assert manifests(sheet(graph()))["Secret", "db"]["stringData"] == {"PASSWORD": "${DB_PASSWORD}"}
    revealed = manifests(sheet(graph(), reveal=True))["Secret", "db"]
    assert base64.b64decode(revealed["data"]["PASSWORD"]) == b"hunter2$$"


def test_what_a_cluster_has_no_word_for_is_told() -> None:
    page = sheet(graph(SHOP + NATIVE))
    assert ("Deployment", "worker") not in manifests(page)
    told = {(left.key.short, left.field) for left in page.lefts}
    assert told >= {
        ("service/worker", "process"), ("service/web", "ports.http.hostPort"), ("service/web", "volumes.hostPath"),
        ("service/web", "resources.pids"), ("service/web", "dependsOn"), ("network/back", ""), ("volume/data", ""),
        ("service/asker", "probes.readiness.log"), ("service/web", "stop.signal"), ("volume/old", "external"),
    }  # fmt: skip


def test_a_job_is_a_job_and_one_with_a_schedule_a_cron_job() -> None:
    found = manifests(sheet(graph(SHOP + JOBS)))
    migrate = found["Job", "migrate"]["spec"]
    assert (migrate["backoffLimit"], migrate["activeDeadlineSeconds"]) == (2, 91)
    assert migrate["template"]["spec"]["restartPolicy"] == "Never"
    assert migrate["template"]["spec"]["containers"][0]["args"] == ["migrate"]
    backup = found["CronJob", "backup"]["spec"]
    assert (backup["schedule"], backup["timeZone"]) == ("0 3 * * *", "Europe/Berlin")
    assert backup["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"] == "tool"
    assert not [kind for kind, name in found if name == "inside"]
