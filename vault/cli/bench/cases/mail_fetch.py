"""Fetch messages of 10 KiB, 1 MiB and 25 MiB with the SDK: each is in the log first, and opened by its reader."""

from typing import Any

from vault.cli.bench import messages
from vault.cli.bench.case import Special
from vault.cli.bench.place import Place
from vault.cli.bench.rounds import Plan

Apart = messages.Mailer


def _measure(at: Place, plan: Plan) -> dict[str, Any]:
    return messages.measure(at, plan, "mail_fetch", "fetch", "given")


CASE = Special(_measure)
