"""One call: who asks, for which method, when. The time is read once, at the edge."""

from dataclasses import dataclass

from vault.policy.model import Caller


@dataclass(slots=True)
class Call:
    """What every use case is given beside the request."""

    caller: Caller
    method: str
    """`ContactService.GetContact`, which is also the action in the log."""
    now: int
    """Milliseconds since 1970."""
    order: str = ""
    """Id of the order of disclosure that the call is about, or under which it reads."""
    since: int = 0
    """From which moment on a change of that order counts (`vault.service.freshness`)."""
    logged: bool = False
    """Whether the call's entry is in the log; what fails before gets one at the end."""
