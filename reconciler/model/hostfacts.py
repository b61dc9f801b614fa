"""What a machine says about itself, and who looks after it."""

from __future__ import annotations

from reconciler.values import dataclass


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Empty where there is no such thing, or nobody would say. All of it is the machine's own word."""

    os: str = ""
    kernel: str = ""
    arch: str = ""
    user: str = ""
    uid: int = -1
    home: str = ""
    boot_id: str = ""
    engine_socket: str = ""
    """Of a container engine that this user may talk to."""
    locked_socket: str = ""
    """Of one that is there, and to which it may not."""
    cgroups: str = ""
    """v2, hybrid or v1."""
    wg: str = ""
    wireguard_go: str = ""
    wireguard_kernel: bool = False
    tun: bool = False
    python3: str = ""
    clock_skew: float = 0.0
    """By how many seconds its clock is ahead of ours."""
    clock_error: float = 0.0
    """How far from that it may be."""

    @property
    def wireguard(self) -> str:
        """By what it could be part of a mesh."""
        if self.wireguard_kernel:
            return "kernel"
        return "wireguard-go" if self.wireguard_go and self.tun else "none"

    @property
    def skew(self) -> float:
        """In whole seconds; none where it can't be told from the time that a question takes."""
        return float(round(self.clock_skew)) if abs(self.clock_skew) > 1 + self.clock_error else 0.0


@dataclass(frozen=True, slots=True)
class Lease:
    """Of those who could change things under one account of a host, who may."""

    owner: str
    who: str
    seconds: int
    """For so long, unless it is renewed."""
