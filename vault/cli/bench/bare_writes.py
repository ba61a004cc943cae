"""The bare loops of writes: made-up customers, sealed, locked and committed, for nobody.

The keys are this process's own and gone with it: what a key is worth does not change what it costs.
"""

import secrets
import time
from collections.abc import Mapping
from itertools import count
from typing import Final
from uuid import uuid4

from vault.cli.bench.case import CALLERS
from vault.cli.bench.commits import LOG_ID, GroupCommits
from vault.cli.bench.press import CALLER, Made, Press, entry
from vault.crypto.envelope import Step
from vault.crypto.epoch import new_epoch_secret
from vault.crypto.sealer import EpochSealer
from vault.crypto.vault_key import VAULT_ID_SIZE, VaultKey, new_vault_key
from vault.domain.secret import Secret
from vault.storage.port import Result, SeenRequest, Work

_FINGERPRINT: Final = bytes(32)
_RESPONSE: Final = bytes(160)
"""About what is remembered of a create: names, etags, times."""


class WriteLoop:
    """Stores customers that did not exist before."""

    def __init__(self, commits: GroupCommits, audiences: Mapping[str, str]) -> None:
        """`audiences` of each field, by policy name."""
        vault_id = secrets.token_bytes(VAULT_ID_SIZE)
        self._vault_id = vault_id
        self._sealers: dict[str, EpochSealer] = {}
        key, lookup_key = VaultKey(vault_id, 1, new_vault_key()), Secret(secrets.token_bytes(32))
        self._press = Press(key, lookup_key, audiences, self._step)
        self._commits = commits
        self._numbers = count()

    def floor(self, seconds: float) -> float:
        """One customer for each call, as many calls in a commit as there are callers; calls in a second."""
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            self._commits.add([self._call() for _ in range(CALLERS)])
            done += CALLERS
        self._commits.finish()
        return done / (time.perf_counter() - began)

    def load(self, rows: int, batch: int) -> float:
        """So many customers in all, a batch for each commit with one entry; customers in a second."""
        began = time.perf_counter()
        for start in range(0, rows, batch):
            made = [self._customer() for _ in range(min(batch, rows - start))]
            self._commits.add([_work(made, "CustomerService.BatchCreateCustomers", None)])
        self._commits.finish()
        return rows / (time.perf_counter() - began)

    def _call(self) -> Work:
        request = SeenRequest(CALLER.spiffe_id, str(uuid4()), _FINGERPRINT, time.time_ns() // 1_000_000, b"")
        return _work([self._customer()], "CustomerService.CreateCustomer", request)

    def _customer(self) -> Made:
        number = next(self._numbers)
        return self._press.customer(f"bare-{number}", number)

    def _step(self, audience: str, _number: int) -> Step:
        sealer = self._sealers.get(audience)
        if sealer is None or not sealer.alive(0.0):
            sealer = self._sealers[audience] = EpochSealer(new_epoch_secret(), self._vault_id, audience, 0.0)
        return sealer.take()[0]


def _work(made: list[Made], action: str, request: SeenRequest | None) -> Work:
    written = entry(made, action, request.request_id if request else "")

    def finish(_: tuple[Result, ...]) -> tuple[bytes, bytes | None]:
        return written, _RESPONSE if request else None

    return Work(LOG_ID, finish, tuple(each.item for each in made), request)
