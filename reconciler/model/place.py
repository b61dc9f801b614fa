"""Where things are made real: a runtime on a host."""

from __future__ import annotations

from functools import lru_cache
from typing import Self

LOCAL = "local"


class Place(str):
    """Compares and prints as `docker`, which is here, or `docker@node1`. So what knows of one machine only need not
    know of places at all.
    """

    __slots__ = ()

    def __new__(cls, runtime: str, host: str = LOCAL) -> Self:
        return super().__new__(cls, runtime if host == LOCAL else f"{runtime}@{host}")

    @classmethod
    def of(cls, text: str) -> Self:
        """As it was printed."""
        runtime, _, host = text.partition("@")
        return cls(runtime, host or LOCAL)

    @property
    def runtime(self) -> str:
        return self.partition("@")[0]

    @property
    def host(self) -> str:
        return self.partition("@")[2] or LOCAL

    @property
    def engine(self) -> Place:
        """Where networks and volumes of containers on the same host lie."""
        return Place("docker", self.host)


@lru_cache(maxsize=1024)
def place(runtime: str, host: str) -> Place:
    """The same one, for who asks again and again."""
    return Place(runtime, host)
