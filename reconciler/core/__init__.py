"""The brain: pure functions from what is wanted and what is seen to what is to be done."""
