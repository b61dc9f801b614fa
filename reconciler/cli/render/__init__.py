"""Values become text here, and nowhere else."""
