"""How editors and tools write a file: the calls they made when they were watched with strace, to be made again.

Each line is a call: `new` opens a name that must not exist, `truncate` one that may, `open` leaves what is there.
`write` puts the new content there, `half` its first half; `wait` is a disk, or a program, that takes its time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

HOUR = 3600
Call = Callable[[list[Path], list[str], str], object]

TRACES = {
    # vim 9.0, as it comes: a trial file, the old one renamed, a new one written
    "vim": """
        new .web.yaml.swp; new .web.yaml.swx; remove .web.yaml.swx; remove .web.yaml.swp; new .web.yaml.swp
        mode .web.yaml.swp 644; new 4913; remove 4913; rename web.yaml web.yaml~
        open web.yaml; write web.yaml; mode web.yaml 644; remove web.yaml~; remove .web.yaml.swp
    """,
    # the same with backupcopy=yes, and where /tmp is spared backups
    "vim in place": "new .web.yaml.swp; open web.yaml; write web.yaml; mode web.yaml 644; remove .web.yaml.swp",
    "vim on a slow disk": """
        new .web.yaml.swp; new 4913; remove 4913; rename web.yaml web.yaml~; wait 0.8; open web.yaml; wait 0.8
        half web.yaml; wait 0.8; write web.yaml; remove web.yaml~; remove .web.yaml.swp
    """,
    "nano": "truncate web.yaml; write web.yaml",
    # nano -B -G: a backup with the time of the old one, and a lock
    "nano with a backup": """
        new .web.yaml.swp; remove .web.yaml.swp; new .web.yaml.swp; new web.yaml~; mode web.yaml~ 644
        copy web.yaml web.yaml~; times web.yaml~; truncate web.yaml; write web.yaml; remove .web.yaml.swp
    """,
    # Emacs: a lock that is a link to nowhere and is called like a spec, an autosave, the old one renamed
    "emacs": """
        link someone@host.4711:1795252911 .#web.yaml; truncate #web.yaml#; half #web.yaml#
        rename web.yaml web.yaml~; truncate web.yaml; write web.yaml; mode web.yaml 644; remove #web.yaml#
        remove .#web.yaml
    """,
    "VS Code": "truncate web.yaml; write web.yaml",
    "VS Code over a slow line": "truncate web.yaml; wait 0.8; half web.yaml; wait 0.8; write web.yaml",
    "VS Code, atomically": "truncate web.yaml.vsctmp; write web.yaml.vsctmp; rename web.yaml.vsctmp web.yaml",
    # JetBrains, safe write
    "JetBrains": """
        truncate web.yaml___jb_tmp___; write web.yaml___jb_tmp___; rename web.yaml web.yaml___jb_old___
        rename web.yaml___jb_tmp___ web.yaml; remove web.yaml___jb_old___
    """,
    "sed -i": "new sed3Fucq7; write sed3Fucq7; mode sed3Fucq7 644; rename sed3Fucq7 web.yaml",
    # rsync -a: with the times of the origin, of the directory too
    "rsync": """
        new .web.yaml.9qbhPK; half .web.yaml.9qbhPK; wait 0.5; write .web.yaml.9qbhPK; mode .web.yaml.9qbhPK 600
        times .web.yaml.9qbhPK; mode .web.yaml.9qbhPK 644; rename .web.yaml.9qbhPK web.yaml; times .
    """,
    "rsync in place": "open web.yaml; half web.yaml; write web.yaml; times web.yaml; times .",
    "gone for two seconds": "rename web.yaml aside; wait 2; remove aside; truncate web.yaml; write web.yaml",
}


def replay(trace: str, directory: Path, content: str) -> None:
    for line in filter(str.strip, trace.replace("\n", ";").split(";")):
        verb, *words = line.split()
        VERBS[verb]([directory / word for word in words], words, content)


def _wait(_: list[Path], words: list[str], __: str) -> None:
    time.sleep(float(words[0]))  # the pace of the writer is what is tested


def _opener(flags: int) -> Call:
    return lambda paths, _, __: os.close(os.open(paths[0], flags | os.O_CREAT, 0o644))


def _write(path: Path, content: str) -> None:
    """Over what is there, as one write: nothing is truncated that was not asked to be."""
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, content.encode())
    os.fsync(descriptor)
    os.close(descriptor)


VERBS: dict[str, Call] = {
    "new": _opener(os.O_RDWR | os.O_EXCL),
    "open": _opener(os.O_WRONLY),
    "truncate": _opener(os.O_WRONLY | os.O_TRUNC),
    "write": lambda paths, _, content: _write(paths[0], content),
    "half": lambda paths, _, content: _write(paths[0], content[: len(content) // 2]),
    "copy": lambda paths, _, __: paths[1].write_bytes(paths[0].read_bytes()),
    "rename": lambda paths, _, __: paths[0].rename(paths[1]),
    "remove": lambda paths, _, __: paths[0].unlink(),
    "link": lambda paths, words, _: paths[1].symlink_to(words[0]),
    "mode": lambda paths, words, _: paths[0].chmod(int(words[1], 8)),
    "times": lambda paths, _, __: os.utime(paths[0], (time.time(), time.time() - HOUR)),
    "wait": _wait,
}
