"""When `make up` has to collect static files anew, and which."""

from __future__ import annotations

import hashlib
from pathlib import Path

# What no page names; whoever asks for it by its plain name gets it all the same.
LEFT_OUT = ("*.map", "*.rtl.*", "*.esm.*", "redoc", "rest_framework", "htmax-*", "htmx-4*", "ext")
MARK = "collected.txt"  # beside the files: what they were collected from


def collect_arguments() -> list[str]:
    """Return the command of manage.py that writes the files to STATIC_ROOT."""
    ignored = [f"--ignore={pattern}" for pattern in LEFT_OUT]
    return ["collectstatic", "--noinput", "--verbosity=0", *ignored]


def fingerprint(project: Path) -> str:
    """Return what changes with any static file: ours by their stamps, others' by the lock."""
    digest = hashlib.sha256(" ".join(LEFT_OUT).encode())
    for path in (project / "requirements" / "base.txt", project / "config" / "staticfiles.py"):
        digest.update(path.read_bytes() if path.is_file() else b"-")
    for path in sorted((project / "static").rglob("*")):
        if path.is_file():
            stat = path.stat()
            said = f"{path.relative_to(project)} {stat.st_size} {stat.st_mtime_ns}\n"
            digest.update(said.encode())
    return digest.hexdigest()


def is_collected(project: Path, root: Path) -> bool:
    """Return whether `root` holds the files of the project as they are."""
    mark = root / MARK
    return mark.is_file() and mark.read_text() == fingerprint(project)


def note_collected(project: Path, root: Path) -> None:
    """Remember what the files in `root` were collected from."""
    (root / MARK).write_text(fingerprint(project))
