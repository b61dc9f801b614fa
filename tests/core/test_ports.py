"""Which host port each instance gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.observed import Binding, Grant, Phase
from reconciler.model.plan import Reason, Record
from tests.core.build import (
    EMPTY,
    assigned,
    changed,
    container,
    graph,
    http,
    key,
    listening,
    numbers,
    process,
    seen,
    settled,
    stranger,
    with_thing,
)


def test_K11_a_fixed_port_that_is_taken_names_its_holder() -> None:
    wait = assigned(graph(container("web", ports=(http(8080),))), listening(EMPTY, 8080)).problems[key("web")]
    assert wait.reason is Reason.PORT_IN_USE
    assert "8080/tcp is held by pid 77 (nc)" in wait.message


def test_K11_a_foreign_container_is_named_rather_than_its_proxy() -> None:
    holder = stranger("traefik", bindings=(Binding(8080),))
    wait = assigned(graph(container("web", ports=(http(8080),))), with_thing(listening(EMPTY, 8080), holder))
    assert "container traefik" in wait.problems[key("web")].message


def test_K12_a_taken_port_is_reassigned_to_the_next_free_one_and_said_so() -> None:
    found = assigned(graph(container("web", ports=(http(8080, on_conflict="reassign"),))), listening(EMPTY, 8080, 8081))
    assert numbers(found) == {"web/0": 8082}
    assert "8080 is held by pid 77 (nc); moved to 8082" in found.moved[0].message


def test_K12_no_free_port_within_a_hundred_is_said() -> None:
    taken = listening(EMPTY, *range(8080, 8181))
    found = assigned(graph(container("web", ports=(http(8080, on_conflict="reassign"),))), taken)
    assert found.problems[key("web")].reason is Reason.PORTS_EXHAUSTED


def test_a_search_ends_at_the_last_port_there_is() -> None:
    found = assigned(graph(container("web", ports=(http(65535, on_conflict="reassign"),))), listening(EMPTY, 65535))
    assert found.problems[key("web")].reason is Reason.PORTS_EXHAUSTED


def test_a_range_gives_each_replica_its_own() -> None:
    found = assigned(graph(container("web", replicas=3, ports=(http("8080-8083"),))), listening(EMPTY, 8081))
    assert numbers(found) == {"web/0": 8080, "web/1": 8082, "web/2": 8083}


def test_automatic_ports_come_from_the_range_and_never_from_the_kernels() -> None:
    services = graph(*(container(f"s{i}", ports=(http(),)) for i in range(40)), port_range=(32760, 32900))
    found = numbers(assigned(services, replace(EMPTY, ephemeral=(32768, 32850))))
    assert len(set(found.values())) == 40
    assert all(32760 <= number <= 32767 or 32851 <= number <= 32900 for number in found.values())


def test_a_range_that_is_all_the_kernels_has_no_port_to_give() -> None:
    services = graph(container("web", ports=(http(),)), port_range=(33000, 33010))
    assert assigned(services).problems[key("web")].reason is Reason.PORTS_EXHAUSTED


def test_K13_an_automatic_port_depends_on_the_name_alone() -> None:
    alone = numbers(assigned(graph(container("web", ports=(http(),)))))
    together = numbers(assigned(graph(*(container(name, ports=(http(),)) for name in ("a", "b", "web")))))
    assert alone["web/0"] == together["web/0"]


def test_K13_a_port_that_was_given_is_given_again() -> None:
    services = graph(container("web", ports=(http(8080, on_conflict="reassign"),)))
    before = settled(services, listening(EMPTY, 8080))
    free_again = replace(before, listeners={})
    assert numbers(assigned(services, free_again)) == {"web/0": 8081}


def test_K13_a_stopped_one_gets_its_port_again() -> None:
    services = graph(container("web", ports=(http(8080, on_conflict="reassign"),)))
    before = settled(services, listening(EMPTY, 8080))
    stopped = changed(before, key("web"), phase=Phase.EXITED, bindings=())
    assert numbers(assigned(services, replace(stopped, listeners={}))) == {"web/0": 8081}


def test_K13_a_new_wish_is_granted_anew() -> None:
    before = settled(graph(container("web", ports=(http("8080-8089"),))))
    assert numbers(assigned(graph(container("web", ports=(http("8085-8089"),))), before)) == {"web/0": 8085}


def test_a_newcomer_does_not_take_what_a_stopped_one_will_want_again() -> None:
    services = graph(container("web", ports=(http("8080-8081"),)))
    stopped = changed(settled(services), key("web"), phase=Phase.EXITED, bindings=())
    both = graph(container("web", ports=(http("8080-8081"),)), container("a", ports=(http("8080-8081"),)))
    assert numbers(assigned(both, stopped)) == {"web/0": 8080, "a/0": 8081}


def test_what_is_over_for_good_keeps_no_port_from_others() -> None:
    from reconciler.kinds.service import Restart

    job = container("job", ports=(http("8080-8081"),), restart=Restart(policy="OnFailure"))
    over = changed(settled(graph(job)), key("job"), phase=Phase.EXITED, bindings=(), exit_code=0)
    found = assigned(graph(job, container("web", ports=(http(8080),))), over)
    assert numbers(found)["web/0"] == 8080


def test_another_namespaces_stopped_service_keeps_its_port() -> None:
    theirs = stranger("other-x-0", owner="me", key=key("x")._replace(namespace="other"), phase=Phase.EXITED)
    world = with_thing(EMPTY, replace(theirs, grants={"http": Grant(8080, "auto")}))
    found = assigned(graph(container("web", ports=(http(8080, on_conflict="reassign"),))), world)
    assert numbers(found) == {"web/0": 8081}


@pytest.mark.parametrize(
    ("bind", "other", "clash"),
    [
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("127.0.0.1", "10.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
    ],
)
def test_different_addresses_may_share_a_number(bind: str, other: str, *, clash: bool) -> None:
    found = assigned(graph(container("web", ports=(http(8080, bind=bind),))), listening(EMPTY, 8080, address=other))
    assert (key("web") in found.problems) is clash


def test_tcp_and_udp_do_not_stand_in_each_others_way() -> None:
    found = assigned(graph(container("dns", ports=(http(53, protocol="udp"),))), listening(EMPTY, 53))
    assert numbers(found) == {"dns/0": 53}


def test_the_socket_of_a_running_one_is_its_own() -> None:
    services = graph(process("web", ports=(http(8080),)))
    assert numbers(assigned(services, listening(settled(services), 8080))) == {"web/0": 8080}


def test_who_insists_is_served_before_who_may_choose() -> None:
    found = assigned(graph(container("a", ports=(http("8080-8089"),)), container("b", ports=(http(8080),))))
    assert numbers(found) == {"a/0": 8081, "b/0": 8080}


def test_who_may_choose_makes_room_for_who_insists() -> None:
    before = settled(graph(container("a", ports=(http("8080-8089"),))))
    both = graph(container("a", ports=(http("8080-8089"),)), container("b", ports=(http(8080),)))
    found = assigned(both, before)
    assert numbers(found) == {"a/0": 8081, "b/0": 8080}
    assert found.leaving == {key("a")}
    assert found.handovers[key("b")].reason is Reason.TERMINATING


def test_ports_are_swapped() -> None:
    before = settled(graph(container("a", ports=(http(8080),)), container("b", ports=(http(8081),))))
    found = assigned(graph(container("a", ports=(http(8081),)), container("b", ports=(http(8080),))), before)
    assert numbers(found) == {"a/0": 8081, "b/0": 8080}
    assert found.leaving == set(found.handovers) == {key("a"), key("b")}


def test_a_stopped_service_takes_its_port_from_nobody() -> None:
    found = assigned(graph(container("blue", replicas=0, ports=(http(8080),)), container("green", ports=(http(8080),))))
    assert numbers(found) == {"blue/0": 8080, "green/0": 8080}
    assert not found.problems


def test_two_ports_of_one_service_never_get_one_number() -> None:
    ports = (http("8080-8081"), replace(http("8080-8081"), name="admin"))
    found = assigned(graph(container("web", ports=ports)))
    assert [binding.host_port for binding in found.bindings[key("web")]] == [8080, 8081]


def test_a_refused_port_is_avoided_where_there_is_a_choice() -> None:
    found = assigned(graph(container("web", ports=(http("8080-8081"),))), journal={key("web"): Record(avoid=(8080,))})
    assert numbers(found) == {"web/0": 8081}


def test_a_refused_port_is_tried_again_where_there_is_none() -> None:
    """Whoever held it may have gone; how often is a matter of the back-off."""
    found = assigned(graph(container("web", ports=(http(8080),))), journal={key("web"): Record(avoid=(8080,))})
    assert numbers(found) == {"web/0": 8080}


def test_copied_labels_give_no_right_to_a_port() -> None:
    services = graph(container("web", ports=(http("8080-8089"),)))
    before = settled(services)
    copy = replace(seen(before, key("web")), id="copy", name="copy", grants={"http": Grant(8085, "8080-8089")})
    assert numbers(assigned(services, with_thing(before, replace(copy, bindings=())))) == {"web/0": 8080}


def test_a_chosen_port_in_an_unreadable_view_is_not_known() -> None:
    blind = replace(EMPTY, views=(replace(EMPTY.views[0], problem="no answer"), EMPTY.views[1]))
    found = assigned(graph(container("auto", ports=(http(),)), container("fixed", ports=(http(8080),))), blind)
    assert found.problems[key("auto")].reason is Reason.UNREACHABLE
    assert numbers(found) == {"fixed/0": 8080}


def test_where_a_stopped_process_will_be_is_not_a_question_to_an_engine_that_nobody_uses() -> None:
    web = process("web", replicas=0, ports=(http(8080, on_conflict="reassign"),))
    away = replace(
        EMPTY, views=tuple(replace(v, problem="no engine") if v.runtime == "docker" else v for v in EMPTY.views)
    )
    assert assigned(graph(web), away).problems == {}
    mixed = assigned(graph(web, container("box")), away)
    assert [wait.reason for wait in mixed.problems.values()] == [Reason.UNREACHABLE]
