"""A native process whose command runs inside of another workload, container or process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.fingerprint import fingerprint
from reconciler.model.desired import Desired, ProcessPayload, Sealed
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.runtimes.process.runtime import ProcessRuntime
from tests.scenarios.documents import box, native
from tests.scenarios.stage import Stage, eventually

SAY = ("sh", "-c", 'echo "$WORD $RECONCILER_INDEX in $(cat /etc/hostname)"; readlink /proc/self/ns/mnt; exit 3')


def within(stage: Stage, name: str, *command: str, index: int) -> Desired:
    env = {"WORD": Sealed("keyed", b"hush"), "RECONCILER_INDEX": str(index), "PATH": os.environ["PATH"]}
    payload = ProcessPayload(command=command, inside=f"service/{stage.namespace}/{name}", env=env)
    key = Key("campaign", stage.namespace, "runs", index)
    return Desired(key=key, runtime="process", payload=payload, fingerprint=fingerprint(payload), owner=stage.owner)


def test_a_command_inside_is_a_process_of_ours(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stage.environment.items():
        monkeypatch.setenv(name, value)
    stage.apply(box("boxed"), native("native"))
    runtime = ProcessRuntime(str(stage.home), stage.owner)
    wanted = [within(stage, name, *SAY, index=number) for number, name in enumerate(["boxed", "native"])]
    for one in wanted:
        runtime.create(one)

    def ended() -> list[Observed] | None:
        found = sorted((o for o in runtime.observe().objects if o.key and o.key.kind == "campaign"), key=lambda o: o.id)
        return found if len(found) == 2 and all(one.phase is Phase.EXITED for one in found) else None

    found = eventually(ended, "both have ended")
    logs = {one.key.index: b"".join(runtime.logs(one)).decode() for one in found}
    assert [one.exit_code for one in found] == [3, 3], logs
    hostname = stage.container("boxed")["Config"]["Hostname"]
    assert logs[0].startswith(f"hush 0 in {hostname}")
    assert logs[1].endswith(f"{Path('/proc/self/ns/mnt').readlink()}\n"), "the native one is on the host"
    assert str(Path("/proc/self/ns/mnt").readlink()) not in logs[0]
    for one in found:
        assert (
            b"hush"
            not in (stage.home / "processes" / f"{stage.namespace}.runs.{one.key.index}" / "labels.json").read_bytes()
        )
        runtime.remove(one)
