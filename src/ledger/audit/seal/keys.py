"""The keys of a seal: the signer key, a secret, and the verifier key, which everybody may have.

Both are Ed25519, and written as those of signed notes are. Source: https://c2sp.org/signed-note.
"""

import errno
import hashlib
import os
from pathlib import Path
from typing import Any, Self

import attrs

from ledger.audit.seal.base64_text import decoded, encoded
from ledger.audit.seal.errors import SealRefused
from ledger.audit.seal.note import Signature, is_key_name
from ledger.errors import InvalidArgument

_ED25519 = b"\x01"
_PRIVATE = "PRIVATE+KEY+"
_LENGTH = 32
"""Bytes of a public key, and of the seed of a private one."""

_VERIFIER = "a verifier key NAME+ID+BASE64, or a file with one, as keygen writes it"


def _ed25519() -> Any:
    """Return the module of a library that signs; loaded when first needed. Raises `SealRefused` if it is missing."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise SealRefused(
            subject="Seal",
            reason=f"the package cryptography, which signs and verifies, is not installed ({error})",
            remedy="install installment-ledger[audit]",
        ) from error
    return ed25519


@attrs.frozen
class VerifierKey:
    """The public half of a key: everybody may have it, and with it verify what the key has signed.

    `public` is the Ed25519 key of 32 bytes. As text it is `NAME+ID+BASE64`, the ID in hexadecimal.
    """

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256 over name, newline, the type 0x01 and the public key."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that a text stands for. Raises `InvalidArgument`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, key_data = rest.partition("+")
        data = decoded(key_data)
        if is_key_name(name) and data is not None and data[:1] == _ED25519 and len(data) == 1 + _LENGTH:
            key = cls(name, data[1:])
            if key.key_id.hex() == key_id:
                return key
        raise InvalidArgument(argument="key", given=text, expected=_VERIFIER)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encoded(_ED25519 + self.public)}"

    def made(self, signature: Signature) -> bool:
        """Return whether a signature claims to be of this key, by name and id."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def verifies(self, text: bytes, signature: Signature) -> bool:
        """Return whether a signature of this key is one of this text."""
        try:
            _ed25519().Ed25519PublicKey.from_public_bytes(self.public).verify(signature.signature, text)
        except _invalid_signature():
            return False
        return True


def _invalid_signature() -> type[Exception]:
    from cryptography.exceptions import InvalidSignature

    return InvalidSignature


@attrs.frozen
class SignerKey:
    """The private half of a key: who has it can seal. `seed` is that of Ed25519, 32 bytes; it is never shown."""

    name: str
    seed: bytes = attrs.field(repr=False)

    @classmethod
    def generate(cls, name: str) -> Self:
        """Return a new key; its name becomes the origin of the checkpoints that it signs. Raises `InvalidArgument`."""
        if not is_key_name(name):
            expected = "1 to 200 characters without space or plus, such as example.com/books"
            raise InvalidArgument(argument="origin", given=name, expected=expected)
        return cls(name, _ed25519().Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the key in a file that `keygen` wrote. Raises `InvalidArgument`, without a word of its content."""
        text = _read(path, expected="the file of a private key, as keygen writes it").strip()
        name, _, rest = text.removeprefix(_PRIVATE).partition("+")
        key_id, _, key_data = rest.partition("+")
        data = decoded(key_data)
        if text.startswith(_PRIVATE) and is_key_name(name) and data is not None and data[:1] == _ED25519:
            key = cls(name, data[1:])
            if len(key.seed) == _LENGTH and key.verifier.key_id.hex() == key_id:
                return key
        expected = "a file that holds PRIVATE+KEY+NAME+ID+BASE64, as keygen writes it"
        raise InvalidArgument(argument="key", given=str(path), expected=expected)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self._private().public_key().public_bytes_raw())

    def text(self) -> str:
        """Return the key as its file holds it: a secret."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{encoded(_ED25519 + self.seed)}"

    def sign(self, text: str) -> str:
        """Return the signed note of a text that ends in a newline."""
        key, signature = self.verifier, self._private().sign(text.encode())
        return f"{text}\n— {self.name} {encoded(key.key_id + signature)}\n"

    def _private(self) -> Any:
        return _ed25519().Ed25519PrivateKey.from_private_bytes(self.seed)


def generate_key(path: Path, *, origin: str) -> VerifierKey:
    """Write a new private key to a new file that only its owner can read, and its public half beside it, `.pub`.

    Raises `InvalidArgument` if either file exists or cannot be written.
    """
    key, public = SignerKey.generate(origin), path.with_name(f"{path.name}.pub")
    try:
        for one in (path, public):
            if os.path.lexists(one):
                raise FileExistsError(errno.EEXIST, "", str(one))
        _write_new(path, key.text(), mode=0o600)
        _write_new(public, str(key.verifier), mode=0o644)
    except OSError as error:
        reason = "it exists, and no key is ever replaced" if isinstance(error, FileExistsError) else error.strerror
        expected = f"a new file in a folder that can be written ({reason})"
        raise InvalidArgument(argument="file", given=str(error.filename or path), expected=expected) from error
    return key.verifier


def _write_new(path: Path, text: str, *, mode: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(f"{text}\n")
        file.flush()
        os.fsync(descriptor)


def read_verifier_key(given: str) -> VerifierKey:
    """Return the verifier key in a text, or in the file of that name. Raises `InvalidArgument`."""
    if given.startswith(_PRIVATE):
        raise _private("the text of a private key")
    try:
        return VerifierKey.parse(given)
    except InvalidArgument:
        text = _read(Path(given), expected=_VERIFIER)
    if text.startswith(_PRIVATE):
        raise _private(given)
    return VerifierKey.parse(text)


def _private(given: str) -> InvalidArgument:
    expected = "the verifier key, as in the file whose name ends in .pub; this is the private one"
    return InvalidArgument(argument="key", given=given, expected=expected)


def _read(path: Path, *, expected: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # a name with a NUL, and bytes that are no text, are ValueErrors
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InvalidArgument(argument="key", given=str(path), expected=f"{expected} ({reason})") from error
