"""Store messages of 10 KiB, 1 MiB and 25 MiB with the SDK: sealed there, durable before the answer."""

from typing import Any

from vault.cli.bench import bare_mail, messages
from vault.cli.bench.case import Special
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan

Apart = messages.Mailer


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    return messages.measure(at, plan, "mail_store", "store", "taken", bare_mail.stored_per_s)


CASE = Special(_measure)
