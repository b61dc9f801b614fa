"""The shell around the brain: looks, acts, waits and tells. Decides nothing."""
