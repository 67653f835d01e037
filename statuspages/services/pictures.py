"""What a picture is, read from its first bytes; nothing is decoded."""

from __future__ import annotations

import struct

MOST_PIXELS = 8192  # on either side
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class BadPicture(Exception):  # noqa: N818 - it names what was given
    """The bytes are no picture that a page may show; `str` says why."""


def read_picture(content: bytes) -> str:
    """Return the media type of a picture. Raises BadPicture.

    It must begin as its format says, and be at most 8192 pixels wide and high.
    """
    for magic, content_type, measure in (
        (b"\x89PNG\r\n\x1a\n", "image/png", _measure_png),
        (b"\xff\xd8\xff", "image/jpeg", _measure_jpeg),
        (b"GIF87a", "image/gif", _measure_gif),
        (b"GIF89a", "image/gif", _measure_gif),
        (b"RIFF", "image/webp", _measure_webp),
        (b"\x00\x00\x01\x00", "image/vnd.microsoft.icon", _measure_ico),
    ):
        if content.startswith(magic):
            try:
                size = measure(content)
            except (struct.error, IndexError):
                size = None
            if size is None or 0 in size:
                raise BadPicture("The picture is damaged.")
            if max(size) > MOST_PIXELS:
                raise BadPicture(f"Must be at most {MOST_PIXELS} pixels wide and high.")
            return content_type
    raise BadPicture("Must be a PNG, JPEG, GIF, WebP or ICO picture.")


def _measure_png(content: bytes) -> tuple[int, int] | None:
    if content[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _measure_gif(content: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _measure_jpeg(content: bytes) -> tuple[int, int] | None:
    place = 2
    while content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _JPEG_ALONE:
            place += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", content, place + 2)
            place += 2 + length
    return None


def _measure_webp(content: bytes) -> tuple[int, int] | None:
    if content[8:12] != b"WEBP":
        return None
    chunk = content[12:16]
    if chunk == b"VP8X":
        wide, high = content[24:27], content[27:30]
        if len(high) < 3:
            return None
        return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    if chunk == b"VP8L" and content[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _measure_ico(content: bytes) -> tuple[int, int] | None:
    (count,) = struct.unpack_from("<H", content, 4)
    # Every entry must lie within the file; a 0 for a side means 256.
    for index in range(count):
        length, offset = struct.unpack_from("<II", content, 6 + 16 * index + 8)
        if offset + length > len(content):
            return None
    return (256, 256) if count else None
