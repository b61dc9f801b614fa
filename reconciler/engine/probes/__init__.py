"""Probes: `prober` knows which are due and what they said, `questions` asks one, a `pool` of threads many at once."""
