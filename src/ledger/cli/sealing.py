"""The commands of the seal: keygen, seal, prove, check-proof."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ledger.audit.seal import (
    SignerKey,
    generate_key,
    prove_consistency,
    prove_inclusion,
    read_proof,
    read_verifier_key,
    verify_proof,
)
from ledger.audit.seal import seal as extend_seal
from ledger.cli import rendering
from ledger.cli.evidence import could_not_run, reading
from ledger.cli.options import AsJson, Location, UsageError, progress_bar
from ledger.cli.rendering import counted
from ledger.events import PLAN, RECEIPT

Quick = Annotated[bool, Parameter(name="--quick", negative="", show_default=False)]


def keygen(file: Path, *, origin: str | None = None, json: AsJson = False, location: Location) -> None:
    """Make the key of a seal: the private half in a new file for its owner alone, the verifier key in FILE.pub.

    Parameters
    ----------
    file
        The new file.
    origin
        The name of the key, and of the ledger in its checkpoints, such as example.com/books; default: --name.
    json
        Print JSON instead of text.
    """
    key = generate_key(file, origin=location.name if origin is None else origin)
    if json:
        rendering.print_json({"file": str(file), "origin": key.name, "verifier_key": str(key)})
    else:
        rendering.say(f"The private key is in {file}: keep it secret, and apart from the ledger.")
        rendering.say(f"The verifier key, also in {file}.pub, is for everybody:")
        rendering.say(str(key))


def seal(*, to: Path, key: Path, quick: Quick = False, json: AsJson = False, location: Location) -> None:
    """Seal the events recorded so far: extend the Merkle tree in a folder, and sign its root.

    The stored events are compared with what is sealed first; if they differ, nothing is written. Killed at any moment,
    the next seal goes on.

    Parameters
    ----------
    to
        The folder of the seal; a new one begins it.
    key
        The file of the private key, as keygen writes it.
    quick
        Compare only the last 256 to 511 sealed events first.
    json
        Print JSON instead of text.
    """
    signer = SignerKey.read(key)
    with reading(location) as reader, progress_bar(f"Sealing to {to}") as progress:
        sealed = extend_seal(reader, to, key=signer, quick=quick, progress=progress)
    if json:
        rendering.print_json({"origin": sealed.origin, "size": sealed.size, "root": sealed.root, "added": sealed.added})
    else:
        new = counted(sealed.added, "new event") if sealed.added else "no new events"
        rendering.say(f"{to}: {counted(sealed.size, 'event')} sealed as {sealed.origin}, {new}.")
        rendering.say(f"Root {sealed.root}")


def prove(
    *,
    seal: Path,
    plan: str | None = None,
    receipt: str | None = None,
    version: int | None = None,
    from_size: int | None = None,
    size: int | None = None,
    location: Location,
) -> None:
    """Print a proof as JSON: that an event is sealed, or, with --from-size, that a checkpoint continues an earlier one.

    Parameters
    ----------
    seal
        The folder of the seal.
    plan
        The plan of the event.
    receipt
        The reference of money received and not applied, instead of a plan.
    version
        The version of the event.
    from_size
        The size in events of the earlier checkpoint.
    size
        The size of the checkpoint to prove from; default: the latest.
    """
    if from_size is not None:
        if any(one is not None for one in (plan, receipt, version)):
            raise UsageError("prove takes --from-size, or --plan or --receipt with --version, not both")
        rendering.print_json(prove_consistency(seal, earlier=from_size, size=size))
        return
    stream_id = receipt if plan is None else plan
    if stream_id is None or version is None or (plan is not None and receipt is not None):
        raise UsageError("prove takes --plan or --receipt with --version, or --from-size")
    kind = RECEIPT if plan is None else PLAN
    with reading(location) as reader:
        proof = prove_inclusion(reader, seal, stream_id=stream_id, version=version, kind=kind, size=size)
    rendering.print_json(proof)


def check_proof(file: Path, *, key: str, json: AsJson = False) -> None:
    """Check a proof, as prove prints it; neither ledger nor seal is needed.

    Exit code 0: it holds; 1: it does not; 2: the file or the key cannot be read.

    Parameters
    ----------
    file
        The file of the proof.
    key
        The verifier key of the seal, or its file, from somebody other than the sender of the proof.
    json
        Print JSON instead of text.
    """
    with could_not_run():
        proof, verifier = read_proof(file), read_verifier_key(key)
    verify_proof(proof, key=verifier)
    origin = proof["checkpoint"].partition("\n")[0]
    held: dict[str, Any] = {"holds": True, "type": proof["type"], "origin": origin, "size": proof["size"]}
    shown = None
    sealed = f"the {counted(proof['size'], 'event')} of {origin}"
    if proof["type"] == "inclusion":
        event = {field: proof["event"][field] for field in ("kind", "stream_id", "version", "tag", "state")}
        held["event"] = event
        said = f"{event['kind']} {event['stream_id']}, version {event['version']}, is among {sealed}"
        shown = f"{event['tag']} {event['state']}"
    else:
        held["earlier_size"] = proof["earlier_size"]
        said = f"{sealed} begin with the {proof['earlier_size']:,} of the earlier checkpoint"
    if json:
        rendering.print_json(held)
        return
    rendering.say(f"The proof holds: {said}.")
    if shown is not None:
        rendering.say(shown)
