"""A proxy between library and PostgreSQL that cuts a connection just when it hurts."""

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Literal
from urllib.parse import parse_qs, urlsplit

_READY = b"Z\x00\x00\x00\x05"
"""The server is ready for the next statement: it has answered all that was sent."""

_IDLE = b"Z\x00\x00\x00\x05I"
"""The server is ready for the next statement, and no transaction is open."""

Cut = Literal["after the commit", "before it arrives", "silently"]
"""Silently: it does not arrive, and the server is not told that the client is gone."""


class Proxy:
    """Forwards to the server's socket; armed, it cuts once, at the first message of a client that contains a text."""

    def __init__(self, url: str) -> None:
        self._server = f"{parse_qs(urlsplit(url).query)['host'][0]}/.s.PGSQL.5432"
        self._door = socket.create_server(("127.0.0.1", 0))
        self._armed: tuple[bytes, Cut, Callable[[], object]] | None = None
        self.cuts = 0
        self.round_trips = 0
        Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The URL of the way through the proxy."""
        host, port = self._door.getsockname()
        return f"postgresql://postgres@{host}:{port}/postgres?sslmode=disable&gssencmode=disable"

    def arm(self, text: bytes, *, cut: Cut, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Cut at the next message with this text; `meanwhile` happens just before the client notices."""
        self._armed = text, cut, meanwhile

    def close(self) -> None:
        """Take no more connections."""
        _hang_up(self._door)
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server)
        swallowed = list[bool]()
        answers = Thread(target=self._answer, args=(server, client, swallowed), daemon=True)
        answers.start()
        silent = False
        with client, server, suppress(OSError):
            while message := client.recv(1 << 16):
                if self._armed is not None and self._armed[0] in message:
                    (_, cut, meanwhile), self._armed = self._armed, None
                    silent = cut == "silently"
                    self.cuts += 1
                    if cut == "after the commit":
                        swallowed.append(True)
                        server.sendall(message)
                        answers.join()
                    meanwhile()
                    break
                server.sendall(message)
            if not silent:
                _hang_up(server)
            _hang_up(client)

    def _answer(self, server: socket.socket, client: socket.socket, swallowed: list[bool]) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 16):
                self.round_trips += answer.count(_READY)
                if not swallowed:
                    client.sendall(answer)
                elif answer.endswith(_IDLE):
                    return


def _hang_up(end: socket.socket) -> None:
    """Tell the other side, even while another thread is reading."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
