"""Base64, one text for each sequence of bytes: keys, signatures and hashes."""

import base64
import binascii


def encoded(data: bytes) -> str:
    """Return bytes in base64. Source: RFC 4648 section 4."""
    return base64.b64encode(data).decode()


def decoded(text: str) -> bytes | None:
    """Return the bytes that base64 stands for; None unless it is the one text that stands for them."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if encoded(data) == text else None
