"""Fetches members into archives: several at a time, written in their order, each proved before the next."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import NamedTuple

from isal.isal_zlib import crc32

from laden.stages.download.packing import Member, Pack, Written, begun, hold
from laden.stages.download.ranges import Read, WrongBytes, cost_bytes, is_large, proved, read_whole
from laden.stages.download.wanted import Came, Fate
from laden.store.intake import Intake, Part, Standing
from laden.values.errors import (
    AccessEnded,
    BlobConflict,
    BlobMissing,
    ContainerMissing,
    Interrupted,
    StoreError,
)

_ATTEMPTS = 3
_WINDOW_BYTES = 96 << 20
_AHEAD = 512


class Packed(NamedTuple):
    """What became of a member."""

    came: Came
    pack: str
    written: Written | None
    """Where it is; None where it is nowhere."""


async def pack_all(
    packs: Iterator[Pack],
    read: Read,
    intake: Intake,
    stopping: Callable[[], bool] = lambda: False,
    replaced: Callable[[str], object] = lambda _: None,
) -> AsyncIterator[Packed]:
    """Make archives one after the other; yields what became of each member.

    Args:
        packs: as they are to be.
        read: gives the bytes of an item.
        intake: the folder, prepared.
        stopping: asked before each member; once true, nothing more is written, and what was stays for the next run.
        replaced: told the name of an archive that took the place of another one of laden's.

    Raises:
        StoreError: the place that is read from does not answer, or does not let anybody read.
        UsageError: the folder cannot take more.
    """
    for pack in packs:
        if stopping():
            return
        async for one in _pack(pack, read, intake, stopping, replaced):
            yield one


async def _pack(
    pack: Pack, read: Read, intake: Intake, stopping: Callable[[], bool], replaced: Callable[[str], object]
) -> AsyncIterator[Packed]:
    there = await asyncio.to_thread(_there, intake, pack)
    if isinstance(there, StoreError) or (there is not None and (there.same or there.own is None)):
        for one in _settled(pack, there):
            yield one
        return
    part, kept = await asyncio.to_thread(begun, intake, pack)
    try:
        fresh: list[Written] = []
        for written in pack.written[:kept]:
            fresh.append(written)
            yield Packed(Came(written.member.item, Fate.THERE, written.member.item.md5), pack.name, written)
        async with aclosing(_fetched(pack.members[kept:], read, stopping)) as members:
            async for member, data in members:
                come = await _add(part, pack, member, data, read)
                if come.md5 is not None:
                    fresh.append(Written(member, part.at_bytes - member.item.size_bytes - len(pack.form.foot(member))))
                yield Packed(come, pack.name, fresh[-1] if come.md5 is not None else None)
        if stopping():
            return
        await asyncio.to_thread(part.add, pack.form.tail(fresh))
        error = await asyncio.to_thread(intake.place, part, part.md5, there.own if there else None)
        if error is not None:
            raise error
        if there is not None:
            replaced(pack.name)
    finally:
        part.close()


def _settled(pack: Pack, there: Standing | StoreError) -> Iterator[Packed]:
    """What became of the members of an archive that stays as it is."""
    if isinstance(there, Standing) and there.same:
        for written in pack.written:
            yield Packed(Came(written.member.item, Fate.THERE, written.member.item.md5), pack.name, written)
        return
    reason = str(there) if isinstance(there, StoreError) else "another file of this name is there, and was left"
    for member in pack.members:
        yield Packed(Came(member.item, Fate.CONFLICT, reason=f"{pack.name}: {reason}"), pack.name, None)


def _there(intake: Intake, pack: Pack) -> Standing | StoreError | None:
    """What lies where an archive is to lie, held against it."""
    try:
        return intake.examine(pack.name, lambda path, _: hold(path, pack).whole)
    except StoreError as error:
        return error


async def _fetched(
    members: tuple[Member, ...], read: Read, stopping: Callable[[], bool]
) -> AsyncGenerator[tuple[Member, bytes | BaseException | None], None]:
    """Members in their order with their bytes, fetched ahead; None for large ones, which are read in their turn."""
    pending = iter(members)
    ahead: deque[tuple[Member, asyncio.Task[bytes] | None]] = deque()
    ahead_bytes = 0
    try:
        while True:
            while not stopping() and len(ahead) < _AHEAD and (ahead_bytes < _WINDOW_BYTES or not ahead):
                if (member := next(pending, None)) is None:
                    break
                ahead.append((member, None if is_large(member.item) else asyncio.create_task(_whole(read, member))))
                ahead_bytes += cost_bytes(member.item)
            if not ahead or stopping():
                return
            member, task = ahead.popleft()
            ahead_bytes -= cost_bytes(member.item)
            yield member, None if task is None else await _outcome(task)
    finally:
        for _, task in ahead:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for _, task in ahead if task is not None), return_exceptions=True)


async def _outcome(task: asyncio.Task[bytes]) -> bytes | BaseException:
    try:
        return await task
    except (StoreError, WrongBytes) as error:
        return error


async def _whole(read: Read, member: Member) -> bytes:
    for attempt in range(1, _ATTEMPTS + 1):
        data = await read_whole(read, member.item)
        wrong = await asyncio.to_thread(_wrong, member, data)
        if not wrong:
            return data
        if attempt == _ATTEMPTS:
            raise WrongBytes(f"{wrong}, {attempt} times")
    raise AssertionError


def _wrong(member: Member, data: bytes) -> str:
    return proved(member.item, len(data), hashlib.md5(data, usedforsecurity=False).digest(), crc32(data))


async def _add(part: Part, pack: Pack, member: Member, data: bytes | BaseException | None, read: Read) -> Came:
    """Write a member, or tell why it is not there."""
    item = member.item
    start_bytes = part.at_bytes
    try:
        if isinstance(data, BaseException):
            raise data
        if data is not None:
            whole = b"".join((pack.form.head(member), data, pack.form.foot(member)))
            await asyncio.to_thread(part.add, whole)
            return Came(item, Fate.CAME, item.md5)
        return await _add_large(part, pack, member, read)
    except (AccessEnded, ContainerMissing, Interrupted):
        raise
    except (StoreError, WrongBytes) as error:
        await asyncio.to_thread(part.cut, start_bytes)
        return Came(item, _fate(error), reason=str(error))


def _fate(error: StoreError | WrongBytes) -> Fate:
    match error:
        case WrongBytes():
            return Fate.DAMAGED
        case BlobConflict():
            return Fate.CHANGED
        case BlobMissing():
            return Fate.GONE
    return Fate.FAILED


async def _add_large(part: Part, pack: Pack, member: Member, read: Read) -> Came:
    """Write a large member as its ranges come."""
    item, start_bytes = member.item, part.at_bytes
    for attempt in range(1, _ATTEMPTS + 1):
        await asyncio.to_thread(part.add, pack.form.head(member))
        digest, sum_, size_bytes = hashlib.md5(usedforsecurity=False), 0, 0
        async with aclosing(read(item, 0)) as parts:
            async for data in parts:
                await asyncio.to_thread(part.add, data)
                await asyncio.to_thread(digest.update, data)
                sum_, size_bytes = crc32(data, sum_), size_bytes + len(data)
        wrong = proved(item, size_bytes, digest.digest(), sum_)
        if not wrong:
            await asyncio.to_thread(part.add, pack.form.foot(member))
            return Came(item, Fate.CAME, item.md5)
        await asyncio.to_thread(part.cut, start_bytes)
        if attempt == _ATTEMPTS:
            raise WrongBytes(f"{wrong}, {attempt} times")
    raise AssertionError
