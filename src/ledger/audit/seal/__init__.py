"""Seal: tamper evidence. Events are the leaves of a Merkle tree, whose root is signed and handed to others.

`seal` extends the tree of a ledger in a folder, `check_seal` compares the two, `prove_inclusion` and
`prove_consistency` give proofs that need neither. Hashing is that of RFC 6962; the files are those of transparency
logs. docs/seal.md specifies every byte, and says against what a seal is of no help.
"""

from ledger.audit.seal.checking import check_seal as check_seal
from ledger.audit.seal.errors import SealRefused as SealRefused
from ledger.audit.seal.keys import SignerKey as SignerKey
from ledger.audit.seal.keys import VerifierKey as VerifierKey
from ledger.audit.seal.keys import generate_key as generate_key
from ledger.audit.seal.keys import read_verifier_key as read_verifier_key
from ledger.audit.seal.proofs import prove_consistency as prove_consistency
from ledger.audit.seal.proofs import prove_inclusion as prove_inclusion
from ledger.audit.seal.proofs import read_proof as read_proof
from ledger.audit.seal.proofs import verify_proof as verify_proof
from ledger.audit.seal.sealing import Sealed as Sealed
from ledger.audit.seal.sealing import seal as seal
