"""What tests need from the machine, brought up by itself: a container engine of their own and images for it.

    python -m tests.rig run [--engine podman] -- CMD...

An engine that answers already (DOCKER_HOST, else the default socket) is used as it is. Otherwise, as root, CMD runs
in fresh network, mount and process namespaces with a dockerd of its own, or a Podman: published ports meet native
processes on one loopback, nothing is seen from outside, and the kernel ends every process when the namespace's first
one ends. Without root CMD runs as it is, and tests that need an engine say that they were skipped.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from tests import podman
from tests.engine_api import Engine
from tests.image import ensure_images

PREFIX = "reconciler-rig."
ENGINES = {"docker": {"dockerd": "docker.io"}, "podman": podman.PACKAGES}
"""The programs that each is made of, and Debian's packages that hold them."""
PACKAGES = {
    "iptables": "iptables",
    "ip": "iproute2",
    "busybox": "busybox-static",
    "unshare": "util-linux",
    "sshd": "openssh-server",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
}
SETTINGS = {"default-address-pools": [{"base": "10.96.0.0/12", "size": 24}]}
"""Of its own accord an engine has room for thirty networks, fewer than tests that run at once may make."""
SHORT_LIVED = Path("/tmp/rig")
"""Where tests have their directories: a name that leaves room for a socket's. Each rig lays its own memory over it, so
outside it stays, and stays empty.
"""
UNTIDY = {"GOGC": "400"}
"""An engine's every deed starts programs that live for a moment, and need not collect garbage in it."""
START_SECONDS = 30.0
STOP_SECONDS = 10.0


def main(arguments: list[str]) -> int:
    match arguments:
        case ["run", "--engine", kind, "--", *command] if command and kind in ENGINES:
            return run(kind, command)
        case ["run", "--", *command] if command:
            return run("docker", command)
        case ["inside", kind, directory, lifeline, "--", *command]:
            return inside(kind, Path(directory), int(lifeline), command)
        case _:
            say(f"usage: python -m tests.rig run [--engine {'|'.join(ENGINES)}] -- COMMAND...")
            return 2


def run(kind: str, command: list[str]) -> int:
    if (engine := Engine.reachable()) is not None and kind in {"docker", engine.kind}:
        say(f"using the engine at {engine.address}")
        if os.geteuid() == 0 and shutil.which("apt-get"):
            install_missing(PACKAGES)
        ensure_images(engine)
        return replace_by(command, {"RECONCILER_TEST_ENGINE": "shared"})
    if os.geteuid() != 0:
        return unprivileged(kind, command)
    install_missing(PACKAGES | ENGINES[kind])
    sweep_stale()
    return run_privately(kind, command)


def unprivileged(kind: str, command: list[str]) -> int:
    """A run that is about Podman alone is left out; others have much that needs no engine."""
    say(f"no {kind} answers, and only root can start one: what needs it is skipped")
    if kind == "docker":
        return replace_by(command, {})
    return int(kind in os.environ.get("RECONCILER_REQUIRE", "").split(","))


def replace_by(command: list[str], environment: dict[str, str]) -> int:
    os.environ.update(environment)
    os.execvp(command[0], command)


def install_missing(packages: Mapping[str, str]) -> None:
    """Debian's own packages; nothing is done when all programs are there."""
    missing = sorted({package for program, package in packages.items() if shutil.which(program) is None})
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    with nothing_started():
        for attempt in (["apt-get", "update", "-q"], install):
            subprocess.run(attempt, check=True, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)


@contextlib.contextmanager
def nothing_started(policy: Path = Path("/usr/sbin/policy-rc.d")) -> Iterator[None]:
    """Debian starts what it has installed. A test must not open this machine to the world by installing an sshd."""
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


# -- outside the namespaces: start, wait, clean up


def run_privately(kind: str, command: list[str]) -> int:
    with held_directory() as directory:
        try:
            return wait_for_inner(kind, directory, command)
        finally:
            clear(directory)


def wait_for_inner(kind: str, directory: Path, command: list[str]) -> int:
    """The inner side holds the other end of a pipe: when we are gone, for whatever reason, it ends too."""
    lifeline, ours = os.pipe()
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    again = [sys.executable, "-m", "tests.rig", "inside", kind, str(directory), str(lifeline), "--", *command]
    inner = subprocess.Popen([*namespaces, *again], pass_fds=[lifeline])
    os.close(lifeline)

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            os.close(ours)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the whole group: the command ends by itself
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hang_up)
    return inner.wait()


@contextlib.contextmanager
def held_directory() -> Iterator[Path]:
    """A lock in the directory says that its rig lives. It gets its name once it is locked, so that nobody who sweeps
    meanwhile takes it for a stale one.
    """
    unnamed = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir="/tmp"))
    with (unnamed / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield unnamed.rename(unnamed.with_name(unnamed.name.removeprefix(".")))


def sweep_stale() -> None:
    """Takes away what a rig that was killed with -9 has left."""
    for directory in Path("/tmp").glob(f"{PREFIX}*"):
        with contextlib.suppress(BlockingIOError, FileNotFoundError), (directory / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            clear(directory)


def clear(directory: Path) -> None:
    for cgroup in cgroups(directory):
        for path in sorted([cgroup, *(p for p in cgroup.rglob("*") if p.is_dir())], reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()
    shutil.rmtree(directory, ignore_errors=True)


def cgroups(directory: Path) -> list[Path]:
    root = Path("/sys/fs/cgroup")
    names = [directory.name, *podman.cgroups(directory)]
    return [found for name in names for found in (*root.glob(name), *root.glob(f"*/{name}"))]


# -- inside: the first process of its namespace


def inside(kind: str, directory: Path, lifeline: int, command: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(lifeline)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    in_memory(SHORT_LIVED)
    with engine_in(kind, directory) as engine:
        ensure_images(engine)
        environment = os.environ | {
            "PYTEST_DEBUG_TEMPROOT": str(SHORT_LIVED),
            "DOCKER_HOST": engine.address,
            "DOCKER_CONFIG": str(directory / "client"),
            "RECONCILER_TEST_ENGINE": "private",
        }
        environment.pop("DOCKER_CONTEXT", None)
        child = subprocess.Popen(command, env=environment, preexec_fn=usual_signals)  # noqa: PLW1509 -- no threads hold locks yet
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        return reap_until(child.pid)


def in_memory(place: Path) -> None:
    """What is written here ends with the namespace. No disk is waited for or searched for free inodes."""
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", place], check=True)


def usual_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def end_with(lifeline: int) -> None:
    def watch() -> None:
        os.read(lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_SECONDS)
        os._exit(1)  # the command had its time; the kernel takes the rest of the namespace along

    threading.Thread(target=watch, daemon=True).start()


def reap_until(pid: int) -> int:
    """We are everybody's parent of last resort here: orphans that nobody reaps would look alive."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


@contextlib.contextmanager
def engine_in(kind: str, directory: Path) -> Iterator[Engine]:
    with (directory / "engine.log").open("wb") as log:
        address, argv, environment = podman.service(directory) if kind == "podman" else dockerd(directory)
        daemon = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=environment,
            cwd=directory,  # Podman drops files where it stands
        )
    try:
        yield answering(Engine(address), daemon, directory / "engine.log")
    finally:
        daemon.kill()  # not politely: it would give leaked containers their grace, and they end with us anyway
        thaw(directory)


def thaw(directory: Path) -> None:
    """Who is frozen can't even be killed, and the namespace waits for its last process."""
    for cgroup in cgroups(directory):
        for place, _, files in os.walk(cgroup):  # which minds none that goes away meanwhile
            if "freezer.state" in files:
                with contextlib.suppress(OSError):
                    Path(place, "freezer.state").write_text("THAWED")


def dockerd(directory: Path) -> tuple[str, list[str], dict[str, str]]:
    """Where it will answer, its command, and the environment of that."""
    address = f"unix://{directory}/docker.sock"
    (directory / "daemon.json").write_text(json.dumps(SETTINGS))
    in_memory(directory / "data")
    in_memory(directory / "exec")
    options = {
        "config-file": directory / "daemon.json",
        "data-root": directory / "data",
        "exec-root": directory / "exec",
        "pidfile": directory / "pid",
        "host": address,
        "cgroup-parent": f"/{directory.name}",
        "exec-opt": "native.cgroupdriver=cgroupfs",
    }
    return address, ["dockerd", *(f"--{name}={value}" for name, value in options.items())], os.environ | UNTIDY


def answering(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> Engine:
    deadline = time.monotonic() + START_SECONDS
    while not engine.answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise SystemExit(f"rig: the test engine did not start:\n{tail}")
        time.sleep(0.02)
    return engine


def say(text: str) -> None:
    print(f"rig: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
