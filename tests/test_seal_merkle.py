"""The Merkle tree: the vectors of Certificate Transparency, the definition, and pymerkle, which nobody here wrote."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree, InvalidProof, verify_consistency, verify_inclusion
from pymerkle.core import _consistency_path_layout
from pymerkle.proof import ConsistencyProof, InclusionProof

from ledger.audit.seal.growing import GrowingTree
from ledger.audit.seal.merkle import (
    EMPTY_ROOT,
    SIZE,
    Subtree,
    consistency_path,
    inclusion_path,
    is_consistent,
    is_included,
    leaf_hash,
    perfect_root,
    range_hash,
)
from ledger.audit.seal.tiles import WIDTH, Tile, edge, levels, subtrees
from tests.seals import naive_root

LARGEST = 600
LEAVES = [f"leaf {number}".encode() for number in range(LARGEST)]

VECTORS = [bytes.fromhex(data) for data in ("", "00", "10", "2021", "3031", "40414243")] + [
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The trees of one to eight leaves in the tests of Certificate Transparency."""

sizes = st.integers(1, LARGEST)


def _subtree(leaves: Sequence[bytes]) -> Subtree:
    hashes = [leaf_hash(one) for one in leaves]
    return lambda height, index: perfect_root(b"".join(hashes[index << height : (index + 1) << height]))


@cache
def _tiles(size: int) -> tuple[GrowingTree, dict[Tile, bytes]]:
    """Return a tree that was grown by pieces of random sizes, with all its tiles."""
    written: dict[Tile, bytes] = {}
    tree = GrowingTree(0, written.__getitem__, written.__setitem__)
    done, step = 0, 1
    while done < size:
        tree.extend(b"".join(leaf_hash(one) for one in LEAVES[done : min(done + step, size)]))
        done, step = min(done + step, size), step * 3 % 277 + 1
    return tree, written | dict(tree.partial())


@cache
def _theirs() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries(LEAVES)
    return tree


def _changed(data: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(data))


@pytest.mark.parametrize(("number", "root"), [*enumerate(ROOTS, 1)])
def test_roots_are_those_of_certificate_transparency(number: int, root: str) -> None:
    """RFC 6962 section 2.1: the published roots of one to eight leaves."""
    assert range_hash(_subtree(VECTORS), 0, number).hex() == root == naive_root(VECTORS[:number]).hex()
    assert range_hash(_subtree(VECTORS), 0, 0) == EMPTY_ROOT == naive_root([])


@given(size=sizes)
def test_a_tree_grown_by_pieces_has_the_root_of_the_definition(size: int) -> None:
    """However the leaves arrive, in memory and out of the tiles: one root, and pymerkle's is the same."""
    tree, tiles = _tiles(size)
    assert tree.root() == naive_root(LEAVES[:size]) == _theirs().get_root(size)
    assert range_hash(subtrees(tiles.__getitem__, size), 0, size) == tree.root()
    reopened = GrowingTree(size, tiles.__getitem__, lambda *_: None)
    assert reopened.root() == tree.root()


def test_tiles_are_laid_out_as_the_specification_says() -> None:
    """C2SP tlog-tiles: its own examples of paths and of the tiles of a tree."""
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert Tile(1, 0, 5).path == "tile/1/000.p/5"
    assert Tile(0, 1_000, 7).path == "tile/0/x001/000.p/7"
    assert [*edge(70_000)] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [*edge(256)] == [Tile(1, 0, 1)]
    assert [levels(size) for size in (0, 1, 255, 256, 65_535, 65_536)] == [0, 1, 1, 2, 2, 3]
    _, tiles = _tiles(LARGEST)
    assert sorted(tiles) == [Tile(0, 0), Tile(0, 1), Tile(0, 2, 88), Tile(1, 0, 2)]
    assert tiles[Tile(0, 1)] == b"".join(leaf_hash(one) for one in LEAVES[WIDTH : 2 * WIDTH])
    assert tiles[Tile(1, 0, 2)][SIZE:] == perfect_root(tiles[Tile(0, 1)])


# ---- inclusion


def _as_theirs(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> InclusionProof:
    """Return our proof in the form of pymerkle: leaves counted from 1, the leaf first, and turns."""
    rule = _theirs().prove_inclusion(index + 1, size).rule
    return InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path])


@given(size=sizes, data=st.data())
def test_pymerkle_accepts_our_proofs_of_inclusion_and_refuses_changed_ones(size: int, data: st.DataObject) -> None:
    """The proof of every leaf in every tree; with any bit of hash, path, index or size changed neither accepts it."""
    index = data.draw(st.integers(0, size - 1))
    tree, tiles = _tiles(size)
    root, leaf = tree.root(), leaf_hash(LEAVES[index])
    path = inclusion_path(subtrees(tiles.__getitem__, size), index, size)
    assert path == inclusion_path(_subtree(LEAVES), index, size) == _theirs().prove_inclusion(index + 1, size).path[1:]
    assert is_included(leaf, index=index, size=size, root=root, path=path)
    verify_inclusion(leaf, root, _as_theirs(index, size, leaf, path), index=index + 1, size=size)
    for changed_leaf, changed_root, changed_path in _changes(data, leaf, root, path):
        assert not is_included(changed_leaf, index=index, size=size, root=changed_root, path=changed_path)
        with pytest.raises(InvalidProof):
            verify_inclusion(changed_leaf, changed_root, _as_theirs(index, size, changed_leaf, changed_path))
    for other in {index ^ 1, index - 1, index + 1, size}:
        assert not is_included(leaf, index=other, size=size, root=root, path=path)


def _changes(data: st.DataObject, leaf: bytes, root: bytes, path: Sequence[bytes]) -> list[Any]:
    bit = data.draw(st.integers(0, 8 * SIZE - 1))
    changed = [
        (_changed(leaf, bit), root, path),
        (leaf, _changed(root, bit), path),
        (leaf, root, [*path, root]),
        *([(leaf, root, path[:-1]), (leaf, root, path[1:])] if path else []),
    ]
    for place, one in enumerate(path):
        changed.append((leaf, root, [*path[:place], _changed(one, bit), *path[place + 1 :]]))
    return changed


# ---- consistency

CONSISTENCY = {
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
"""Proofs in the tests of Certificate Transparency, by the two sizes."""


@pytest.mark.parametrize(("earlier", "size"), [*CONSISTENCY])
def test_proofs_of_consistency_are_those_of_certificate_transparency(earlier: int, size: int) -> None:
    """RFC 6962 section 2.1.2: the published proofs, hash by hash."""
    path = consistency_path(_subtree(VECTORS), earlier, size)
    assert [one.hex() for one in path] == [*CONSISTENCY[earlier, size]]


def _consistency_as_theirs(earlier: int, size: int) -> ConsistencyProof:
    """Return a proof in the form of pymerkle, which goes down to a leaf, out of the hashes in our tiles."""
    rule, subset, ranges = _consistency_path_layout(earlier, size)
    subtree = subtrees(_tiles(size)[1].__getitem__, size)
    path = [range_hash(subtree, *one) for one in ranges]
    return ConsistencyProof("sha256", True, size, earlier, rule, subset, path)


@given(size=sizes, data=st.data())
def test_pymerkle_accepts_the_consistency_of_our_tiles_and_refuses_changed_ones(size: int, data: st.DataObject) -> None:
    """From every size to every later one: the nodes of its tree make our proof, and our tiles make its proof.

    With any bit of a root or of the path changed neither is accepted.
    """
    earlier = data.draw(st.integers(1, size))
    before, after = _tiles(earlier)[0].root(), _tiles(size)[0].root()
    path = consistency_path(subtrees(_tiles(size)[1].__getitem__, size), earlier, size)
    their_nodes = consistency_path(lambda height, at: _theirs()._get_subroot(at << height, 1 << height), earlier, size)
    assert path == their_nodes
    assert is_consistent(earlier=earlier, earlier_root=before, size=size, root=after, path=path)
    theirs = _consistency_as_theirs(earlier, size)
    verify_consistency(before, after, theirs, prior_size=earlier, later_size=size)
    bit = data.draw(st.integers(0, 8 * SIZE - 1))
    roots = [(_changed(before, bit), after), (before, _changed(after, bit))]
    paths = [[*path, after], *([path[:-1]] if path else [])]
    paths += [[*path[:at], _changed(one, bit), *path[at + 1 :]] for at, one in enumerate(path)]
    for one, other, steps in [*((*both, path) for both in roots), *((before, after, steps) for steps in paths)]:
        assert not is_consistent(earlier=earlier, earlier_root=one, size=size, root=other, path=steps)
    for one, other in roots:
        with pytest.raises(InvalidProof):
            verify_consistency(one, other, theirs)
    at = data.draw(st.integers(0, len(theirs.path) - 1))
    theirs.path[at] = _changed(theirs.path[at], bit)
    with pytest.raises(InvalidProof):
        verify_consistency(before, after, theirs)


def test_nothing_is_to_prove_about_an_empty_or_an_equal_tree() -> None:
    """The empty tree is the beginning of every one; a tree is consistent with itself; a larger one is no beginning."""
    root = naive_root(LEAVES[:5])
    assert consistency_path(_subtree(LEAVES), 0, 5) == consistency_path(_subtree(LEAVES), 5, 5) == []
    assert is_consistent(earlier=0, earlier_root=EMPTY_ROOT, size=5, root=root, path=[])
    assert is_consistent(earlier=5, earlier_root=root, size=5, root=root, path=[])
    assert not is_consistent(earlier=0, earlier_root=root, size=5, root=root, path=[])
    assert not is_consistent(earlier=0, earlier_root=EMPTY_ROOT, size=0, root=root, path=[])
    assert not is_consistent(earlier=6, earlier_root=root, size=5, root=root, path=[])
    assert not is_consistent(earlier=4, earlier_root=naive_root(LEAVES[:4]), size=5, root=root, path=[])
