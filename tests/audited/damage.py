"""Good files, damaged at random."""

from hypothesis import strategies as st

MAGIC = (
    b"\x00" * 8,
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b'"',
    b"[" * 40,
    b"\x1b[2J",
    b"\n",
)
"""What readers tend to fall over: the largest and smallest numbers, no numbers, an open bracket, control characters."""


@st.composite
def damaged(draw: st.DrawFn, content: bytes, most: int = 1) -> bytes:
    """`content` up to `most` times cut short, with a bit flipped, with bytes replaced, added, repeated or taken out; or
    other bytes."""
    for _ in range(draw(st.integers(1, most)) if most > 1 else 1):
        content = draw(_once(content))
    return content


@st.composite
def _once(draw: st.DrawFn, content: bytes) -> bytes:
    kind = draw(st.sampled_from(["cut", "flip", "replace", "insert", "remove", "turn", "repeat", "other"]))
    if kind == "other" or not content:
        return draw(st.binary(max_size=40))
    start = draw(st.integers(0, len(content) - 1))
    before, after = content[:start], content[start:]
    if kind in ("cut", "turn"):
        return before if kind == "cut" else after + before
    if kind == "flip":
        return before + bytes([after[0] ^ 1 << draw(st.integers(0, 7))]) + after[1:]
    if kind == "repeat":
        return before + after[: draw(st.integers(1, 64))] * draw(st.sampled_from([2, 10, 1000])) + after
    some = draw(st.binary(min_size=1, max_size=12) | st.sampled_from(MAGIC))
    return before + (b"" if kind == "remove" else some) + (after if kind == "insert" else after[len(some) :])
