"""The methods that a policy must list are those of the API's .proto files."""

import re
from pathlib import Path

from vault.policy import methods

PROTO = Path(__file__).parents[2] / "proto" / "vault" / "v1"


def test_served_are_the_methods_of_the_proto_files() -> None:
    """Read from the text of the files, not from the generated code, so that a forgotten generation shows."""
    found = {
        f"{service}.{method}"
        for file in PROTO.glob("*_service.proto")
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", file.read_text(), re.MULTILINE | re.DOTALL)
        if service not in methods.NOT_YET
        for method in re.findall(r"^  rpc (\w+)\(", body, re.MULTILINE)
    }
    assert "PaymentService.GetCard" in found
    assert methods.served() == found


def test_served_methods_were_planned() -> None:
    """A method that was never designed has no line in the policy that is shipped."""
    assert methods.served() <= methods.PLANNED
