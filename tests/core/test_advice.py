"""What a person is told to look at first, from what an instance shows of itself."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.advice import advice, command_line, without_key
from reconciler.kinds.service import Container, Process, ServiceSpec
from reconciler.kinds.workload import Resources
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase

WEB = Key("service", "shop", "web")
EXITED, CREATED = Phase.EXITED, Phase.CREATED


def seen(phase: Phase, **more: Any) -> Observed:
    return Observed(
        id="1", name="shop-web-0", kind="service", runtime="docker", key=WEB.instance(0), phase=phase, **more
    )


def container(**more: Any) -> ServiceSpec:
    return ServiceSpec(container=Container(image="i", **more.pop("container", {"command": ("run",)})), **more)


def told(spec: ServiceSpec, thing: Observed | None, reason: str = "CrashLoop", message: str = "", **more: Any) -> str:
    return advice(WEB, reason, message, spec, thing, **more)


def test_who_ran_out_of_memory_is_told_which_limit_to_raise() -> None:
    killed = seen(EXITED, exit_code=137, detail="OOM killed")
    assert "raise resources.memory (it has 64Mi)" in told(container(resources=Resources(memory="64Mi")), killed)
    assert "it has no limit of its own" in told(container(), killed)


@pytest.mark.parametrize(
    "said",
    [
        'starting container shop-web-0 (1): "nosuch": executable file not found in $PATH',
        'starting container shop-web-0 (1): "/nosuch": stat /nosuch: no such file or directory',
        'starting container shop-web-0 (1): "/etc/passwd": permission denied',
    ],
)
def test_a_program_that_the_image_lacks_points_at_the_command(said: str) -> None:
    assert "container.command" in told(container(), seen(CREATED), message=said)
    assert "container.command" in told(container(), seen(CREATED, detail=said))
    assert "container.command" not in told(container(), seen(EXITED, exit_code=1), message=said), "it ran"


def test_a_mount_that_is_not_there_is_no_matter_of_the_command() -> None:
    said = 'error mounting "/x" to rootfs at "/y": mount "/x": no such file or directory'
    assert told(container(), seen(CREATED), "Refused", said) == ""


def test_an_image_without_a_command_that_stays_lacks_keep_alive() -> None:
    bare, ended = container(container={}), {"exit_code": 0, "started_at": 1.0, "finished_at": 1.2}
    assert "keepAlive is missing" in told(bare, seen(EXITED, **ended))
    assert "keepAlive" not in told(container(), seen(EXITED, **ended)), "it has a command"
    assert "keepAlive" not in told(bare, seen(EXITED, **{**ended, "finished_at": 99.0})), "it lived"
    assert "keepAlive" not in told(bare, seen(EXITED, **{**ended, "exit_code": 1})), "it failed"


def test_last_lines_are_named_only_where_there_are_any() -> None:
    spec, ended = ServiceSpec(process=Process(command=("run",))), seen(EXITED, exit_code=4)
    assert "its last lines say why" in told(spec, ended, silent=False)
    assert "writes nothing" in told(spec, ended, silent=True)
    assert told(spec, ended) == "", "nobody looked"


def test_who_failed_for_good_is_told_how_to_run_it_again() -> None:
    assert "reconciler restart web -n shop" in told(container(), seen(EXITED, exit_code=3), "Failed")


def test_a_probe_that_gives_up_is_not_the_logs_fault() -> None:
    assert "its probe" in told(container(), seen(Phase.RUNNING), message="liveness probe has failed", silent=True)


def test_commands_are_for_a_shell_to_read() -> None:
    assert command_line(WEB, "why") == "reconciler why web -n shop"
    assert command_line(Key("volume", "default", "data"), "delete", "--volumes") == (
        "reconciler delete volume/data --volumes"
    )
    assert command_line(Key("service", "default", "a b;rm"), "why") == "reconciler why 'a b;rm'"


def test_a_name_that_stands_before_the_message_is_said_once() -> None:
    assert without_key("service/shop/web/0: no", WEB) == "no"
    assert without_key("service/shop/web/0: no", WEB.instance(0)) == "no"
    assert without_key("service/shop/webs/0: no", WEB) == "service/shop/webs/0: no"
