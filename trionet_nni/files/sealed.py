"""Bytes with their own SHA-256 at the end: content, eight letters that say so, the digest.

Readers of zip archives, `torch.load` among them, pass over what follows the archive: a sealed checkpoint is
still an ordinary one to any other program.
"""

from __future__ import annotations

import hashlib

_MAGIC = b"SHA-256:"
_LENGTH = len(_MAGIC) + hashlib.sha256().digest_size


class Damaged(ValueError):
    """The content is not what was written; the message says how that was seen."""


def seal(content: bytes | memoryview) -> bytes:
    """What belongs at the end of a file with this content."""
    return _MAGIC + hashlib.sha256(content).digest()


def is_sealed(data: bytes) -> bool:
    """Whether a file ends as sealed ones do."""
    return len(data) >= _LENGTH and data[-_LENGTH:].startswith(_MAGIC)


def unseal(data: bytes) -> bytes:
    """The content of a sealed file; a file without a seal is its own content.

    Raises:
        Damaged: the content is another one than the seal's.
    """
    if not is_sealed(data):
        return data
    content = data[:-_LENGTH]
    if seal(content) != data[-_LENGTH:]:
        raise Damaged("its SHA-256 is another one than that written at its end")
    return content
