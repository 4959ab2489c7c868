"""The errors of databases, as the ledger raises them, and URLs as they may be shown."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import PersistenceError

from ledger.errors import InvalidArgument, StoreUnavailable

_SCHEMES = ("memory", "sqlite", "postgresql", "postgres", "mysql", "file", "http", "https")
"""Words before the colon of a URL that give nothing away."""

_REMEDY = "check that the database is there and can be written, then repeat the call"

_MISSING = "restore it; the tables of a read model `installment-ledger rebuild` fills again"

_CAUSES = (
    (r"file is not a database", "it is not a database of SQLite", "check the path"),
    (r"disk image is malformed", "the file is damaged, or cut off", "restore it from a backup"),
    (
        r"unable to open database file",
        "SQLite is unable to open it",
        "check the path, and the permissions of its folder",
    ),
    (r"readonly database", "it may not be written", "give this user the permission to write the file and its folder"),
    (r"permission denied for (\w+) (\S+)", "permission denied for {1} {2}", "grant this role the right to it"),
    (r"read-only transaction", "this session or server may only read", "connect to a server that is written to"),
    (r"Permission denied", "permission denied", "give this user the permission to read and write the file"),
    (r"Is a directory", "SQLite is unable to open it: it is a folder", "name a file in it"),
    (r"the folder (.+) does not exist", "the folder {1} does not exist", "create the folder, or check the path"),
    (r"the file does not exist", "the file does not exist", "check the path, or create it with `migrate`"),
    (r"password authentication failed for user \"(.+?)\"", "the password of user {1} is wrong", "correct the password"),
    (r"no password supplied", "the server asks for a password", "state one in the URL, or in a password file"),
    (r"(database|role) \"(.+?)\" does not exist", "the {1} {2} does not exist", "create it, or correct its name"),
    (
        r"Connection refused|No such file or directory Is the server",
        "connection failed: no server answers",
        "start the server, or check host and port",
    ),
    (r"no such table: (?:main\.)?(\S+)", "its table {1} is missing", _MISSING),
    (r"relation \"(.+?)\" does not exist", "its table {1} is missing", _MISSING),
    (
        r"(CHECK|check) constraint|bigint out of range|out of range for type bigint|too large to convert",
        "a number in a read model has more than 64 bits",
        "let its projection count in larger units",
    ),
    (
        r"snapshot of the transaction is old",
        "another connection has written since the transaction began",
        "roll it back, and begin another; in SQLite with BEGIN IMMEDIATE",
    ),
    (r"transaction is aborted", "an earlier statement of the transaction failed", "roll it back, and begin another"),
    (r"another (?:session has held|process was) .*", "{0}", "end it if it stands still, or repeat the call"),
    (r"invalid (\w+) (?:value|number): ", "the setting {1} in its URL is invalid", "correct the URL"),
    (r"could not translate host|failed to resolve host", "connection failed: the host is unknown", "check the host"),
)
"""Words of a driver's message, the cause that they stand for, and the remedy. Groups are numbered from 1."""


def shown(url: object) -> object:
    """Return as much of a URL that cannot be used as may be shown: anything in it may be a password."""
    if not isinstance(url, str):
        return url
    scheme, colon, _ = url.partition(":")
    return f"{scheme}:…" if colon and scheme in _SCHEMES else f"text of {len(url):,} characters"


def check_characters(argument: str, url: object, *, expected: str) -> None:
    """Refuse a URL with a NUL character, or with text that no file name can hold."""
    if isinstance(url, str):
        try:
            if b"\0" not in url.encode():
                return
        except UnicodeEncodeError:
            pass
        raise InvalidArgument(argument=argument, given=shown(url), expected=f"{expected}, in characters of UTF-8")


@contextmanager
def unavailable(label: str, *also: type[Exception]) -> Iterator[None]:
    """Raise an error of the library or a driver as `StoreUnavailable`, in one sentence."""
    expected: tuple[type[Exception], ...] = (PersistenceError, sqlite3.Error, OSError, *also)
    try:
        yield
    except expected as error:
        reason, remedy = _cause(" ".join(str(error).split()) or type(error).__name__)
        raise StoreUnavailable(store=label, reason=reason, remedy=remedy) from error


def _cause(message: str) -> tuple[str, str]:
    """Return the cause that a message stands for and the remedy; the message itself where it stands for no other."""
    for pattern, cause, remedy in _CAUSES:
        if found := re.search(pattern, message):
            return cause.format(found[0], *found.groups()), remedy
    return message, _REMEDY
