"""The whole policy as one page that a privacy officer reads, prints and signs.

The page names the file by its digest, which is also what the log says at each start: so a signature on paper is a
signature under the very rules that a running vault follows. The same policy always makes the same page, but for the
day that stands on it.
"""

from collections.abc import Sequence
from typing import Final

from vault.cli.papers.html import Column, page, section, table, text
from vault.domain.audience import Custody
from vault.policy import matrix
from vault.policy.explain import IF
from vault.policy.keeping import kept
from vault.policy.model import Condition, Policy

HOLDER: Final = {
    Custody.VAULT: "the vault",
    Custody.CALLER: "the caller only",
    Custody.NONE: "nobody: counts",
}

_READING: Final = """<p>What is not in a row of the first table is denied. A role reads a field only if it may make the
call, has the purpose, the purpose is among those of the field, and the condition holds for that customer at that
moment. Where the key is held by “the caller only”, the vault, whoever runs it and whoever steals its files cannot read
the field. Every clause is quoted from the published privacy policy, and every read is in the log before it is
answered.</p>"""

_SIGNED: Final = """<div class="sign">
<p>I have read the rules above. They are what the published privacy policy promises.</p>
<p class="line">Policy (SHA-256): <code class="long">{digest}</code></p>
<p class="line">Name: <span></span></p>
<p class="line">Position: <span></span></p>
<p class="line">Place and date: <span></span></p>
<p class="line">Signature: <span></span></p>
</div>"""


def whole(policy: Policy, file: str, made: str) -> str:
    """The page.

    Args:
        policy: what it shows.
        file: where the policy came from, for the reader only.
        made: the day, as `2026-11-23`.
    """
    head = _pairs(
        ("File", text(file)),
        ("SHA-256", f'<code class="long">{policy.digest.hex()}</code>'),
        ("Made on", text(made)),
        ("Holds", f"{len(policy.purposes)} purposes, {len(policy.fields)} fields, {len(policy.roles)} roles"),
    )
    parts = [
        ("reads", "Who may read what", (_READING, _reads(policy))),
        ("fields", "Each field", (_fields(policy),)),
        ("calls", "Which calls each role may make", (_calls(policy),)),
        ("callers", "Callers and keys of this installation", _installation(policy)),
        ("limits", "How much one caller may ask for", (_limits(policy),)),
        ("signature", "Signature", (_SIGNED.format(digest=policy.digest.hex()),)),
    ]
    title = "The privacy policy, as the vault enforces it"
    return page(title, head, [(name, heading, section(name, heading, *inside)) for name, heading, inside in parts])


def condition(of: Condition) -> str:
    """A condition as the end of a sentence; never an empty cell, which reads as an oversight."""
    return IF[of] or "none"


def _pairs(*pairs: tuple[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs) + "</dl>"


def _reads(policy: Policy) -> str:
    columns = [
        Column("Role", "code"),
        Column("Purpose", "code"),
        Column("May read", "code"),
        Column("Condition"),
        Column("Key held by"),
        Column("Kept"),
        Column("Clause of the published policy", "words"),
    ]
    rows = [
        (g.role, g.purpose, g.words, condition(g.condition), HOLDER[g.custody], g.kept or "not stored", f"“{g.clause}”")
        for g in matrix.grants(policy)
    ]
    return table("reads", "Every read that the policy allows, by role and purpose", columns, rows)


def _fields(policy: Policy) -> str:
    columns = [
        Column("Field", "code"),
        Column("May be read for", "code"),
        Column("By", "code"),
        Column("Kept"),
        Column("Vault can open it"),
        Column("Clause of the published policy", "words"),
    ]
    rows = [
        (
            name,
            ", ".join(p for p in policy.purposes if p in rule.members),
            ", ".join(_readers(policy, name)),
            kept(policy, name),
            "never" if rule.caller_only else "for purposes whose key it holds",
            f"“{rule.clause}”",
        )
        for name, rule in policy.fields.items()
    ]
    return table("fields", "Every protected field, and all purposes and roles that reach it", columns, rows)


def _readers(policy: Policy, field: str) -> list[str]:
    reading = {role for purpose in policy.fields[field].members for role in policy.purposes[purpose].roles}
    return [role for role in policy.roles if role in reading]


def _calls(policy: Policy) -> str:
    rows = [
        (role, rule.about, ", ".join(name for name in policy.methods if policy.may_call(name, frozenset({role}))))
        for role, rule in policy.roles.items()
    ]
    columns = [Column("Role", "code"), Column("What it is", "words"), Column("Calls", "code")]
    return table("calls", "Every role, and the calls that it may make", columns, rows)


def _installation(policy: Policy) -> Sequence[str]:
    if not policy.callers:
        return ("<p>The file names no caller and no key yet: it belongs to no installation.</p>",)
    callers = [(name, ", ".join(sorted(caller.roles))) for name, caller in policy.callers.items()]
    keys = [
        (
            purpose,
            key.current.hex(),
            key.next.hex() if key.next else "none",
            key.recovery.hex() if key.recovery else "none",
        )
        for purpose, key in policy.keys.items()
    ]
    pinned = [
        Column("Purpose", "code"),
        Column("Key in use", "long"),
        Column("Next", "long"),
        Column("Recovery", "long"),
    ]
    return (
        table(
            "callers", "Every certificate that has a role", [Column("Caller", "code"), Column("Roles", "code")], callers
        ),
        table("keys", "Fingerprints of the keys that the vault does not hold", pinned, keys),
    )


def _limits(policy: Policy) -> str:
    tables = {"any caller": policy.limits.default, "all unknown certificates together": policy.limits.unknown}
    tables |= {f"role {role}": policy.limits.of("", frozenset({role})) for role in policy.limits.roles}
    tables |= {name: policy.limits.of(name, policy.roles_of(name)) for name in policy.limits.callers}
    columns = [Column("Who"), Column("Records a second"), Column("Searches a second"), Column("Calls at once")]
    rows = [
        (who, f"{each.records_per_second:g}", f"{each.searches_per_second:g}", f"{each.concurrent:g}")
        for who, each in tables.items()
    ]
    return table("limits", "Limits, so that a stolen certificate carries little away", columns, rows)
