"""What is declared is written down for others, and can be taken up again from there."""

from __future__ import annotations

import pytest
import yaml

from tests.scenarios.documents import box, config, native, secret, volume
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.engine


def test_a_namespace_that_went_out_as_a_compose_file_comes_back_unchanged(stage: Stage) -> None:
    specs = [
        box(
            "web", env={"COLOUR": "blue"}, dependsOn=["db"], volumes=[{"config": "app", "mountPath": "/etc/app"}],
            restart={"policy": "OnFailure"},
        ),
        box("db", volumes=[{"volume": "data", "mountPath": "/data"}]),
        volume("data"), config("app", **{"app.ini": "a = $b"}), secret("key", value="hunter2"),
    ]  # fmt: skip
    stage.apply(*specs)
    told = stage.cli("export", "compose", "--strict")
    assert "hunter2" not in told.out + told.err
    exported = stage.directory / "compose.yaml"
    exported.write_text(told.out)
    assert yaml.safe_load(told.out) == stage.cli("export", "compose", "-o", "json").json
    assert stage.diff(exported, expect=None).actions == [], "all is as the file says"

    stage.apply(native("worker"))
    told = stage.cli("export", "compose", "--strict", expect=1)
    assert "left out: service/worker: process" in told.err
    assert "# left out: service/worker: process" in told.out
    assert stage.cli("export", "compose", "db").out.count("image:") == 1

    trees = list(yaml.safe_load_all(stage.cli("export", "kubernetes", "--secrets").out))
    assert {tree["kind"] for tree in trees} == {"Deployment", "ConfigMap", "Secret", "PersistentVolumeClaim"}
    assert stage.cli("export", "kubernetes", "-o", "json").json["kind"] == "List"
    assert "not found" in stage.cli("export", "compose", "nobody", expect=1).err
