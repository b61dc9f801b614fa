"""How resources are made real. Each observes, and has five verbs."""
