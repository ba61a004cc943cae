"""The storefront moves its table in, by `customer-vault import customers.csv`."""

from typing import Final

from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Stage
from vault.cli.demo.stage import run as command

_IN_PART: Final = 3


def run(stage: Stage, say: Screen) -> None:
    """Import a table in which one row is wrong."""
    table = stage.folder / "customers.csv"
    stage.table.write(table)
    answer = command("import", table, "--home", stage.home)
    stored = answer.document.get("stored")
    say.claim(
        f"{stored} customers stored; their cards were sealed before they were sent",
        held=stored == len(stage.table.good),
    )
    refused = answer.document.get("refused", [])
    bad = stage.table.bad
    say.claim(
        f"1 row refused, by line and column and without its value: line {stage.table.bad_line}, card_number",
        held=[(row["line"], row["field"]) for row in refused] == [(stage.table.bad_line, "card_number")]
        and bad.card_number not in answer.text
        and answer.exit_code == _IN_PART,
    )
