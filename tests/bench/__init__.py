"""How long things take, beside the least that the same work can take, measured in the same run."""
