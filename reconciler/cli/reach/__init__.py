"""The way into a workload: who is meant (`inside`), started before if need be (`entering`), and what goes along."""
