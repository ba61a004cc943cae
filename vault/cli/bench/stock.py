"""Old and large stores, made in a short time: epochs and customers written into a vault's files without its server.

What stands in the files is what a server would have written: epochs are published under the vault's own keys with
stanzas for their purposes, rows are sealed and locked, keys wrapped. Two things are left out, and nothing that is
measured reads them: the entries of these writes go to a log of their own, which nobody signs, and an aged store has
stanzas only for the purposes that read it.
"""

import signal
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from vault.cli.bench import people
from vault.cli.bench.commits import GroupCommits
from vault.cli.bench.press import Press, entry
from vault.cli.deployment.layout import Layout
from vault.crypto.envelope import Step
from vault.crypto.epoch import new_epoch_secret, seal_stanza
from vault.crypto.hpke import Fingerprint
from vault.crypto.sealer import EpochSealer
from vault.crypto.vault_key import VaultKey
from vault.domain.names import RecordName
from vault.domain.secret import Secret
from vault.errors import Unavailable
from vault.keyring.epochs import Epoch, Epochs, Stanza
from vault.keyring.keyring import Keyring
from vault.keyring.purposes import Pinned
from vault.policy import load as policy_file
from vault.policy.model import Policy
from vault.service.root_key import root_key_provider
from vault.service.settings import Settings
from vault.storage.port import Item, Result, Row, Work
from vault.storage.sqlite import SqliteStorage
from vault.storage.sqlite.reader import Reader

_LOG: Final = "prepared"
_EPOCHS_AT_ONCE: Final = 100
_AT_ONCE: Final = 250
_WINDOW: Final = 32
"""Parts that are sealed ahead of the commits, at most: a million customers in memory would be 4 GB."""
_USED: Final = frozenset({*(f"contact.{name}" for name in people.CONTACT_FIELDS), "payment.card_number"})
_ours: list[tuple[Press, int]] = []
"""What a process that seals was begun with."""


@dataclass(slots=True)
class Stock:
    """A vault's files, and the keys to write into them."""

    home: Path
    key: VaultKey
    lookup_key: Secret
    audiences: Mapping[str, str]
    """Of each field, by policy name."""
    sealers: dict[str, list[EpochSealer]] = field(default_factory=dict)
    """By audience."""

    def fill(self, customers: int) -> None:
        """Store so many customers; each takes the epoch of its number of every audience, in turns.

        They are sealed in as many processes as there are cores, forked so that they have the keys, and committed here.
        A part or less is sealed here: a fork beside threads, which whoever calls may have, can stand still for ever.
        """
        at, window = Layout(self.home), _AT_ONCE * _WINDOW
        if customers <= _AT_ONCE:
            items, written = _sealed((Press(self.key, self.lookup_key, self.audiences, self.step), customers), 0)
            with GroupCommits(at.data, at.keys) as commits:
                commits.add([Work(_LOG, _finish(written), items)])
            return
        # The pool first: a process must not be forked beside a thread that may hold a lock.
        pool = get_context("fork").Pool(initializer=_begin, initargs=(self, customers))
        with pool, GroupCommits(at.data, at.keys) as commits:
            for begin in range(0, customers, window):
                starts = range(begin, min(begin + window, customers), _AT_ONCE)
                for items, written in pool.imap_unordered(_sealed_there, starts):
                    commits.add([Work(_LOG, _finish(written), items)])

    def step(self, audience: str, number: int) -> Step:
        """Under which the customer with a number is sealed."""
        sealers = self.sealers[audience]
        return sealers[number % len(sealers)].take()[0]

    def bytes(self) -> int:
        """Of both stores, as they are on the disk."""
        at = Layout(self.home)
        return sum(path.stat().st_size for store in (at.data, at.keys) for path in store.parent.iterdir())


async def publish(home: Path, epochs: int, purposes: Collection[str] = ()) -> Stock:
    """Publish so many epochs for each audience that made-up customers are sealed for, with stanzas for `purposes`.

    Args:
        home: of a vault that nobody serves.
        epochs: how many.
        purposes: all of an audience if empty.
    """
    settings = Settings.load(Layout(home).config)
    policy = policy_file.load(settings.vault.policy, require_keys=True)
    storage = await SqliteStorage.open(settings.storage.data, settings.storage.keys, fatal=_fatal)
    try:
        keyring = await _open(storage, settings, policy)
        audiences = {f.field: f.audience for f in policy.fields.values()}
        stock = Stock(home, keyring.vault_keys.current, keyring.lookup_key, audiences)
        for audience in sorted({audiences[name] for name in _USED}):
            stock.sealers[audience] = await _publish(keyring, audience, epochs, purposes)
    finally:
        await storage.close()
    return stock


def rows(home: Path, customers: int) -> dict[RecordName, Row]:
    """All records of made-up customers as they are stored now; beside a server, too."""
    at, found = Layout(home), {}
    reader = Reader(at.data, at.keys)
    try:
        for number in range(customers):
            owner = f"customers/{people.customer_id(number)}"
            names = [RecordName(f"{owner}{part}") for part in ("", "/contact", "/cards/first")]
            found.update(reader.fetch(names))
    finally:
        reader.close()
    return found


async def _open(storage: SqliteStorage, settings: Settings, policy: Policy) -> Keyring:
    return await Keyring.open(
        storage,
        root_key_provider(settings.root_key),
        owner=f"spiffe://{settings.vault.trust_domain}/vault",
        custody={p.purpose: p.custody for p in policy.purposes.values()},
        pinned={purpose: Pinned(Fingerprint(rule.current)) for purpose, rule in policy.keys.items()},
        now=time.time_ns() // 1_000_000,
    )


async def _publish(keyring: Keyring, audience: str, epochs: int, purposes: Collection[str]) -> list[EpochSealer]:
    recipients = [k for k in keyring.purposes.recipients(audience) if not purposes or k.purpose in purposes]
    sealers, waiting = [], []
    for number in range(epochs):
        secret = new_epoch_secret()
        sealers.append(EpochSealer(secret, keyring.vault_id, audience, 0.0))
        stanzas = [
            Stanza(
                k.purpose,
                k.recipient.fingerprint,
                seal_stanza(secret, keyring.vault_id, audience, k.purpose, k.recipient),
            )
            for k in recipients
        ]
        epoch = Epoch(sealers[-1].epoch_id, audience, keyring.owner, time.time_ns() // 1_000_000)
        waiting += Epochs.rows_of(epoch, stanzas)
        if number % _EPOCHS_AT_ONCE == 0 or number == epochs - 1:
            await keyring.rows.add(waiting)
            waiting = []
    return sealers


def _begin(stock: Stock, customers: int) -> None:
    """In a process that seals."""
    # The pool ends them by SIGTERM, and what the bench does then is not theirs; Ctrl-C reaches the bench as well.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _ours.append((Press(stock.key, stock.lookup_key, stock.audiences, stock.step), customers))


def _sealed_there(start: int) -> tuple[tuple[Item, ...], bytes]:
    """In a process that seals: the next customers, and their entry."""
    [ours] = _ours
    return _sealed(ours, start)


def _sealed(ours: tuple[Press, int], start: int) -> tuple[tuple[Item, ...], bytes]:
    press, customers = ours
    numbers = range(start, min(start + _AT_ONCE, customers))
    made = [press.customer(people.customer_id(number), number) for number in numbers]
    return tuple(each.item for each in made), entry(made, "CustomerService.BatchCreateCustomers")


def _finish(written: bytes) -> Callable[[tuple[Result, ...]], tuple[bytes, None]]:
    return lambda _: (written, None)


def _fatal(reason: str) -> None:
    raise Unavailable(f"the stores cannot be made: {reason}")
