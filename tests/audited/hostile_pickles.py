"""Small pickles of PyTorch files that would take a process, its memory or its time, instruction by instruction.

They are what no pickler writes. Were one obeyed, it would end the interpreter, or nearly.
"""

NUMBER = b"K\x01"
NESTED = b")" + b"\x85" * 200_000
"""A tuple in a tuple in a tuple..., to hash which recurses."""
SHARED = b")" + b"q\x00h\x00\x86" * 60
"""A pair of the same pair of the same pair...: 2^60 parts to hash, compare or print."""
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def dictionary(key: bytes, value: bytes) -> bytes:
    return b"\x80\x02}" + key + value + b"s."


def storage(
    kind: bytes = b"ctorch\nFloatStorage\n", key: bytes = text("0"), count: bytes = b"K\x0c"
) -> bytes:
    return b"(" + text("storage") + kind + key + text("cpu") + count + b"tQ"


def shaped(
    shape: bytes, strides: bytes = b"K\x04K\x01\x86", offset: bytes = b"K\x00", row: bytes = b""
) -> bytes:
    return REBUILD + b"(" + (row or storage()) + offset + shape + strides + b"tR"


def long_number(size: int) -> bytes:
    return b"\x8b" + size.to_bytes(4, "little") + b"\x01" * size


SHAPE = b"K\x03K\x04\x86"
HOSTILE: dict[str, bytes] = {
    "nested key": dictionary(NESTED, NUMBER),
    "shared key": dictionary(SHARED, NUMBER),
    "nested value": dictionary(text("a"), NESTED),
    "shared value": dictionary(text("a"), SHARED),
    "shared key of an ordered dictionary": b"ccollections\nOrderedDict\n)R" + SHARED + NUMBER + b"s.",
    "shared count": dictionary(text("a"), shaped(SHAPE, row=storage(count=SHARED))),
    "shared dtype": dictionary(text("a"), shaped(SHAPE, row=storage(kind=SHARED))),
    "shared key of a storage": dictionary(text("a"), shaped(SHAPE, row=storage(key=SHARED))),
    "shared reference": dictionary(text("a"), shaped(SHAPE, row=SHARED + b"Q")),
    "shared shape": dictionary(text("a"), shaped(SHARED)),
    "shared offset": dictionary(text("a"), shaped(SHAPE, offset=SHARED)),
    "shape with text": dictionary(text("a"), shaped(text("x" * 99_999) + b"J\x30\x75\x00\x00\x86")),
    "shape with a huge number": dictionary(text("a"), shaped(long_number(100_000) + NUMBER + b"\x86")),
    "shape of huge numbers": dictionary(text("a"), shaped(b"(" + (b"\x8a\x08" + b"\x7f" * 8) * 9_999 + b"t")),
    "count with a huge number": dictionary(text("a"), shaped(SHAPE, row=storage(count=long_number(100_000)))),
    "count of much": dictionary(text("a"), shaped(SHAPE, row=storage(count=b"\x8a\x06" + b"\x7f" * 6))),
    "strides that overflow": dictionary(
        text("a"), shaped(NUMBER + b"\x85", b"\x8a\x08" + b"\x7f" * 8 + b"\x85")
    ),
    "list in itself": dictionary(text("a"), b"]q\x00h\x00a"),
    "parameter of itself": dictionary(text("a"), b"ctorch.nn.parameter\nParameter\n]q\x00h\x00aR" + b"}b"),
    "calls of a long list": dictionary(text("a"), b"](" + NUMBER * 9_999 + b"eq\x000" + NUMBER),
    "a million instructions": b"\x80\x02" + b"N" * 2**20 + b".",
    "text that claims a gigabyte": b"\x80\x02X\x00\x00\x00\x40.",
    "digits without end": b"\x80\x02I" + b"7" * 1_000_000 + b"\n.",
}
