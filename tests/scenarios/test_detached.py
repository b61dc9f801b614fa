"""Everything runs detached, outlives the terminal that started it, and is entered by exec, as often as one likes."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import reconciler
from tests.scenarios.documents import box, document, native, native_server, server
from tests.scenarios.stage import IMAGE, Document, Stage, eventually
from tests.scenarios.terminal import WHERE, terminal

pytestmark = pytest.mark.engine

Kind = Callable[..., Document]
KINDS = pytest.mark.parametrize("kind", [box, native], ids=["container", "process"])
KEPT_ALIVE = document("Service", "box", container={"image": IMAGE, "keepAlive": True, "init": True})


def test_K1_R1_what_a_terminal_started_outlives_the_terminal(stage: Stage) -> None:
    spec = stage.write(box("web"), native("worker"))
    with terminal(stage.argv("apply", "-f", str(spec)), stage.environment, stage.directory) as screen:
        assert screen.ends() == 0, screen.seen
        assert "service/web created" in screen.text
    assert stage.container("web")["State"]["Running"]
    worker = stage.process("worker")
    assert worker.alive
    assert worker.terminal == 0, "it has no terminal at all"
    assert stage.apply(spec).actions == []


def test_K1_R1_closing_the_terminal_in_the_middle_of_an_apply_harms_nothing_that_runs(stage: Stage) -> None:
    """SIGHUP comes while it waits for readiness."""
    never = {"readiness": {"exec": {"command": ["false"]}, "timeoutSeconds": 10, "failureThreshold": 1000}}
    spec = stage.write(box("web"), native("worker", probes=never))
    with terminal(stage.argv("apply", "-f", str(spec)), stage.environment, stage.directory) as screen:
        eventually(lambda: stage.process("worker"), "the process runs")
        eventually(lambda: stage.container("web")["State"]["Running"], "the container runs")
        screen.close()
        screen.program.wait(timeout=60)
    assert stage.process("worker").alive
    assert stage.container("web")["State"]["Running"]
    assert stage.apply(box("web"), native("worker")).actions == []


def test_K1_a_hang_up_and_an_interrupt_do_not_reach_native_processes(stage: Stage) -> None:
    spec = stage.write(native("worker"))
    running = stage.start_cli("apply", "-f", str(spec), "--timeout", "30")
    running.communicate(timeout=60)
    worker = stage.process("worker")
    assert worker.session not in {0, running.pid}
    assert stage.parent_of(worker).session != running.pid


def test_K24_on_a_terminal_progress_is_drawn_live_and_in_a_pipe_it_is_plain_lines(stage: Stage) -> None:
    spec = stage.write(server("web"), native("worker"))
    with terminal(stage.argv("apply", "-f", str(spec)), stage.environment, stage.directory) as screen:
        assert screen.ends() == 0, screen.seen
    assert "\x1b[" in screen.seen
    assert "service/worker created" in screen.text

    told = stage.cli("delete", "-f", str(spec))
    assert "\x1b" not in told.out + told.err
    assert "service/web  stopping" in told.err
    assert "service/web deleted" in told.out


def test_no_color_is_obeyed_on_a_terminal_too(stage: Stage) -> None:
    spec = stage.write(native("worker"))
    stage.apply(spec)
    environment = {**stage.environment, "NO_COLOR": "1"}
    with terminal(stage.argv("status"), environment, stage.directory) as screen:
        assert screen.ends() == 0
    assert "worker" in screen.seen
    assert "\x1b[3" not in screen.seen


def test_R2_a_box_without_a_command_is_kept_alive(stage: Stage) -> None:
    """The image's own command is a shell, which would end at once."""
    stage.apply(KEPT_ALIVE)
    assert stage.container("box")["State"]["Running"]
    assert "hello" in stage.cli("exec", "box", "--", "echo", "hello").out
    assert stage.apply(KEPT_ALIVE).actions == []


def test_R3_the_command_that_keeps_a_box_alive_is_written_in_one_place() -> None:
    """A static check over all of the code: one definition, and no other way to idle for ever."""
    from reconciler.core import render

    root = Path(reconciler.__file__).parent
    texts = {path.relative_to(root): path.read_text() for path in root.rglob("*.py")}
    made = [str(path) for path, text in texts.items() if re.search("KEEP_ALIVE.* = ", text)]
    assert made == ["core/render.py"]
    words = {str(argument) for argument in render.KEEP_ALIVE}
    makers = [str(path) for path, text in texts.items() if words <= set(_strings(ast.parse(text)))]
    assert makers == ["core/render.py"]
    idle = {str(path): found for path, text in texts.items() if (found := _idlers(text))}
    assert idle == {"core/render.py": ["tail -f /dev/null"]}


@pytest.mark.parametrize(
    "line",
    [
        '["sleep", "infinity"]', '("tail", "-f", "/dev/null")', '["sh", "-c", "while true; do sleep 3600; done"]',
        '"sleep infinity"', '"tail -f /dev/null"', 'argv + ["sleep", "inf"]', '{"Cmd": ["tail", "-F", "/dev/null"]}',
    ],
)  # fmt: skip
def test_R3_whatever_would_keep_a_box_alive_is_found_by_that_check(line: str) -> None:
    assert _idlers(f"value = {line}")
    assert not _idlers(f'"""Some write {line.replace(chr(34), "")}."""\nvalue = ["sleep", "1"]')


IDLE = re.compile(
    r"\b(sleep inf(inity)?\b|tail (-\w+ )+/dev/null|tail --follow\S* /dev/null|while (true|:); *do sleep)"
)


def _idlers(text: str) -> list[str]:
    """Lists, and texts that are no words about the code, which idle for ever."""
    tree = ast.parse(text)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    lists = [node for node in ast.walk(tree) if isinstance(node, ast.List | ast.Tuple)]
    inner = {
        id(part) for node in lists for part in ast.walk(node) if part is not node and isinstance(part, ast.Constant)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told | inner
    ]
    return [said for said in (*(" ".join(_strings(node)) for node in lists), *texts) if IDLE.search(said)]


def _strings(tree: ast.AST) -> list[str]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_R19_who_asks_for_it_has_it_made_anew_though_nothing_has_changed(stage: Stage) -> None:
    spec = box("box")
    stage.apply(spec)
    before = stage.id("box")
    assert stage.apply(spec).actions == []
    assert "service/box restarted" in stage.cli("restart", "box").out
    assert stage.id("box") != before
    assert stage.apply(spec).actions == [], "once is enough"


def test_R4_an_explicit_command_is_never_overridden(stage: Stage) -> None:
    told = stage.apply(
        document("Service", "box", container={"image": IMAGE, "keepAlive": True, "command": ["sh"]}), expect=2
    )
    assert "keepAlive" in told.err
    stage.apply(box("box", "sleep", "4711"))
    config = stage.container("box")["Config"]
    assert (config["Cmd"], config["Entrypoint"] or None) == (["sleep", "4711"], None)


def test_R2_rockerc_options_do_not_cost_a_box_its_keep_alive(stage: Stage) -> None:
    """There a single dash in the arguments counted as a command; here no field has to do with it."""
    full = document(
        "Service", "box",
        container={
            "image": IMAGE, "keepAlive": True, "init": True, "user": "root", "workingDir": "/tmp", "hostname": "box",
            "tty": True, "capAdd": ["NET_ADMIN"], "extraHosts": ["db:10.0.0.5"], "shmSize": "64Mi",
            "labels": {"a": "-b"},
        },
        env={"OPTION": "-x"},
    )  # fmt: skip
    stage.apply(full)
    assert stage.container("box")["State"]["Running"]
    assert stage.apply(full).actions == []


@KINDS
def test_R5_apply_waits_for_running_not_for_there(stage: Stage, kind: Kind) -> None:
    """R6: what exists and does not run is told apart, and started."""
    stage.apply(kind("web"))
    assert stage.status_of("web")["instances"][0]["phase"] == "Running"
    if kind is box:
        stage.signal(stage.name("web"), "kill")
    else:
        stage.process("web").signal(signal.SIGKILL)
    eventually(lambda: stage.status_of("web")["instances"][0]["phase"] == "Exited", "it is seen as exited")
    assert stage.apply(kind("web")).actions == ["Start web/0"]


@KINDS
def test_R8_the_exit_code_of_exec_is_that_of_the_command(stage: Stage, kind: Kind) -> None:
    stage.apply(kind("web"))
    told = stage.cli("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7", expect=7)
    assert (told.out, told.err) == ("out\n", "err\n")
    assert stage.cli("exec", "web", "--", "no-such-program", expect=None).code in {1, 126, 127}


@KINDS
def test_R8_exec_has_the_surroundings_of_the_workload_and_passes_input_on(stage: Stage, kind: Kind) -> None:
    stage.apply(kind("web", env={"COLOR": "blue"}))
    assert stage.cli("exec", "web", "--", "sh", "-c", "echo $COLOR $RECONCILER_NAME").out == "blue web\n"
    assert stage.cli("exec", "-i", "web", "--", "cat", stdin="typed\n").out == "typed\n"
    assert stage.cli("exec", "-e", "MORE=1", "web", "--", "sh", "-c", "echo $MORE").out == "1\n"


@KINDS
def test_R8_on_a_terminal_exec_is_a_shell_to_type_in(stage: Stage, kind: Kind) -> None:
    stage.apply(kind("web"))
    command = stage.argv("exec", "-it", "web", "--", "sh")
    with terminal(command, stage.environment, stage.directory) as screen:
        assert screen.shows(WHERE if kind is box else "# "), screen.seen
        screen.type("echo $((40 + 2)); tty\n")
        assert screen.shows("42"), screen.seen
        assert screen.shows("/dev/"), screen.seen
        screen.type("exit 5\n")
        assert screen.ends(20) == 5, screen.seen


@KINDS
def test_R9_the_workload_stays_when_the_shell_in_it_is_hung_up(stage: Stage, kind: Kind) -> None:
    stage.apply(kind("web"))
    command = stage.argv("exec", "-it", "web", "--", "sh")
    with terminal(command, stage.environment, stage.directory) as screen:
        assert screen.shows(WHERE if kind is box else "# "), screen.seen
        screen.type("echo $((40 + 2))\n")
        assert screen.shows("42"), screen.seen
        screen.close()
        screen.program.wait(timeout=60)
    assert stage.apply(kind("web")).actions == []


@KINDS
def test_R10_many_sessions_at_once_are_each_their_own(stage: Stage, kind: Kind) -> None:
    stage.apply(kind("web"))
    answers: dict[int, str] = {}

    def enter(number: int) -> None:
        answers[number] = stage.cli(
            "exec", "-i", "web", "--", "sh", "-c", "read word; echo $word-$0", str(number), stdin=f"{number}\n"
        ).out

    sessions = [threading.Thread(target=enter, args=(number,)) for number in range(6)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join(60)
    assert answers == {number: f"{number}-{number}\n" for number in range(6)}
    assert stage.apply(kind("web")).actions == []


def test_R8_exec_into_what_does_not_run_says_why_and_what_to_do(stage: Stage) -> None:
    stage.apply(box("web"))
    stage.signal(stage.name("web"), "stop", "?t=1")
    told = stage.cli("exec", "web", "--", "true", expect=1)
    assert "web" in told.err
    assert "start" in told.err
    assert "ended" in told.err
    told = stage.cli("exec", "wbe", "--", "true", expect=1)
    assert "web" in told.err, "did you mean"


def test_R13_R16_all_ways_in_share_one_life(stage: Stage) -> None:
    """apply, stop, start, restart and scale are edits of one desired state: none undoes another by surprise."""
    spec = [box("web"), native_server("api")]
    stage.apply(*spec)
    stage.cli("stop", "web")
    assert stage.containers() == []
    assert stage.diff().actions == []
    stage.cli("start", "web")
    first = stage.id("web")
    stage.cli("restart", "web")
    assert stage.id("web") != first
    assert stage.apply(*spec).actions == []
    stage.cli("scale", "api", "--replicas", "3")
    assert len({stage.process("api", index).pid for index in range(3)}) == 3


def test_R11_a_container_is_found_under_the_name_that_editors_attach_to(stage: Stage) -> None:
    stage.apply(KEPT_ALIVE)
    assert stage.containers() == [f"{stage.namespace}-box-0"]


def test_a_reader_that_goes_away_is_no_drama(stage: Stage) -> None:
    stage.apply(native("a"), native("b"))
    command = " ".join(f"'{word}'" for word in stage.argv("get", "all", "-o", "json")) + " | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=stage.environment, cwd=stage.directory, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("{", "")
