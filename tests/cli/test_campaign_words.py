"""`campaign` and `logs` about campaigns: whose names, in which namespaces, and what to type next."""

from __future__ import annotations

from tests.cli.machine import Machine, resource


def test_campaigns_are_listed_in_all_namespaces_and_by_name(machine: Machine) -> None:
    sweep = resource("Campaign", "sweep", process={"command": ["true"]})
    machine.apply(sweep)

    assert machine("campaign", "list", "-o", "name").stdout == "campaign/sweep\n"
    assert machine("campaign", "list", "-A").stdout.splitlines()[-1].split()[:2] == [machine.namespace, "sweep"]
    elsewhere = machine("campaign", "list", "-n", "elsewhere").stderr
    assert elsewhere == "no campaigns in namespace elsewhere; next: reconciler campaign list -A\n"


def test_one_whose_manifest_is_damaged_costs_nobody_the_sight_of_the_others(machine: Machine) -> None:
    machine.apply(resource("Campaign", "sweep", process={"command": ["true"]}))
    folder = machine.home / "campaigns" / f"{machine.namespace}.bench"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{")

    told = machine("campaign", "list", code=1)
    assert "sweep" in told.stdout
    assert "error: campaign/bench: its manifest can't be read" in told.stderr
    assert "--restart begins anew" in told.stderr


def test_what_was_not_run_is_told_apart_from_what_is_not_there(machine: Machine) -> None:
    machine.apply(resource("Campaign", "sweep", process={"command": ["true"]}))

    unbegun = machine("campaign", "results", "sweep", code=1).stderr
    assert f"reconciler run campaign/sweep -n {machine.namespace}" in unbegun
    assert 'campaign "swep" not found' in machine("campaign", "results", "swep", code=1).stderr
    for arguments in (["logs", "sweep"], ["logs", "sweep", "--previous"]):
        told = machine(*arguments, code=1).stderr
        assert "internal" not in told
        assert "sweep" in told
    said = machine("logs", "sweep", code=1).stderr
    assert "no run of it goes on right now" in said, "it is no matter that no engine answers: it needs none"
    assert "Try by hand" not in machine("describe", "sweep").stdout, "its command has parameters to be filled in"
