"""A socket that asks the kernel seldom: many small packets are read at once, and written at once."""

from __future__ import annotations

import socket
import ssl
from typing import Final

READ_BYTES: Final = 65536


class GatheringSocket:
    """What paho needs of a socket. It reads a byte here and two there, and answers each message with four.

    `recv` gives from what was read ahead; `send` takes everything and `flush` writes it. Wraps a connected socket,
    with or without TLS, whose errors pass through.
    """

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self._ahead = b""
        self._place = 0
        self._unsent = bytearray()

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; none when the peer has hung up. Raises BlockingIOError when there are none yet."""
        if self._place >= len(self._ahead):
            self._ahead, self._place = self._inner.recv(READ_BYTES), 0
        part = self._ahead[self._place : self._place + size]
        self._place += len(part)
        return part

    def pending(self) -> int:
        """Bytes that `recv` gives without asking the kernel."""
        inner = self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0
        return len(self._ahead) - self._place + inner

    def send(self, data: bytes) -> int:
        """Take all of it for the next `flush`."""
        self._unsent += data
        return len(data)

    @property
    def unsent(self) -> int:
        """Bytes that wait for a flush."""
        return len(self._unsent)

    def flush(self) -> None:
        """Write as much as the kernel takes now. Raises OSError when the connection is lost."""
        try:
            while self._unsent:
                del self._unsent[: self._inner.send(self._unsent)]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return

    def fileno(self) -> int:
        """The kernel's number."""
        return self._inner.fileno()

    def setblocking(self, flag: bool) -> None:
        """As of the socket within."""
        self._inner.setblocking(flag)

    def close(self) -> None:
        """Write what waits, as far as that goes at once, and hang up."""
        try:
            self.flush()
        except OSError:
            pass  # it is lost already
        finally:
            self._inner.close()
