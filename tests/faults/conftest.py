"""The same stages as elsewhere: a machine with native processes only, and one with the engine that all tests share."""

from tests.cli.conftest import environment, machine, user_home
from tests.scenarios.conftest import busy_port, free_port, stage

__all__ = ["busy_port", "environment", "free_port", "machine", "stage", "user_home"]
