"""Writes tiny TIFF and NIfTI files field by field, so that any can be damaged; shares no code with what reads them."""

import gzip
import struct
from collections.abc import Mapping

_KINDS = {"H": 3, "I": 4, "Q": 16}


def tiff(
    strips: list[bytes],
    *,
    width: int = 6,
    height: int = 4,
    bits: tuple[int, ...] = (16,),
    order: str = "<",
    big: bool = False,
    changed: Mapping[int, tuple[str, tuple[int, ...]] | None] | None = None,
) -> bytes:
    """One directory: a header, the strips, the directory, and the values that do not fit into its fields.

    `changed` replaces fields by tag (or drops them): a kind of number (`H`, `I` or `Q`) and values.
    """
    start = 16 if big else 8
    offsets = [start + sum(map(len, strips[:place])) for place in range(len(strips))]
    fields: dict[int, tuple[str, tuple[int, ...]] | None] = {
        256: ("I", (width,)),
        257: ("I", (height,)),
        258: ("H", bits),
        259: ("H", (1,)),
        262: ("H", (1,)),
        273: ("I", tuple(offsets)),
        277: ("H", (len(bits),)),
        278: ("I", (-(-height // len(strips)),)),
        279: ("I", tuple(map(len, strips))),
        **(changed or {}),
    }
    body = b"".join(strips)
    at = start + len(body)
    number, room, head = ("Q", 8, "Q") if big else ("I", 4, "H")
    present = [(tag, *field) for tag, field in sorted(fields.items()) if field is not None]
    entry_bytes = 4 + 2 * room
    values_at = at + struct.calcsize("<" + head) + entry_bytes * len(present) + room
    directory, values = struct.pack(order + head, len(present)), b""
    for tag, kind, numbers in present:
        packed = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(packed) > room:
            place = struct.pack(order + number, values_at + len(values))
            values += packed
        else:
            place = packed.ljust(room, b"\0")
        directory += struct.pack(order + "HH" + number, tag, _KINDS[kind], len(numbers)) + place
    directory += struct.pack(order + number, 0)
    mark = b"II" if order == "<" else b"MM"
    magic = struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at)
    return mark + magic + body + directory + values


def nifti(
    voxels: bytes,
    *,
    shape: tuple[int, ...] = (3, 4, 2),
    datatype: int = 4,
    bits: int = 16,
    order: str = "<",
    second: bool = False,
    start: float = 0,
    magic: bytes | None = None,
) -> bytes:
    """A header of NIfTI-1, or NIfTI-2, and voxels right behind its extension flag."""
    dimensions = [len(shape), *shape, *[1] * (7 - len(shape))]
    if second:
        head = bytearray(540)
        struct.pack_into(order + "i", head, 0, 540)
        head[4:12] = magic or b"n+2\0\r\n\x1a\n"
        struct.pack_into(order + "2h8q", head, 12, datatype, bits, *dimensions)
        struct.pack_into(order + "q", head, 168, int(start) or 544)
    else:
        head = bytearray(348)
        struct.pack_into(order + "i", head, 0, 348)
        struct.pack_into(order + "8h", head, 40, *dimensions)
        struct.pack_into(order + "2h", head, 70, datatype, bits)
        struct.pack_into(order + "f", head, 108, start or 352)
        head[344:348] = magic or b"n+1\0"
    return bytes(head) + bytes(4) + voxels


def packed(data: bytes) -> bytes:
    """In gzip data, always the same."""
    return gzip.compress(data, mtime=0)
