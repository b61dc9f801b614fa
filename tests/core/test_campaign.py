"""Campaigns before anybody runs them: their runs, the order of these, and what is remembered of each."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.campaign import manifest as manifests
from reconciler.core.campaign import runs as making
from reconciler.core.campaign import tell
from reconciler.core.campaign.breaker import Breaker, breaker
from reconciler.core.campaign.judgement import judged, refused
from reconciler.core.campaign.manifest import Manifest, Run, State
from reconciler.core.campaign.order import ORDERS, ordered
from reconciler.core.graph import graph_of
from reconciler.core.linking import link_faults
from reconciler.core.parse import Text, parse
from reconciler.errors import Refused
from reconciler.kinds.campaign import CampaignSpec, as_service, faults
from reconciler.kinds.matrix import distinct, expand
from reconciler.kinds.workload import Process
from reconciler.model.key import Key
from reconciler.model.observed import Observed, Phase
from reconciler.model.resource import Resource

KEY = Key("campaign", "lab", "bench")
PROCESS = Process(command=("bench", "${matrix.batch}"))


def campaign(**fields: Any) -> CampaignSpec:
    return CampaignSpec(**{"process": PROCESS, "matrix": {"batch": (1, 8), "model": ("a", "b")}, **fields})


def manifest(spec: CampaignSpec, **fields: Any) -> Manifest:
    return Manifest(
        namespace="lab", name="bench", fingerprint="f", strategy="ephemeral", results="/r", begun_at=0.0,
        runs=making.runs(spec), **fields,
    )  # fmt: skip


def test_L15_a_matrix_is_every_combination_and_the_last_axis_turns_fastest() -> None:
    assert expand({"a": (1, 2), "b": ("x", "y")}) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"exclude": ({"a": 1},)}, [{"a": 2, "b": "x"}, {"a": 2, "b": "y"}]),
        ({"exclude": ({"a": 1, "b": "y"}, {"a": 2})}, [{"a": 1, "b": "x"}]),
        ({"exclude": ({"a": True},)}, None),
        (
            {"include": ({"a": 1, "c": 7},), "exclude": ({"a": 2},)},
            [{"a": 1, "b": "x", "c": 7}, {"a": 1, "b": "y", "c": 7}],
        ),
        ({"include": ({"a": 3, "b": "x"},), "exclude": ({"a": 1}, {"a": 2})}, [{"a": 3, "b": "x"}]),
        ({"include": ({"c": 7}, {"c": 8}), "exclude": ({"a": 1}, {"b": "y"})}, [{"a": 2, "b": "x", "c": 8}]),
    ],
)
def test_L15_include_adds_or_extends_and_exclude_removes(more: Any, expected: Any) -> None:
    found = expand({"a": (1, 2), "b": ("x", "y"), **more})

    assert found == (expand({"a": (1, 2), "b": ("x", "y")}) if expected is None else expected)


ORDER = st.sampled_from(sorted(ORDERS))


@given(ORDER, st.integers(1, 12), st.integers(1, 6), st.integers(0, 99))
def test_L15_each_configuration_comes_once_in_each_cycle_whatever_the_order(
    order: str, configurations: int, cycles: int, seed: int
) -> None:
    turns = ordered(order, configurations, cycles, seed)

    assert Counter(turns) == Counter((c, one) for c in range(1, cycles + 1) for one in range(configurations))
    assert turns == ordered(order, configurations, cycles, seed)
    if order != "sequential":
        assert [cycle for cycle, _ in turns] == sorted(cycle for cycle, _ in turns)


@given(st.integers(1, 14))
def test_L15_over_as_many_cycles_as_configurations_a_latin_square_gives_each_one_each_place(count: int) -> None:
    rows = [[one for cycle, one in ordered("latinSquare", count, count) if cycle == row + 1] for row in range(count)]

    assert all(sorted(column) == list(range(count)) for column in [*rows, *zip(*rows, strict=True)])
    if count % 2 == 0:
        followed = [pair for row in rows for pair in pairwise(row)]
        assert len(set(followed)) == count * (count - 1)


def test_L15_sequential_is_grouped_by_configuration_and_interleaved_by_cycle() -> None:
    assert ordered("sequential", 2, 2) == [(1, 0), (2, 0), (1, 1), (2, 1)]
    assert ordered("interleaved", 2, 2) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_L15_a_seed_decides_the_shuffle_and_more_cycles_leave_the_first_ones_alone() -> None:
    few, many = ordered("shuffled", 20, 2, 7), ordered("shuffled", 20, 5, 7)

    assert many[: len(few)] == few
    assert ordered("shuffled", 20, 2, 8) != few


PARAMS = st.dictionaries(
    st.text("abc-_XY1", min_size=1, max_size=4),
    st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=80)),
    max_size=4,
)


@given(st.lists(PARAMS, min_size=1, max_size=12, unique_by=distinct), st.integers(1, 3))
def test_L16_ids_are_of_a_file_and_of_one_run_only(params: list[Any], cycles: int) -> None:
    found = making.runs(CampaignSpec(process=PROCESS, runs=tuple(params), cycles=cycles))
    again = making.runs(CampaignSpec(process=PROCESS, runs=tuple(reversed(params)), cycles=cycles, order="interleaved"))

    ids = [run.id for run in found]
    assert len(set(ids)) == len(params) * cycles
    assert sorted(ids) == sorted(run.id for run in again)
    assert all(set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") and len(one) < 80 for one in ids)


def test_parameters_are_put_in_as_yaml_writes_them_and_other_references_stay() -> None:
    spec = campaign(
        process=Process(
            command=("${matrix.a}", "${matrix.b}", "${matrix.c}", "${db.addr}", "$${matrix.a}", "${run.id}")
        ),
        matrix={}, runs=({"a": 1.5, "b": True, "c": "$x"},),
    )  # fmt: skip
    (run,) = making.runs(spec)

    shown = making.changes(Resource(KEY, spec), run).spec
    assert shown.process.command == ("1.5", "true", "$$x", "${db.addr}", "$${matrix.a}", run.id)
    assert shown.env == {"RECONCILER_CAMPAIGN": "bench", "RECONCILER_RUN": run.id, "RECONCILER_CYCLE": "1"}


def test_L4_what_is_kept_warm_has_only_the_variables_that_all_runs_share() -> None:
    spec = campaign(env={"SHARED": "${db.addr}", "OWN": "${matrix.batch}", "ID": "${run.id}"})

    assert making.warm(Resource(KEY, spec), making.runs(spec)[0]).spec.env == {"SHARED": "${db.addr}"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"matrix": {"batch": ()}}, "no values"),
        ({"matrix": {"batch": ({"a": 1},)}}, "a plain value is expected"),
        ({"matrix": {"batch": (1,), "include": (2,)}}, "a mapping is expected"),
        ({"matrix": {"batch": (1,), "exclude": ({"batch": 1},)}}, "all combinations are excluded"),
        ({"matrix": {"batch": (1,), "exclude": ({"bach": 1},)}}, "no axis is called 'bach'"),
        ({"matrix": {"batch": (1, 1)}}, "two runs would be the same: batch=1"),
        ({"matrix": {"b.c": (1,)}}, "can't be the name of a parameter"),
        ({"runs": ({"batch": 1},)}, "exactly one of matrix and runs"),
        ({"matrix": {str(i): tuple(range(50)) for i in range(9)}}, "at most 100000 are possible"),
        ({"leases": ("../x",)}, "can't be the name of a lease"),
    ],
)
def test_what_can_be_no_campaign_is_a_fault(fields: Any, message: str) -> None:
    assert any(message in fault.message for fault in faults(campaign(**fields)))


def test_references_to_parameters_that_a_run_lacks_are_faults_with_their_line() -> None:
    text = """\
apiVersion: reconciler/v1
kind: Campaign
metadata: {name: bench}
spec:
  process:
    command:
      - ${matrix.batch}
      - ${matrix.bach}
      - ${run.number}
      - ${matrix.extra}
  matrix: {batch: [1, 2], include: [{batch: 1, extra: x}]}
"""
    (document,) = parse([Text("c.yaml", text.encode(), "/specs")], environment={})
    found = [str(document.problem(fault)) for _, fault in link_faults(graph_of("default", [document.resource]))]

    assert [problem.split("\n")[0] for problem in found] == [
        "c.yaml:8:9: spec.process.command[1]: ${matrix.bach}: no parameter is called 'bach'",
        "c.yaml:9:9: spec.process.command[2]: ${run.number} is nothing that a run has",
        "c.yaml:10:9: spec.process.command[3]: ${matrix.extra}: not every run has a parameter 'extra'",
    ]


STATES = st.lists(st.sampled_from([State.PENDING, State.RUNNING, State.COMPLETED, State.FAILED, State.SKIPPED]))


@given(STATES)
def test_L17_resuming_does_all_that_has_not_worked_and_nothing_else(states: list[State]) -> None:
    spec = campaign(matrix={"batch": tuple(range(max(len(states), 1)))})
    begun = manifest(spec)
    runs = tuple(replace(run, state=s, attempts=1) for run, s in zip(begun.runs, states, strict=False))
    begun = replace(begun, runs=runs, finished_at=9.0)

    again = manifests.resumed(begun)
    assert [run.id for run in manifests.to_do(again)] == [r.id for r in runs if r.state is not State.COMPLETED]
    assert {run.state for run in manifests.to_do(again)} <= {State.PENDING, State.RUNNING}
    assert [run for run in again.runs if run.state is State.COMPLETED] == [
        run for run in runs if run.state is State.COMPLETED
    ]
    assert again.finished_at is None


def test_L16_a_manifest_is_read_back_as_it_was_written_and_later_fields_are_passed_over() -> None:
    begun = manifest(campaign(), keeps=True)
    run = replace(
        manifests.begun(begun.runs[0], "f1", 5.0), state=State.FAILED, result={"x": 1.5}, error="Timeout: long"
    )
    begun = manifests.put(begun, run)

    tree = json.loads(json.dumps(manifests.to_tree(begun)))
    assert manifests.from_tree({**tree, "later": 1, "runs": [{**one, "later": 2} for one in tree["runs"]]}) == begun


@pytest.mark.parametrize(
    ("worked", "most", "expected"),
    [
        ([False] * 9, 0, Breaker.CLOSED),
        ([False], 1, Breaker.GIVEN_UP),
        ([False, False], 3, Breaker.CLOSED),
        ([False] * 3, 3, Breaker.OPEN),
        ([False] * 4, 3, Breaker.GIVEN_UP),
        ([False] * 3 + [True, False], 3, Breaker.CLOSED),
    ],
)
def test_L20_the_breaker_opens_tries_once_more_and_gives_up(worked: list[bool], most: int, expected: Breaker) -> None:
    assert breaker(worked, most) is expected


def test_what_decides_what_runs_is_in_the_fingerprint_and_how_long_it_may_take_is_not() -> None:
    before = making.fingerprint(campaign(), "ephemeral")

    assert (
        making.fingerprint(campaign(gap_seconds=9, timeout_seconds=1, retries=3, results="/x"), "ephemeral") == before
    )
    others = [
        campaign(cycles=2),
        campaign(env={"A": "1"}),
        campaign(matrix={"batch": (1,)}),
        campaign(order="latinSquare"),
    ]
    assert before not in {making.fingerprint(one, "ephemeral") for one in others}
    assert making.fingerprint(campaign(), "persistent") != before


def seen(code: int | None, **fields: Any) -> Observed:
    found = {"phase": Phase.EXITED, "started_at": 1.0, "finished_at": 3.0, "exit_code": code, **fields}
    return Observed("id", "lab-bench-1", "service", "docker", **found)


@pytest.mark.parametrize(
    ("ending", "state", "reason", "hint"),
    [
        (seen(0), State.COMPLETED, "", ""),
        (seen(3), State.FAILED, "Failed", ""),
        (seen(127), State.FAILED, "NoProgram", "check the command"),
        (seen(137, detail="OOM killed"), State.FAILED, "OutOfMemory", "raise resources.memory"),
        (seen(None, phase=Phase.CREATED, detail="no such device"), State.FAILED, "Failed", ""),
        (None, State.FAILED, "Vanished", "--resume"),
    ],
)
def test_L22_failures_have_a_type_and_a_next_step(ending: Any, state: State, reason: str, hint: str) -> None:
    spec = as_service(campaign())
    found = judged(making.runs(campaign())[0], KEY, spec, ending, 9.0)

    assert (found.state, found.reason) == (state, reason)
    assert hint in found.hint
    assert (found.error == "") == (state is State.COMPLETED)


def test_L22_an_engine_without_gpus_is_told_of_in_its_own_words_with_what_to_install() -> None:
    error = Refused("lab-bench-1: could not select device driver with capabilities: [[gpu]]")
    found = refused(making.runs(campaign())[0], KEY, as_service(campaign()), error, 9.0)

    assert "toolkit" in found.hint


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["hello", '{"x": 1, "deep": {"y": 2}, "ok": true, "none": null}', "bye"], {"x": 1, "ok": True, "none": None}),
        (['{"x": 1}', '{"x": 2}\r'], {"x": 2}),
        (['{"x": 1}', "{broken}", "[1]"], {"x": 1}),
        (['{"x": NaN, "y": -1e999, "z": 1.5}'], {"x": None, "y": None, "z": 1.5}),
        ([], {}),
    ],
)
def test_the_last_line_that_is_a_json_object_is_the_result(lines: list[str], expected: Any) -> None:
    assert tell.result_of(line.encode() for line in lines) == expected


def test_results_are_json_lines_and_a_table_of_all_that_has_ended() -> None:
    begun = manifest(campaign())
    ended = replace(
        begun.runs[1], state=State.COMPLETED, exit_code=0, started_at=0.0, finished_at=1.5, result={"y": 'a,"b'}
    )
    begun = manifests.put(begun, ended)

    (line,) = tell.json_lines(begun.runs).splitlines()
    assert json.loads(line)["result"] == {"y": 'a,"b'}
    (row,) = csv.DictReader(io.StringIO(tell.table(begun.runs)))
    assert (row["id"], row["batch"], row["model"], row["seconds"], row["result.y"]) == (
        ended.id, "1", "b", "1.5", 'a,"b',
    )  # fmt: skip


def test_the_time_to_its_end_goes_by_how_long_runs_took_so_far() -> None:
    begun = manifest(campaign())
    assert manifests.eta(begun, 0.0, 0.0) is None
    first = replace(begun.runs[0], state=State.COMPLETED, started_at=0.0, finished_at=4.0)
    begun = manifests.put(manifests.put(begun, first), replace(begun.runs[1], state=State.RUNNING, started_at=5.0))

    assert manifests.eta(begun, 1.0, 6.0) == pytest.approx(4 * 3 - 1 + 2)


def test_the_state_of_a_campaign_is_told_by_its_runs_and_by_whether_anybody_is_at_work() -> None:
    begun = manifest(campaign())
    over = replace(begun, runs=tuple(replace(run, state=State.COMPLETED) for run in begun.runs), finished_at=1.0)
    one: Run = replace(over.runs[0], state=State.FAILED)

    assert manifests.state(None, attended=False) == "pending"
    assert manifests.state(begun, attended=True) == "running"
    assert manifests.state(begun, attended=False) == "interrupted"
    assert manifests.state(over, attended=True) == "completed"
    assert manifests.state(manifests.put(over, one), attended=False) == "failed"
