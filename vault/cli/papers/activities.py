"""The record of processing activities (GDPR, article 30), as far as the policy knows it.

An activity is a purpose: why, of whom, which data, who receives it, under which condition, until when, and what guards
it. What no policy knows (who the controller is, transfers to third countries) stands there to be filled in by hand, or
is given as an option; nothing is guessed, and nothing is left out without saying so.
"""

from dataclasses import asdict, dataclass
from typing import Final

from vault.domain.audience import Custody
from vault.policy.explain import IF
from vault.policy.keeping import kept_all
from vault.policy.matrix import in_words
from vault.policy.model import Policy, PurposeRule

UNKNOWN: Final = "(to be filled in: the vault does not know it)"
_VISITORS: Final = "visitors of the web site"
_CUSTOMERS: Final = "customers"
_CORRESPONDENTS: Final = "customers and those who write to them"
_SUBJECTS: Final = {"site": _VISITORS, "order": "visitors who order, and customers", "mail": _CORRESPONDENTS}
_KEYS: Final = {
    Custody.VAULT: "Sealed for this purpose's own key, which the vault holds, and decided on for each read.",
    Custody.CALLER: "Sealed for a key that the recipient alone holds; neither the vault nor its operator can read it.",
    Custody.NONE: "No key: counts over many visits, never a person's data.",
}
SAFEGUARDS: Final = (
    "Every field is encrypted for its purposes (HPKE, post-quantum hybrid).",
    "Every version of a record has a key of its own, kept apart from the data; without it no copy or backup opens.",
    "Every read names its purpose, is decided by the policy, and is in a signed log before it is answered.",
    "Callers are known by certificates (TLS 1.3) and limited in what they read per second.",
    "A customer's consent, objection and restriction are under lock, and count from the next read on.",
)


@dataclass(frozen=True, slots=True)
class Activity:
    """One purpose."""

    purpose: str
    why: str
    """The clause of the published policy."""
    subjects: str
    data: str
    recipients: tuple[str, ...]
    condition: str
    erased: str
    safeguard: str


@dataclass(frozen=True, slots=True)
class Record:
    """The whole record."""

    controller: str
    contact: str
    officer: str
    transfers: str
    policy: str
    """SHA-256 of the policy, hex."""
    made: str
    activities: tuple[Activity, ...]
    safeguards: tuple[str, ...] = SAFEGUARDS

    def document(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def activities(policy: Policy) -> tuple[Activity, ...]:
    """One for each purpose, in the order of the file."""
    return tuple(_activity(policy, rule) for rule in policy.purposes.values())


def _activity(policy: Policy, rule: PurposeRule) -> Activity:
    readable = policy.readable(rule.purpose)
    fields = [name for name in policy.fields if name in readable]
    categories = dict.fromkeys(name.partition(".")[0] for name in fields)
    subjects = list(dict.fromkeys(_SUBJECTS.get(category, _CUSTOMERS) for category in categories)) or [_VISITORS]
    return Activity(
        purpose=rule.purpose,
        why=rule.clause,
        subjects="; ".join(subjects),
        data=in_words(policy, fields) or "counts only",
        recipients=tuple(f"{role}: {policy.roles[role].about}" for role in policy.roles if role in rule.roles),
        condition=IF[rule.condition] or "none",
        erased=kept_all(policy, fields)
        if fields
        else f"nothing is stored of a person; counts of visits {policy.retention.visits.text}",
        safeguard=_KEYS[rule.custody],
    )


def markdown(record: Record) -> str:
    """The record for people."""
    lines = [
        "# Record of processing activities",
        "",
        "Article 30 GDPR. Generated from the policy that the vault enforces; SHA-256 of its file:",
        f"`{record.policy}`. Made on {record.made}.",
        "",
        f"- Controller: {record.controller}",
        f"- Contact: {record.contact}",
        f"- Data protection officer: {record.officer}",
        f"- Transfers to third countries: {record.transfers}",
    ]
    for each in record.activities:
        lines += [
            "",
            f"## {each.purpose}",
            "",
            f"> {' '.join(each.why.split())}",
            "",
            f"- Data subjects: {each.subjects}",
            f"- Data: {each.data}",
            f"- Condition: {each.condition}",
            f"- Kept: {each.erased}",
            f"- Safeguard: {each.safeguard}",
            "- Recipients:",
            *(f"  - {recipient}" for recipient in each.recipients),
        ]
    lines += ["", "## Technical and organisational measures", "", *(f"- {text}" for text in record.safeguards)]
    return "\n".join(lines)
