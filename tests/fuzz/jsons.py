"""JSON as bytes, right and nearly right: names twice, numbers of any length, odd escapes."""

from __future__ import annotations

from hypothesis import strategies as st

NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "1",
        "-1",
        "1.5",
        "1e5",
        "1E+05",
        "1e-400",
        "1e999",
        "-1e999",
        "1e9",
        "1000000001",
        "0.1" + "0123456789" * 40,
        "9" * 400,
        "9" * 5000,
        "007",
        "+1",
        ".5",
        "1.",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "١",
        "9223372036854775808",
        "4.9e-324",
    ]
) | st.floats(allow_nan=True).map(repr)
_INSIDE = st.sampled_from(
    [
        r"\u0000",
        r"\ud800",
        r"\udc00x",
        r"\ud83d\ude00",
        r"\n",
        r"\x",
        r"\u12",
        "\\",
        '\\"',
        "\x00",
        "\x1f",
        "\n",
        "\x7f",
        "\u2028",
        "\ufeff",
        "\ufffe",
        "🐘",
        "é",
        "pass",
        " ",
        "x" * 300,
    ]
) | st.text(max_size=8)
TEXTS = st.lists(_INSIDE, max_size=4).map(lambda parts: '"' + "".join(parts) + '"')
SCALARS = st.one_of(
    NUMBERS, TEXTS, st.sampled_from(["null", "true", "false", "True", "None", '""', "{}", "[]"])
)


def values(inside: st.SearchStrategy[str] = SCALARS) -> st.SearchStrategy[str]:
    """Return JSON texts of any shape."""
    return st.recursive(
        inside,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]"),
            st.lists(st.tuples(TEXTS, inner), max_size=3).map(write_object),
        ),
        max_leaves=6,
    )


def write_object(pairs: list[tuple[str, str]]) -> str:
    """Return the text of an object, with each name as often as it is given."""
    return "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"


def nested(depth: int) -> str:
    """Return lists within lists."""
    return "[" * depth + "]" * depth


_STRAY = [b"\x00", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b",", b"}", b'"', b"\\"]


@st.composite
def torn(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Return bytes that are cut, doubled, or hold strangers here and there."""
    data = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["stray", "cut", "drop", "twice", "bit"]))
        if kind == "stray":
            data = data[:at] + draw(st.sampled_from(_STRAY) | st.binary(max_size=4)) + data[at:]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + 1 :]
        elif kind == "twice":
            data = data[:at] + data
        elif at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
    return data
