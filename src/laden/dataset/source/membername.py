"""What a zip's member is called, read as unpackers read it.

In this order: the Unicode Path field, where it fits the name that it stands for (APPNOTE 4.6.9); UTF-8, where a flag
says so or the bytes are valid UTF-8 (Info-ZIP on Unix writes it without the flag); the encoding that a person named;
else code page 437, which is what the format says (APPNOTE appendix D) and often not what was meant. Then backslashes of
a Windows writer become slashes, and a leading `./` goes. Whether the name may travel is not judged here.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from isal.isal_zlib import crc32

from laden.dataset.source.central import extra_field

UTF8_FLAG = 0x800
"""General purpose bit 11 (APPNOTE 4.4.4)."""
_UNICODE_PATH = 0x7075
_UNICODE_PATH_HEAD = struct.Struct("<BI")
"""Version, and CRC-32 of the name that it stands for."""
_WINDOWS = (0, 6, 10, 11, 14)
"""Hosts whose folders a backslash divides: FAT, HPFS, NTFS (of APPNOTE and of Info-ZIP), VFAT (APPNOTE 4.4.2.2)."""


class MemberName(NamedTuple):
    """A member's name."""

    text: str
    guessed: bool
    """Whether nothing says how its letters are encoded."""


def member_name(raw: bytes, flags: int, host: int, extra: bytes, encoding: str | None) -> MemberName:
    """Read the name of a member.

    Args:
        raw: its bytes in the header.
        flags: general purpose flags.
        host: the system that wrote it; see `laden.dataset.source.central.Member`.
        extra: its extra field.
        encoding: of names that do not say how they are encoded, where a person named it.
    """
    if raw.isascii() and not extra:
        text, guessed = raw.decode("ascii"), False
    elif (unicode := _unicode_path(raw, extra)) is not None:
        text, guessed = unicode, False
    else:
        text, guessed = _decoded(raw, flags, encoding)
    # In an unknown encoding a backslash may be half a letter (0x5C is, in Shift-JIS).
    if host in _WINDOWS and not guessed and "\\" in text and "/" not in text:
        text = text.replace("\\", "/")
    return MemberName(relative(text), guessed)


def relative(name: str) -> str:
    """The name without the `./` that `tar -c .` and bsdtar put in front."""
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name


def _decoded(raw: bytes, flags: int, encoding: str | None) -> tuple[str, bool]:
    if flags & UTF8_FLAG:
        return raw.decode("utf-8", "replace"), False
    for trial in (encoding, "utf-8"):
        try:
            if trial is not None:
                return raw.decode(trial), False
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437"), True


def _unicode_path(raw: bytes, extra: bytes) -> str | None:
    field = extra_field(extra, _UNICODE_PATH)
    if field is None or len(field) < _UNICODE_PATH_HEAD.size:
        return None
    version, checksum = _UNICODE_PATH_HEAD.unpack_from(field)
    if version != 1 or checksum != crc32(raw):
        # Renamed by a program that does not know the field: it is about another name.
        return None
    try:
        return field[_UNICODE_PATH_HEAD.size :].decode("utf-8")
    except UnicodeDecodeError:
        return None
