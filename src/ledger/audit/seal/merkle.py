"""The Merkle tree of RFC 6962 over SHA-256: roots, and proofs of inclusion and consistency.

A tree is known by the hashes of its perfect subtrees: the subtree (height, index) has the 2^height leaves from
index × 2^height on. So the same functions work on hashes in memory and on tiles.

Source: RFC 6962 section 2.1; the verification RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

SIZE = 32
"""Bytes of a hash."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

Subtree = Callable[[int, int], bytes]
"""Returns the hash of the perfect subtree of a height and an index."""

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return _sha256(b"\x00" + data).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> bytes:
    """Return the concatenated hashes of leaves."""
    return b"".join([_sha256(b"\x00" + data).digest() for data in leaves])


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two nodes."""
    return _sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: bytes) -> bytes:
    """Return the root of the perfect tree over the concatenated hashes, a power of two of them."""
    while len(hashes) > SIZE:
        pairs = range(0, len(hashes), 2 * SIZE)
        hashes = b"".join([_sha256(b"\x01" + hashes[pair : pair + 2 * SIZE]).digest() for pair in pairs])
    return hashes


def fold(hashes: bytes, tail: bytes | None = None) -> bytes | None:
    """Return the root of the tree over the concatenated hashes, with `tail` as the last, incomplete subtree.

    Returns `tail` if there are no hashes.
    """
    end = len(hashes) // SIZE
    while end:
        width = end & -end
        part = perfect_root(hashes[(end - width) * SIZE : end * SIZE])
        tail = part if tail is None else node_hash(part, tail)
        end -= width
    return tail


def range_hash(subtree: Subtree, start: int, end: int) -> bytes:
    """Return the hash over the leaves from `start` up to `end`, as it stands in a tree: MTH(D[start:end])."""
    tail: bytes | None = None
    while end > start:
        width = (end - start) & (start - end)
        end -= width
        part = subtree(width.bit_length() - 1, end // width)
        tail = part if tail is None else node_hash(part, tail)
    return EMPTY_ROOT if tail is None else tail


# ---- proofs


def inclusion_path(subtree: Subtree, index: int, size: int) -> list[bytes]:
    """Return the proof that the leaf `index`, from 0, is in the tree of `size` leaves: PATH(index, D[size])."""
    path: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left_width(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return [range_hash(subtree, *one) for one in reversed(path)]


def consistency_path(subtree: Subtree, earlier: int, size: int) -> list[bytes]:
    """Return the proof that the tree of `size` leaves begins with that of the first `earlier`: PROOF(earlier, D[size]).

    It is empty where there is nothing to prove: for equal sizes, and for an empty earlier tree.
    """
    if earlier in (0, size):
        return []
    path: list[tuple[int, int]] = []
    start, end, whole = 0, size, True
    while earlier != end:
        middle = start + _left_width(end - start)
        if earlier <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, whole = middle, False
    if not whole:
        path.append((start, end))
    return [range_hash(subtree, *one) for one in reversed(path)]


def _left_width(width: int) -> int:
    """Return the largest power of two below a width."""
    return 1 << ((width - 1).bit_length() - 1)


def is_included(leaf: bytes, *, index: int, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Return whether a path proves that the leaf with this hash has this index in the tree of this size and root."""
    if not 0 <= index < size:
        return False
    found, node, last = leaf, index, size - 1
    for step in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(step, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, step)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(*, earlier: int, earlier_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Return whether a path proves that the tree of this size and root begins with the earlier one."""
    if not 0 <= earlier <= size:
        return False
    if earlier == 0:
        return not path and earlier_root == EMPTY_ROOT and (size > 0 or root == EMPTY_ROOT)
    if earlier == size:
        return not path and earlier_root == root
    steps = [*path] if earlier & (earlier - 1) else [earlier_root, *path]
    if not steps:
        return False
    node, last = earlier - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, step)
        node, last = node >> 1, last >> 1
    return last == 0 and before == earlier_root and after == root
