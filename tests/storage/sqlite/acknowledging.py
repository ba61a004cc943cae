"""A process that writes as fast as it can, and says what was acknowledged; its parent kills it at some moment.

Each line on standard output is one acknowledged work: `put NAME KEY_ID INDEX`, `remove NAME INDEX` or `erase OWNER
INDEX`. A line is written whole or not at all (it is shorter than PIPE_BUF).
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from tests.storage.values import NOW, item, name, owner, put, remove, request, work
from vault.storage.port import Result, Row, Storage
from vault.storage.sqlite import SqliteStorage


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def _caller(storage: Storage, number: int) -> None:
    chance = random.Random(os.urandom(8))
    while True:
        customer = f"{number}-{chance.randrange(1 << 30):x}"
        contact, card = put(name(customer, "contact")), put(name(customer, "cards/1"))
        rows: list[Row] = []
        wrote = await storage.commit(work(item(contact, card), uses=request(customer)))
        for each in (contact, card):
            _say(f"put {each.row.record_name} {each.row.key_id.hex()} {wrote.log_index}")
            rows.append(each.row)
        newer = put(name(customer, "contact"), contact.row.key_id, version=2)
        wrote = await storage.commit(work(item(newer)))
        _say(f"put {newer.row.record_name} {newer.row.key_id.hex()} {wrote.log_index}")
        match chance.randrange(4):
            case 0:
                removed = await storage.commit(work(item(remove(card.row))))
                assert removed.results == (Result.DONE,)
                _say(f"remove {card.row.record_name} {removed.log_index}")
            case 1:
                erased = await storage.erase(owner(customer), NOW, "log-0", lambda *_: b"erased")
                _say(f"erase {owner(customer)} {erased.log_index}")


async def _main(folder: Path) -> None:
    storage = await SqliteStorage.open(folder / "vault.db", folder / "keys.db", fatal=sys.exit)
    _say("ready")
    await asyncio.gather(*[_caller(storage, number) for number in range(8)])


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
