"""The shell around the brain: looks, acts, waits and tells. Decides nothing.

One pass is `reconcile`: `observer` looks, core's planner decides, `executor` acts through `guard`; `settle` repeats it
until nothing is left to do. `controller` is what verbs call: `edits` changes what is desired, `fulfil` has it stand and
says what came of it (a `report`), `looking` only shows. `loop` makes the same passes for ever, `probes` asks workloads
how they are, `places` has the runtimes of all hosts, `gitops` brings what Sources declare into what is desired.
"""
