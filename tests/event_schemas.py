"""JSON Schemas of stored events, generated from the code.

`python -m tests.event_schemas` rewrites those in the repository. They say what the codec writes and reads: every field
is there and no other is; dates, instants and rates are text. What only the constructors know (a positive amount, a
schedule that adds up) they leave to them.
"""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ledger.events.codec import CURRENT, Stored
from ledger.events.upcasters import RETIRED
from ledger.terms import KINDS

FOLDER = Path(__file__).parent.parent / "src" / "ledger" / "events" / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
INSTANT = {"type": "string", "format": "date-time", "pattern": "Z$"}
"""An instant in UTC: house rule 6 gives every one of them, and nothing else, a name that ends in `_at`."""


def schema(tag: str, shape: type[Any]) -> dict[str, Any]:
    """Return the schema of the events that are stored under this tag."""
    kinds = [kind for shapes in KINDS.values() for kind in shapes.values()]
    stored = Stored[shape]  # type: ignore[valid-type]  # at run time
    (root, *_), definitions = msgspec.json.schema_components([stored, *kinds], schema_hook=_part_of_terms)
    name = root["$ref"].removeprefix("#/$defs/")
    shapes = {kind.__name__: kind for kind in (*kinds, shape)}
    described = {
        key: _exact(definition, shapes.get(key)) for key, definition in sorted(definitions.items()) if key != name
    }
    envelope = _exact(definitions[name], Stored)
    return {
        "$schema": DIALECT,
        **envelope,
        "title": tag,
        "$defs": {key: described[key] for key in sorted(_used(envelope, described))},
    }


def _part_of_terms(base: type[Any]) -> dict[str, Any]:
    """Describe a part of terms that comes in kinds."""
    return {"anyOf": [{"$ref": f"#/$defs/{shape.__name__}"} for shape in KINDS[base].values()]}


def _exact(definition: Mapping[str, Any], shape: type[Any] | None) -> dict[str, Any]:
    """Say what is stored and no more: every field, no other, no defaults; instants as instants."""
    properties = {
        field: _instant(kind)
        if field.endswith("_at")
        else {key: value for key, value in kind.items() if key != "default"}
        for field, kind in definition["properties"].items()
    }
    description = inspect.cleandoc(shape.__doc__ if shape and shape.__doc__ else definition["description"])
    return {
        "title": definition["title"],
        "description": description,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _instant(kind: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [INSTANT, {"type": "null"}]} if "anyOf" in kind else INSTANT


def _used(part: Any, definitions: Mapping[str, Any]) -> set[str]:
    """Return the names of the definitions that a part of a schema refers to, directly or not."""
    found: set[str] = set()
    pending = [part]
    while pending:
        text = json.dumps(pending.pop())
        names = {name for name in definitions if f'"#/$defs/{name}"' in text} - found
        found |= names
        pending += [definitions[name] for name in names]
    return found


def schemas() -> dict[str, str]:
    """Return the text of every schema, by tag: of the events written today, and of those still read."""
    shapes = {**CURRENT, **{tag: old.shape for tag, old in RETIRED.items()}}
    return {tag: json.dumps(schema(tag, shape), indent=2, ensure_ascii=False) + "\n" for tag, shape in shapes.items()}


def write() -> None:
    """Rewrite the schemas in the repository."""
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.json"):
        stale.unlink()
    for tag, text in schemas().items():
        (FOLDER / f"{tag}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
