"""Who runs as somebody else on another host: with whatever changes users there, by the shell here, without a wire."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import Denied, Refused
from reconciler.model.desired import Desired, Sealed, Stop
from reconciler.runtimes.remote import accounts, scripts
from tests.contract.elsewhere import Elsewhere
from tests.waiting import until

pytestmark = pytest.mark.root

TELLS = 'id -un; id -G; echo $HOME $USER $PATH; cat "$FILE"; echo over; exec sleep 1000'
NOBODY = "nobody"
UNPRIVILEGED = "id() { if [ $# = 1 ]; then echo 7; else echo 8; fi; }"


@pytest.fixture
def there(namespace: str) -> Iterator[Elsewhere]:
    """In a place that is open to all."""
    if os.geteuid() != 0:
        pytest.skip("only root changes users")
    home = Path(tempfile.mkdtemp(prefix="open.", dir="/var/tmp"))
    home.chmod(0o755)
    made = Elsewhere(home / "state", namespace)
    yield made
    for thing in made.runtime.observe().objects:
        made.runtime.stop(thing, Stop("KILL", 0))
        made.runtime.remove(thing)
    shutil.rmtree(home)


def telling(there: Elsewhere, **more: str) -> Desired:
    file = there.path_inside(there.desired(), "key")
    env = {"FILE": file, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    return there.desired(command=("sh", "-c", TELLS), env=env, files={"key": Sealed("digest", b"hush\n")}, **more)


@pytest.mark.parametrize("way", ["setpriv", "chroot", "su"])
def test_H1_a_process_there_runs_as_another_user_and_reaches_its_files(
    there: Elsewhere, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way != "setpriv":
        ways = {"chroot": "setpriv() { :; }\n", "su": "setpriv() { :; }\nchroot() { :; }\n"}
        monkeypatch.setattr(accounts, "BECOMING", ways[way] + accounts.BECOMING)
    if way == "su":
        programs = there.home.parent / "bin"
        programs.mkdir(mode=0o755)
        subprocess.run([shutil.which("busybox") or "busybox", "--install", "-s", programs], check=True)
        monkeypatch.setenv("PATH", str(programs))
    desired = telling(there, user=NOBODY)
    there.runtime.prepare(desired)
    seen = there.made(desired)
    log = there.place(desired) / "log"
    until(lambda: log.exists() and log.read_text().endswith("over\n"))
    name, groups, surroundings, content, _ = log.read_text().splitlines()
    assert (name, content) == (NOBODY, "hush")
    assert "0" not in groups.split(), "nothing of root's is left to it"
    assert surroundings.split()[1:] == [NOBODY, "/usr/local/bin:/usr/bin:/bin"]
    assert Path(f"/proc/{seen.pid}/status").read_text().split("Uid:")[1].split()[0] == str(uid()), "it is its own pid"
    there.runtime.stop(seen, Stop("TERM", 5))
    assert there.see(desired).exit_code == 143  # type: ignore[union-attr]


def uid() -> int:
    return int(subprocess.check_output(["id", "-u", NOBODY]))


def test_H21_why_somebody_cannot_be_become_is_said_before_anything_is_stopped(
    there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match="there is no user 'no-such-user' on local"):
        there.runtime.prepare(telling(there, user="no-such-user"))
    with pytest.raises(Refused, match="is no user's name"):
        there.runtime.prepare(telling(there, user="$(id)"))
    there.home.parent.chmod(0o700)
    with pytest.raises(Denied, match=f"user {NOBODY} can't reach its files on local, for {there.home} is closed to it"):
        there.runtime.prepare(telling(there, user=NOBODY))
    there.home.parent.chmod(0o755)
    for told, fault in (("becoming() { return 1; }", "nothing on local can start"), (UNPRIVILEGED, "only root")):
        monkeypatch.setattr("reconciler.runtimes.remote.runtime.CHECK", _with(told))
        with pytest.raises(Refused, match=fault):
            there.runtime.prepare(telling(there, user=NOBODY))


def _with(told: str) -> str:
    return f"{scripts.COMMON}{accounts.BECOMING}{told}\n{accounts.CHECK.removeprefix(accounts.BECOMING)}{scripts.CHECK}"
