"""The diary: what happened and what failed lately. Deleting it changes nothing in the world."""
