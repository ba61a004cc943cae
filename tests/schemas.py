"""What leaves the vault as JSON is as its published schema says, which is shipped in the package."""

import json
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator


def schema(name: str) -> dict[str, Any]:
    """A schema that is shipped."""
    found: dict[str, Any] = json.loads((files("vault.schemas") / f"{name}.json").read_text())
    return found


def conforms(document: object, name: str) -> None:
    """Fail unless the document is as its schema says; formats of times are checked by their readers."""
    Draft202012Validator.check_schema(schema(name))
    errors = Draft202012Validator(schema(name)).iter_errors(document)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
