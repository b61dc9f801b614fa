"""Bugs that could be made outside of the planner, each as an exact change of the source, and the tests that have to
notice. (Those of the planner are in `tests/convergence/test_mutants.py`: they are found by stories.)

A text that does not stand in its file exactly once any more is an error, not a mutant that was killed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    file: str
    honest: str
    bug: str
    killers: tuple[str, ...]
    """Tests of which at least one has to fail."""
    engine: bool = False
    """Whether these need a real engine, and so time."""
    slow: bool = False
    """Whether they find it only at the end of their patience."""

    def mutated(self) -> str:
        source = (ROOT / self.file).read_text()
        count = source.count(self.honest)
        if count != 1:
            raise ValueError(f"{self.name}: {self.honest!r} stands {count} times in {self.file}: mend the mutant")
        return source.replace(self.honest, self.bug)


EXECUTOR = "reconciler/engine/executor.py"
RECONCILE = "reconciler/engine/reconcile.py"
DOCKER = "reconciler/runtimes/docker"
PROCESS = "reconciler/runtimes/process/runtime.py"
BY_EXECUTOR = ("tests/engine/test_executor.py",)
BY_RECONCILE = ("tests/engine/test_reconcile.py",)
BY_BACKOFF = ("tests/core/test_backoff.py",)
BY_SILENCE = ("tests/docker/test_unreachable.py",)
GUARD = "reconciler/engine/guard.py"
RULES = "reconciler/core/rules.py"
BY_GUARD = ("tests/engine/test_guard.py",)
BY_RULES = ("tests/core/test_permitted.py",)
SYNC = "reconciler/engine/gitops/sync.py"
BY_SYNC = "tests/engine/test_sync.py::test_"
BY_GIT = "tests/engine/test_sync_git.py::test_"
CONTRACT = "tests/contract/test_runtime.py"
QUEUE = "reconciler/engine/loop/queue.py"
LOOP = "reconciler/engine/loop/loop.py"
STILLNESS = "reconciler/engine/loop/stillness.py"
SUPERVISE = "reconciler/engine/loop/threads.py"
BY_QUEUE = ("tests/engine/test_queue.py",)
BY_LOOP = "tests/engine/test_loop.py::test_"
BY_ALONE = ("tests/daemon/test_alone.py",)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "a failed action does not end its sequence", EXECUTOR,
        "        if any(outcome.result is not Result.DONE for outcome in outcomes):\n            break\n", "",
        BY_EXECUTOR,
    ),
    Mutant(
        "what is unknown is tried again blindly", EXECUTOR,
        "    except (OutcomeUnknown, Unreachable) as error:\n",
        "    except (OutcomeUnknown, Unreachable) as error:\n        effect()\n", BY_EXECUTOR,
    ),
    Mutant(
        "what is unknown is told as done", EXECUTOR,
        "return Outcome(action, Result.UNKNOWN, error.reason, error.message, error.hint)",
        "return Outcome(action, Result.DONE)", BY_EXECUTOR,
    ),
    Mutant(
        "a stop is skipped", EXECUTOR,
        "            runtimes[seen.place].stop(seen, action.stop or Stop())\n", "            pass\n", BY_EXECUTOR,
    ),
    Mutant("how it is to be stopped is forgotten", EXECUTOR, "action.stop or Stop()", "Stop()", BY_EXECUTOR),
    Mutant(
        "the old one goes before the image is there", EXECUTOR,
        "    refused = _prepare(sequence, runtimes)\n", "    refused = None\n", BY_EXECUTOR,
    ),
    Mutant(
        "one that raises takes the others along", EXECUTOR,
        "    except Exception as error:  # noqa: BLE001", "    except KeyboardInterrupt as error:  #", BY_EXECUTOR,
    ),
    Mutant(
        "a refused port is not told by its number", EXECUTOR, "error.hint, error.port)", "error.hint)", BY_EXECUTOR
    ),
    Mutant(
        "tombstones are buried too early", RECONCILE,
        "_gone(parts, done)", "set(graph.removed)", BY_RECONCILE,
    ),
    Mutant(
        "an engine that is silent has nothing left", "reconciler/core/teardown.py",
        "looked_for = not _problem(graph, snapshot, key, resource) and key not in ours", "looked_for = key not in ours",
        BY_RECONCILE,
    ),
    Mutant(
        "the back-off is dropped with the pass", RECONCILE,
        "        parts.store.write_journal(changed)\n", "        pass\n", BY_RECONCILE,
    ),
    Mutant(
        "an unknown outcome counts as a failure", "reconciler/core/backoff.py",
        "        case Result.REFUSED | Result.FAILED:\n",
        "        case Result.REFUSED | Result.FAILED | Result.UNKNOWN:\n", BY_BACKOFF,
    ),
    Mutant(
        "an error of the engine is an empty world", f"{DOCKER}/runtime.py",
        "return View(self.name, self.host, problem=error.message, hint=error.hint)",
        "return View(self.name, self.host)", BY_SILENCE,
    ),
    Mutant(
        "a lost answer is a refusal", f"{DOCKER}/errors.py",
        "def unknown(doing: str, cause: str) -> OutcomeUnknown:\n",
        "def unknown(doing: str, cause: str) -> OutcomeUnknown:\n    return Refused(doing)  # type: ignore\n",
        BY_SILENCE,
    ),
    Mutant(
        "granted ports are not written down", "reconciler/model/labels.py",
        "    if desired.grants:\n", "    if False:\n",
        (f"{CONTRACT}::TestWhose::test_labels_come_back_as_they_went[process]",),
    ),
    Mutant(
        "processes are addressed by name instead of id", PROCESS,
        '        if known is None or known["id"] != seen.id:\n', "        if known is None:\n",
        (f"{CONTRACT}::TestLife::test_an_old_id_does_not_reach_the_new_one[process]",),
    ),
    Mutant(
        "an older version that runs is taken for the new one", PROCESS,
        "        if now.fingerprint != desired.fingerprint:\n", "        if False:\n",
        ("tests/process/test_survival.py::test_another_version_does_not_replace_one_that_runs",),
    ),
    Mutant(
        "a home that can't be read is an empty one", PROCESS,
        "        except OSError as error:\n            return View(\n",
        "        except OSError as error:\n            return View(self.name, self.host)\n            return View(\n",
        ("tests/process/test_surroundings.py::test_a_home_that_cannot_be_read_is_a_problem_and_not_an_empty_one",),
    ),
    Mutant(
        "who has a process's place is not asked whose he is", PROCESS,
        "        if now.key is None:\n            raise NameTaken(", "        if False:\n            raise NameTaken(",
        (f"{CONTRACT}::TestWhose::test_a_foreign_thing_in_the_way_is_reported_and_left_alone[process]",),
    ),
    Mutant(
        "what a policy forbids is fetched and stopped for before it is refused", GUARD,
        "        self._guard.admit(desired)\n        self._runtime.prepare", "        self._runtime.prepare", BY_GUARD,
    ),
    Mutant(
        "who starts again is not looked at again", GUARD,
        "        self._guard.admit(desired)\n        self._runtime.start", "        self._runtime.start", BY_GUARD,
    ),
    Mutant(
        "a Source whose mark is not whole is a person", "reconciler/model/resource.py",
        'RESTRICTED_PROFILE if SOURCE in self.annotations else ""', '""', BY_GUARD,
    ),
    Mutant(
        "links are not followed before a path is judged", RULES,
        "for place in (clean(path), landing.path):", "for place in (clean(path),):", BY_RULES,
    ),
    Mutant(
        "a path that holds the engine's socket is harmless", RULES,
        "if beneath(place, one) or beneath(one, place)), None)", "if beneath(place, one)), None)", BY_RULES,
    ),
    Mutant(
        "a socket under a name of its own is a file", RULES, "    if landing.special:\n", "    if False:\n", BY_RULES,
    ),
    Mutant(
        "marks of ours may stand in a spec", "reconciler/core/parse.py",
        "        if metadata and not self.kept:\n", "        if False:\n", BY_GUARD,
    ),
    Mutant(
        "a policy file that others may write is one", "reconciler/sources/policyfile.py",
        "stat.S_IWGRP | stat.S_IWOTH", "0", ("tests/sources/test_policyfile.py",),
    ),
    Mutant(
        "a wake-up during the work is lost", QUEUE,
        "                self._again.discard(key)\n                self._waiting.append(key)\n",
        "                self._again.discard(key)\n", BY_QUEUE,
    ),
    Mutant("a key is in two hands", QUEUE, "if key in self._at_work:\n", "if False:\n", BY_QUEUE),
    Mutant("a key waits twice", QUEUE, "elif key not in self._waiting:\n", "else:\n", BY_QUEUE),
    Mutant(
        "who is due takes along who is not", "reconciler/engine/loop/schedule.py",
        "                        del self._due[key]\n", "                        self._due.clear()\n", BY_QUEUE,
    ),
    Mutant(
        "who sleeps does not hear of an earlier moment", "reconciler/engine/loop/schedule.py",
        "            self._due[key] = self._clock() + seconds\n            self._changed.notify()\n",
        "            self._due[key] = self._clock() + seconds\n", BY_QUEUE, slow=True,
    ),
    Mutant(
        "the back-off begins anew with each failure", "reconciler/core/backoff.py",
        "if _calm(key, record, restart, now) else record", "if True else record", BY_BACKOFF,
    ),
    Mutant(
        "there is no back-off", "reconciler/core/backoff.py",
        "    if until <= now:\n        return None\n", "    return None\n", BY_BACKOFF,
    ),
    Mutant(
        "what raised is not tried again", LOOP,
        "        return spread(min(RETRY_FIRST * 2.0**known.times, RETRY_LONGEST))\n",
        "        return spread(RETRY_LONGEST)\n",
        (f"{BY_LOOP}trouble_in_one_namespace_keeps_nobody_from_another_and_is_tried_again",), slow=True,
    ),
    Mutant(
        "the next round never comes", LOOP, "return spread(self._resync)\n", "return None\n",
        (f"{BY_LOOP}F17_what_no_alarm_told_is_found_by_the_next_round",), slow=True,
    ),
    Mutant(
        "who passes himself is not left alone", LOOP,
        "self._is_left(namespace)) > 0:\n", "self._is_left(namespace)) < 0 and False:\n",
        (f"{BY_LOOP}who_makes_its_passes_himself_is_left_alone_and_it_is_looked_at_when_he_has_gone",),
    ),
    Mutant(
        "whom a command has left nobody looks at", LOOP,
        "            for namespace in namespaces:\n                self.look_at(namespace)\n", "",
        (f"{BY_LOOP}who_makes_its_passes_himself_is_left_alone_and_it_is_looked_at_when_he_has_gone",), slow=True,
    ),
    Mutant(
        "a round is spared though not all is at rest", LOOP, "(at_rest=self._at_rest())", "(at_rest=True)",
        (f"{BY_LOOP}a_round_over_a_world_that_is_not_at_rest_looks",),
    ),
    Mutant(
        "stillness compares nothing", STILLNESS, " and all(now) and now == self._before", "",
        (f"{BY_LOOP}a_round_is_spared_only_when_all_is_at_rest_and_looks_as_before",),
    ),
    Mutant(
        "what can't be told is as it was", STILLNESS, " and all(now)", "",
        (f"{BY_LOOP}a_round_is_spared_only_when_all_is_at_rest_and_looks_as_before",),
    ),
    Mutant(
        "rounds are spared for ever", STILLNESS, " and self._spared < MOST", "",
        (f"{BY_LOOP}a_look_is_taken_every_so_often_in_any_case",),
    ),
    Mutant(
        "what is compared was taken in after the passes", STILLNESS,
        "        if at_rest and all(now)",
        "        self._before = now if self._before and not self._spared else self._before\n"
        "        if at_rest and all(now)",
        (f"{BY_LOOP}what_changes_while_the_passes_look_is_not_taken_for_how_it_has_always_been",),
    ),
    Mutant(
        "who is disturbed stays still", STILLNESS, "        self._before = ()\n", "        pass\n",
        (f"{BY_LOOP}who_is_disturbed_looks",),
    ),
    Mutant(
        "a dead thread goes unnoticed", SUPERVISE, "[*self._ended, *stuck]", "[*stuck]",
        (f"{BY_LOOP}F12_a_thread_that_died_is_told",), slow=True,
    ),
    Mutant(
        "a stuck thread goes unnoticed", SUPERVISE, "[*self._ended, *stuck]", "[*self._ended]",
        (f"{BY_LOOP}F12_one_that_is_stuck_is_told",), slow=True,
    ),
    Mutant(
        "what took long does not tell of its end", "reconciler/engine/loop/unhurried.py",
        "        if job.over_at - began > self._patience:\n", "        if False:\n",
        (f"{BY_LOOP}a_slow_verb_goes_on_behind_and_is_told_when_it_is_over",), slow=True,
    ),
    Mutant(
        "who asks for what is under way begins it once more", "reconciler/engine/loop/unhurried.py",
        "            if job is None:\n", "            if True:\n",
        (f"{BY_LOOP}a_slow_verb_goes_on_behind_and_is_told_when_it_is_over",), slow=True,
    ),
    Mutant(
        "a command does not hand over", "reconciler/api/handover.py",
        "        line = connect(self._home)\n", "        line = None\n",
        ("tests/daemon/test_parts.py::test_a_command_lets_the_daemon_of_its_home_make_its_passes",),
    ),
    Mutant(
        "the end of watch takes along what it brought", "reconciler/daemon/guests.py",
        "            for key in mine & set(_left(parts)):\n                parts.source.forget(key)\n",
        "            parts.source.keep([replace(guest, deleting=True) for guest in guests])\n", BY_ALONE,
    ),
    Mutant(
        "a second daemon is let in", "reconciler/daemon/lock.py",
        "    if not locked(descriptor):", "    if not locked(descriptor, shared=True):",
        ("tests/daemon/test_parts.py::test_F8_the_lock_tells_who_has_it",),
    ),
    Mutant(
        "systemd ends the workloads along with the daemon", "reconciler/daemon/unit.py",
        "KillMode=process", "KillMode=control-group",
        ("tests/daemon/test_parts.py::test_F11_its_unit_stops_nothing_but_itself",),
    ),
    Mutant(
        "who is new is found only at the beginning", "reconciler/runtimes/process/exits.py",
        "due = time.monotonic() + self._rescan\n", "due = 1e12\n",
        ("tests/process/test_exits.py::test_one_that_is_started_again_is_watched_again_without_being_told_to",),
        slow=True,
    ),
    Mutant(
        "the engine's events are followed once", "reconciler/runtimes/docker/events.py",
        "            lasted = self._follow(tell, stopping) > LONGEST_PAUSE\n",
        "            return self._follow(tell, stopping) and None\n",
        ("tests/docker/test_events.py",), engine=True,
    ),
    Mutant(
        "who leaves nothing behind needs no word", "reconciler/core/brake.py",
        "    if not stays:\n", "    if False:\n", ("tests/core/test_brake.py",),
    ),
    Mutant(
        "half a revision is kept", "reconciler/engine/gitops/documents.py",
        "    documents = parse(checkout.texts, environment=environment, namespace=namespace)\n",
        "    documents = []\n    for text in checkout.texts:\n        try:\n"
        "            documents += parse([text], environment=environment, namespace=namespace)\n"
        "        except SpecError:\n            continue\n",
        (f"{BY_SYNC}F40_a_broken_file_costs_the_whole_revision_and_nothing_that_runs",),
    ),
    Mutant(
        "what does not link is kept", SYNC, "        if problems:\n            raise SpecError(problems)\n", "",
        (f"{BY_SYNC}what_links_to_nothing_is_told_with_its_line",),
    ),
    Mutant(
        "two Sources take turns", SYNC, "            if other and other in kept and not kept[other].deleting:\n",
        "            if False:\n", (f"{BY_SYNC}two_sources_do_not_bring_the_same",),
    ),
    Mutant(
        "a revision that was left comes at once again", SYNC, "        if checkout.revision == self.known.bad:\n",
        "        if False:\n", (f"{BY_GIT}a_revision_that_does_not_become_ready_is_left_again",),
    ),
    Mutant(
        "nobody needs to have signed", "reconciler/sources/verify.py",
        "        if not mirror.verify(commit, settings", "        if False and not mirror.verify(commit, settings",
        (f"{BY_GIT}F45_an_unsigned_commit_is_refused_wherever_it_stands",),
    ),
    Mutant(
        "the policy has nothing to say", GUARD,
        "        fault = next(payload_violations(desired, profile, self.machine), None)\n", "        fault = None\n",
        BY_GUARD,
    ),
    Mutant(
        "a look is cut short by one container", f"{DOCKER}/runtime.py",
        "(KeyError, TypeError, ValueError, AttributeError) as error:\n",
        "(KeyError, TypeError, ValueError, AttributeError) as error:\n            return ()\n", BY_SILENCE,
    ),
    Mutant(
        "containers are removed by name instead of id", f"{DOCKER}/containers.py",
        'f"/containers/{seen.id}?v={int(not seen.adopted)}"', 'f"/containers/{seen.name}?v=1"',
        (f"{CONTRACT}::TestLife::test_an_old_id_does_not_reach_the_new_one[docker]",), engine=True,
    ),
    Mutant(
        "containers are stopped by name instead of id", f"{DOCKER}/containers.py",
        'f"/containers/{seen.id}/stop?t={seconds}"', 'f"/containers/{seen.name}/stop?t={seconds}"',
        ("tests/docker/test_by_id.py",), engine=True,
    ),
    Mutant(
        "a running container is removed by force", f"{DOCKER}/containers.py",
        "?v={int(not seen.adopted)}", "?v=1&force=1",
        ("tests/docker/test_containers.py::test_a_running_container_is_not_removed",), engine=True,
    ),
    Mutant(
        "whoever has the name is the one that was to be made", f"{DOCKER}/containers.py",
        "        if not same:\n", "        if False:\n", ("tests/docker/test_containers.py", CONTRACT), engine=True,
    ),
    Mutant(
        "files are not delivered before a start", f"{DOCKER}/containers.py",
        "        files.deliver(self._connection, container, payload, doing)\n", "",
        ("tests/docker/test_containers.py",), engine=True,
    ),
    Mutant(
        "a Source has no brake", SYNC, "        if why:\n", "        if False:\n",
        (f"{BY_SYNC}F43_an_emptied_directory_waits_for_a_person",),
    ),
    Mutant(
        "a word for one thing is a word for all", SYNC,
        "if plan not in self.feeds.confirmed(self.key):",
        "if not self.feeds.confirmed(self.key):",
        (f"{BY_SYNC}F43_a_confirmation_is_of_one_plan_and_of_no_other",),
    ),
    Mutant(
        "a file that is away for a moment is deleted", SYNC, "        if fresh:\n", "        if False:\n",
        (f"{BY_SYNC}F40_a_file_that_is_away_for_a_moment_deletes_nothing",),
    ),
    Mutant(
        "prune: false deletes all the same", SYNC, "if not self.spec.prune or not gone:", "if not gone:",
        (f"{BY_SYNC}without_prune_nothing_is_ever_taken_down",),
    ),
    Mutant(
        "a failed sync is tried without a pause between", SYNC, "2.0 ** min(failures - 1, 30)", "1.0",
        (f"{BY_SYNC}a_failure_is_tried_again_ever_more_seldom",),
    ),
    Mutant(
        "all waves come at once", "reconciler/core/waves.py", "        if waiting and _more(wanted, wave, changed):",
        "        if False:", (f"{BY_SYNC}waves_wait_for_one_another",),
    ),
    Mutant(
        "a directory that is not there is an empty one", "reconciler/sources/directory.py",
        "        raise Unreadable(error.message, hint=_hint(path)) from error\n", "        return {}\n",
        (f"{BY_SYNC}F43_a_directory_that_can_not_be_read_is_not_an_empty_one[missing]",),
    ),
    Mutant(
        "a rewound branch is taken", SYNC, "        if checkout.rewound:\n", "        if False:\n",
        (f"{BY_GIT}F44_a_branch_that_was_rewound_is_held_until_a_person_says_yes",),
    ),
    Mutant(
        "only the head has to be signed", "reconciler/sources/git.py",
        "        if not since:\n            return [head]\n", "        return [head]\n",
        (f"{BY_GIT}F45_an_unsigned_commit_is_refused_wherever_it_stands",),
    ),
    Mutant(
        "links lead out of a repository", "reconciler/sources/repository.py",
        'if led.startswith(("/", "../")) or led == "..":', "if False:",
        (f"{BY_GIT}a_link_out_of_the_repository_is_refused",),
    ),
    Mutant(
        "a Source takes over what a person applied", SYNC, "        if foreign:\n", "        if False:\n",
        (f"{BY_GIT}what_a_person_applied_is_not_taken_over_without_a_word",),
    ),
    Mutant(
        "what waits for a start is started by an apply", "reconciler/engine/edits.py",
        "    return wanted if runs else stop(wanted)\n", "    return wanted\n",
        ("tests/engine/test_edits.py::test_K15_a_later_apply_leaves_it_as_people_did",),
    ),
    Mutant(
        "what nobody declares is taken down unasked", "reconciler/cli/all_instances.py",
        "    if undeclared:\n", "    if True:\n",
        ("tests/cli/test_instances.py::test_K7_what_is_declared_and_what_runs_undeclared_stand_in_one_list",),
        slow=True,
    ),
)  # fmt: skip
