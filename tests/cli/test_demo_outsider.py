"""The small program that checks a receipt for somebody outside believes what Go and the vault's own code believe."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.openers.test_receipts import KEY, ORIGIN, STATEMENT, bent, receipt
from vault.cli.demo import outsider
from vault.crypto.note import LogKey
from vault.domain.secret import Secret
from vault.store.v1.audit_entry_pb2 import OUTCOME_FAILED


def _told(path: Path, text: str, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    path.write_text(text, encoding="utf-8")
    code = outsider.main([str(path), *(more or (ORIGIN, KEY.public_key.hex()))])
    return code, capsys.readouterr().out


def test_a_true_receipt_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what it says is printed as it was signed."""
    assert _told(tmp_path / "receipt.json", receipt(), capsys) == (0, f"{STATEMENT}\n")


def test_it_stands_alone(tmp_path: Path) -> None:
    """A Python without any package runs it."""
    file = tmp_path / "receipt.json"
    file.write_text(receipt(), encoding="utf-8")
    alone = [sys.executable, "-I", "-S", outsider.__file__, str(file), ORIGIN, KEY.public_key.hex()]
    done = subprocess.run(alone, capture_output=True, encoding="utf-8", check=True, timeout=60)
    assert json.loads(done.stdout) == json.loads(STATEMENT)


def test_what_the_log_did_not_sign_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another statement, another deed, one that failed, another log, another key, no receipt, and anything bent."""
    path, other = tmp_path / "receipt.json", LogKey(Secret(bytes(32))).public_key.hex()
    refused = [
        receipt(STATEMENT.replace("ller", "hler")),
        receipt(action="CustomerService.GetCustomer"),
        receipt(outcome=OUTCOME_FAILED),
        *("", "[]", "{}", "not JSON", '{"statement": 1, "proof": 1}'),
        *bent(60),
    ]
    assert [text for text in refused if _told(path, text, capsys) != (1, "")] == []
    for more in ((f"{ORIGIN}1", KEY.public_key.hex()), (ORIGIN, other), (ORIGIN, "00"), (ORIGIN, "xx"), (ORIGIN,)):
        assert _told(path, receipt(), capsys, *more) == (1, "")


def test_signatures_are_those_of_a_library() -> None:
    """Ed25519 as the cryptography package signs it; a bit changed anywhere, and none is left."""
    random = Random(7)
    for length in (0, 1, 63, 64, 200):
        key, message = Ed25519PrivateKey.from_private_bytes(random.randbytes(32)), random.randbytes(length)
        parts = [key.public_key().public_bytes_raw(), message, key.sign(message)]
        assert outsider.verify(*parts)
        for which, part in enumerate(parts):
            if part:
                at = random.randrange(len(part) * 8)
                changed = bytearray(part)
                changed[at // 8] ^= 1 << at % 8
                assert not _verifies([*parts[:which], bytes(changed), *parts[which + 1 :]])


def _verifies(parts: list[bytes]) -> bool:
    try:
        return outsider.verify(*parts)
    except ValueError:
        return False


@pytest.mark.parametrize("entry", [b"\x80", b"\x80" * 12, b"\x0b\x00", b"\x22\x05a", b"\x22\x00\x08\x01"])
def test_an_entry_that_is_none_is_refused(entry: bytes) -> None:
    """Numbers that do not end, groups, texts that are cut off, and fields out of order."""
    with pytest.raises(ValueError):  # noqa: PT011 - it says nothing
        outsider._fields(entry)
