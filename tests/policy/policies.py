"""Policies for tests: the shipped one, and changed copies of it."""

from vault.policy.load import DEFAULT

TEXT = DEFAULT.read_text()


def changed(section: str, old: str, new: str) -> str:
    """The shipped policy with one change in one section, `[fields."payment.expiry"]`.

    Fails if `old` does not stand there exactly once: a change that changes nothing would test nothing.
    """
    head, found, tail = TEXT.partition(f"\n{section}\n")
    assert found, section
    end = tail.find("\n[")
    body, rest = (tail, "") if end < 0 else (tail[:end], tail[end:])
    assert body.count(old) == 1, (section, old)
    return f"{head}\n{section}\n{body.replace(old, new)}{rest}"


def without(section: str) -> str:
    """The shipped policy without a section."""
    head, found, tail = TEXT.partition(f"\n{section}\n")
    assert found, section
    end = tail.find("\n[")
    return head + ("" if end < 0 else tail[end:])


def added(text: str) -> str:
    """The shipped policy with tables at its end, as `init` adds them."""
    return f"{TEXT}\n{text}\n"
