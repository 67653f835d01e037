"""A request as a small file: a line of method and target, headers, an empty line, the body."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_PIECES = b"in-pieces"  # how many parts a chunked body comes in
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Asked:
    """One request; the target may hold {slug}, {name} and {token}."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    pieces: int = 0
    query: bytes = b""

    def written(self) -> bytes:
        """Return the file's content."""
        query = b"?" + self.query if self.query else b""
        lines = [self.method.encode() + b" " + self.target.encode() + query]
        lines += [name + b": " + value for name, value in self.headers]
        if self.pieces:
            lines.append(_PIECES + b": %d" % self.pieces)
        return b"\n".join(lines) + b"\n\n" + self.body

    def save(self, folder: Path) -> Path:
        """Keep the request among the corpus of `folder`, named by its content."""
        content = self.written()
        path = folder / f"found-{hashlib.sha256(content).hexdigest()[:12]}"
        path.write_bytes(content)
        return path


def read_asked(content: bytes) -> Asked:
    """Return the request that a file holds."""
    head, _, body = content.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, rest = first.partition(b" ")
    target, _, query = rest.partition(b"?")
    pairs = [line.partition(b": ")[::2] for line in lines]
    pieces = [int(value) for name, value in pairs if name == _PIECES]
    return Asked(
        method=method.decode(),
        target=target.decode(),
        headers=tuple((name, value) for name, value in pairs if name != _PIECES),
        body=body,
        pieces=pieces[0] if pieces else 0,
        query=query,
    )


def corpus(name: str) -> dict[str, Asked]:
    """Return the saved requests of one endpoint, by file name."""
    files = sorted((CORPUS / name).iterdir())
    return {path.name: read_asked(path.read_bytes()) for path in files if path.is_file()}
