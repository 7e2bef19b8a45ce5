"""How much memory pictures may take from being prepared to being uploaded, of all edits at once.

The decoder bounds what it takes to prepare them; what it hands back waits in this process until the
service has it: up to 17 MB a picture, of as many edits as visitors care to start.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

MOST_SENT_BYTES = 17_000_000
"""Of one prepared picture: the worst, 2048 × 2048 of noise with alpha, is a PNG of 16.8 MB."""
UPLOAD_BYTES = 150_000_000
"""Of all edits. Two of four pictures of noise; some hundred of ordinary photos."""


class UploadMemory:
    """Bytes that edits hold at the same time, given out in the order in which they are asked for.

    An edit asks once, for all of its pictures: so it waits for others and never for itself, and
    one whose pictures are larger than all there is goes on alone.
    """

    def __init__(self, size_bytes: int = UPLOAD_BYTES) -> None:
        self._size_bytes = size_bytes
        self._free_bytes = size_bytes
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()

    @asynccontextmanager
    async def reserved(self, pictures: int) -> AsyncGenerator[Reservation]:
        """Waits until there is room for so many pictures, whatever they are."""
        size_bytes = min(pictures * MOST_SENT_BYTES, self._size_bytes)
        await self._acquire(size_bytes)
        reservation = Reservation(self, size_bytes)
        try:
            yield reservation
        finally:
            reservation.shrink(0)

    async def _acquire(self, size_bytes: int) -> None:
        if not self._queue and self._free_bytes >= size_bytes:
            self._free_bytes -= size_bytes
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((turn, size_bytes))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # Its turn came at the same moment.
                self.release(size_bytes)
            self.release(0)  # Whoever stood behind it may fit.
            raise

    def release(self, size_bytes: int) -> None:
        """Gives bytes back, and lets go on who fits in by now."""
        self._free_bytes += size_bytes
        while self._queue:
            turn, wanted = self._queue[0]
            if not turn.cancelled():
                if wanted > self._free_bytes:
                    return
                self._free_bytes -= wanted
                turn.set_result(None)
            self._queue.popleft()


class Reservation:
    """What one edit holds."""

    def __init__(self, memory: UploadMemory, size_bytes: int) -> None:
        self._memory = memory
        self._size_bytes = size_bytes

    def shrink(self, size_bytes: int) -> None:
        """Gives back all but so much; it is known now how large the pictures are."""
        if size_bytes < self._size_bytes:
            self._memory.release(self._size_bytes - size_bytes)
            self._size_bytes = size_bytes
