"""Addresses for editors, letter by letter."""

from __future__ import annotations

import json

import pytest

from reconciler.cli.reach.editor import engine_of, in_container, on_machine
from reconciler.cli.reach.workspace import of
from reconciler.kinds.host import SshAccess
from reconciler.kinds.service import ServiceSpec
from reconciler.kinds.workload import Container, Process, VolumeMount

NAMED = '{"containerName":"/shop-box-0","settings":'


def test_R11_a_container_of_the_usual_engine_goes_by_its_name() -> None:
    told = in_container("shop-box-0", "/workspaces/shop")
    assert told == "vscode-remote://attached-container+73686f702d626f782d30/workspaces/shop"


@pytest.mark.parametrize(
    ("where", "settings"),
    [({"context": "far"}, '{"context":"far"}}'), ({"host": "tcp://far:2376"}, '{"host":"tcp://far:2376"}}')],
)
def test_R11_a_container_of_another_engine_goes_by_its_name_and_the_engines(where: dict, settings: str) -> None:
    told = in_container("shop-box-0", "/", **where)
    authority, slash, _ = told.removeprefix("vscode-remote://attached-container+").partition("/")
    assert slash
    assert bytes.fromhex(authority).decode() == NAMED + settings
    assert json.loads(bytes.fromhex(authority))["containerName"] == "/shop-box-0"


def test_R11_paths_are_written_as_addresses_are() -> None:
    assert in_container("a", "/my work/ü").endswith("+61/my%20work/%C3%BC")
    assert on_machine("/srv/my work") == "file:///srv/my%20work"
    far = SshAccess(host="far", user="anna")
    assert on_machine("/srv/shop", far) == "vscode-remote://ssh-remote+anna@far/srv/shop"
    assert engine_of(far, "") == "ssh://anna@far"
    other = SshAccess(host="Far", port=2222)
    named = on_machine("/", other).removeprefix("vscode-remote://ssh-remote+").rstrip("/")
    assert json.loads(bytes.fromhex(named)) == {"hostName": "Far", "port": 2222}, "what an address has no room for"
    assert engine_of(SshAccess(host="fd00::1", port=2222), "/run/x.sock") == "ssh://[fd00::1]:2222/run/x.sock"


def test_R17_the_workspace_is_the_working_directory_or_what_is_mounted_where_editors_look() -> None:
    mount = VolumeMount(host_path="/home/me/shop", mount_path="/workspaces/shop")
    other = VolumeMount(host_path="/data", mount_path="/data")
    assert of(ServiceSpec(container=Container(image="a", working_dir="/app"), volumes=(mount,))) == "/app"
    assert of(ServiceSpec(container=Container(image="a"), volumes=(other, mount))) == "/workspaces/shop"
    assert of(ServiceSpec(container=Container(image="a"), volumes=(other,))) == ""
    assert of(ServiceSpec(process=Process(command=("a",), working_dir="/srv"))) == ""
