"""One client's conversation, in SMTP (RFC 5321) or LMTP (RFC 2033).

Why our own server, and not aiosmtpd: that one joins a whole message in memory before anybody sees it (50 MiB for each
connection), answers an LMTP client once where RFC 2033 wants a reply for each recipient (Postfix waits for the others
until it gives up), and its reader of texts knows nothing of bare line ends. What is left of it when these are replaced
is a table of commands, and that is short.

A reply that promises is given only after the vault's: 250 to a text means that it is durable, encrypted, under the
owner's name. Every doubt is 451, and the mail server comes again. 5xx is for what could not get better: a text or a
line that breaks the rules of form.

Commands are answered in turn, whether they came one by one or together (PIPELINING), and what waits for a reply is
always one thing: the next line, or the next piece of a text.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import structlog

from vault.domain.names import Owner
from vault.errors import VaultError
from vault.gateway import commands, trace
from vault.gateway.body import Body, Fault
from vault.gateway.commands import Refused
from vault.gateway.intake import MOST_OWNERS, Addressed, Intake
from vault.gateway.port import Envelope, Recipient
from vault.gateway.reply import BUSY, CLOSING, NOT_NOW, OK, TOO_SLOW, Reply
from vault.gateway.wire import HungUp, Wire

log = structlog.get_logger()

_EXTENSIONS: Final = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "XFORWARD IDENT")
_MAX_RECIPIENTS: Final = 100
_MAX_ERRORS: Final = 20
_GO_ON = Reply(354, "", "end with a line that has a dot only")
_ORDER = Reply(503, "5.5.1", "not now: the order is MAIL, RCPT, DATA")
_HELLO_FIRST = Reply(503, "5.5.1", "say hello first")


class Speech(Enum):
    """What is spoken: how a client says hello, and how many replies it gets to a text."""

    SMTP = "smtp"
    LMTP = "lmtp"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do."""

    max_size: int
    """Bytes of a message."""
    data_seconds: float
    """For a whole text."""


@dataclass(slots=True)
class _Transaction:
    sender: str
    parameters: dict[str, str]
    recipients: list[Addressed] = field(default_factory=list)

    def envelope(self) -> Envelope:
        given = self.parameters
        return Envelope(
            sender=self.sender,
            recipients=(),
            body=given.get("BODY", "").upper(),
            smtputf8="SMTPUTF8" in given,
            ret=given.get("RET", "").upper(),
            envid=given.get("ENVID", ""),
        )


class Session:
    """One conversation; `run` holds it."""

    def __init__(self, wire: Wire, speech: Speech, hostname: str, intake: Intake, limits: Limits) -> None:
        self._wire = wire
        self._speech = speech
        self._hostname = hostname
        self._intake = intake
        self._limits = limits
        self._greeted = False
        self._mail: _Transaction | None = None
        self._ident = ""
        self._errors = 0
        self._over = False
        self.waiting = False
        """Whether it waits for a command, and nothing is lost if it is cancelled."""
        self._verbs: dict[str, Callable[[str], Awaitable[Reply | None]]] = {
            "HELO" if speech is Speech.SMTP else "LHLO": self._hello,
            "MAIL": self._from,
            "RCPT": self._to,
            "DATA": self._data,
            "RSET": self._reset,
            "NOOP": self._noop,
            "VRFY": self._verify,
            "QUIT": self._quit,
            "XFORWARD": self._xforward,
        }
        if speech is Speech.SMTP:
            self._verbs["EHLO"] = self._hello

    async def run(self) -> None:
        """Talk until one side has enough; raises nothing but a cancellation in the middle of a text."""
        try:
            protocol = "ESMTP" if self._speech is Speech.SMTP else "LMTP"
            self._say(Reply(220, "", f"{self._hostname} {protocol}"))
            while not self._over:
                await self._turn()
        except TimeoutError:
            self._say(TOO_SLOW)
        except HungUp:
            self._wire.abort()
        except asyncio.CancelledError:
            if not self.waiting:
                self._wire.abort()
                raise
            self._say(CLOSING)
        await self._wire.close()

    async def _turn(self) -> None:
        self.waiting = True
        await self._wire.flush()
        line = await self._wire.line(commands.MAX_COMMAND)
        self.waiting = False
        try:
            verb, arguments = commands.split(line)
            reply = await self._command(verb, arguments)
        except Refused as refused:
            reply = refused.reply
        if reply is None:
            return
        self._say(reply)
        self._errors += not reply.taken
        if self._errors > _MAX_ERRORS:
            self._say(Reply(421, "4.7.0", "too many errors"))
            self._over = True

    async def _command(self, verb: str, arguments: str) -> Reply | None:
        known = self._verbs.get(verb)
        if known is None:
            raise Refused(Reply(500, "5.5.1", "no such command here"))
        if not self._greeted and verb in {"MAIL", "RCPT", "DATA"}:
            raise Refused(_HELLO_FIRST)
        return await known(arguments)

    def _say(self, reply: Reply) -> None:
        self._wire.write(bytes(reply))

    # --- commands ---

    async def _hello(self, arguments: str) -> Reply:
        if not arguments:
            raise Refused(Reply(501, "5.5.4", "who are you?"))
        self._greeted, self._mail = True, None
        return Reply(250, "", self._hostname, (f"SIZE {self._limits.max_size}", *_EXTENSIONS))

    async def _from(self, arguments: str) -> Reply:
        if self._mail is not None:
            raise Refused(_ORDER)
        path = commands.path(arguments, "FROM", commands.MAIL_PARAMETERS, utf8=False)
        if int(path.parameters.get("SIZE", "0")) > self._limits.max_size:
            raise Refused(Fault.SIZE.value)
        self._mail = _Transaction(path.address, path.parameters)
        return Reply(250, "2.1.0", "sender taken")

    async def _to(self, arguments: str) -> Reply:
        mail = self._mail
        if mail is None:
            raise Refused(_ORDER)
        path = commands.path(arguments, "TO", commands.RCPT_PARAMETERS, utf8="SMTPUTF8" in mail.parameters)
        if not path.address:
            raise Refused(Reply(501, "5.1.3", "no recipient"))
        if len(mail.recipients) >= _MAX_RECIPIENTS:
            raise Refused(Reply(452, "4.5.3", "too many recipients"))
        owner = await self._owner(path.address)
        if len({owner, *(each.owner for each in mail.recipients)}) > MOST_OWNERS:
            raise Refused(Reply(452, "4.5.3", "too many owners of one message"))
        given = path.parameters
        recipient = Recipient(path.address, given.get("NOTIFY", "").upper(), given.get("ORCPT", ""))
        mail.recipients.append(Addressed(recipient, owner))
        return Reply(250, "2.1.5", "recipient taken")

    async def _owner(self, address: str) -> Owner:
        try:
            return await self._intake.owner_of(address)
        except VaultError as error:
            log.error("the owner of an address cannot be told", error=type(error).__name__, why=str(error))  # noqa: TRY400
            raise Refused(NOT_NOW) from None

    async def _reset(self, _: str) -> Reply:
        self._mail, self._ident = None, ""
        return OK

    async def _noop(self, _: str) -> Reply:
        return OK

    async def _verify(self, _: str) -> Reply:
        return Reply(252, "2.5.2", "send it and see")

    async def _quit(self, _: str) -> Reply:
        self._over = True
        return Reply(221, "2.0.0", "goodbye")

    async def _xforward(self, arguments: str) -> Reply:
        """Take Postfix's name for the message (IDENT); the rest of XFORWARD is of no use here."""
        for word in arguments.split():
            name, _, value = word.partition("=")
            if name.upper() == "IDENT":
                self._ident = "" if value.upper() == "[UNAVAILABLE]" else value[:100]
        return OK

    # --- the text ---

    async def _data(self, arguments: str) -> Reply | None:
        mail = self._mail
        if mail is None or not mail.recipients or arguments:
            raise Refused(_ORDER)
        if self._wire.ahead:
            # A client may not send anything behind DATA before it has the reply (RFC 2920, 3.1): what came already
            # was put there by somebody else.
            self._over = True
            raise Refused(Reply(503, "5.5.0", "not before the reply to DATA"))
        async with self._intake.room(len({a.owner for a in mail.recipients})) as free:
            if not free:
                raise Refused(BUSY)
            self._say(_GO_ON)
            await self._wire.flush()
            for reply in await self._receive(mail):
                self._say(reply)
        self._mail, self._ident = None, ""
        return None

    async def _receive(self, mail: _Transaction) -> list[Reply]:
        """Take the text; the replies to give."""
        body = Body(self._limits.max_size)
        ident = self._ident
        async with asyncio.timeout(self._limits.data_seconds):
            try:
                replies = await self._intake.take(
                    mail.envelope(),
                    mail.recipients,
                    self._text(body),
                    lambda: ident or trace.queue_id(body.top),
                )
            except Refused as refused:
                replies = [refused.reply] * len(mail.recipients)
        if self._speech is Speech.LMTP:
            return replies
        return [next((reply for reply in replies if not reply.taken), replies[0])]

    async def _text(self, body: Body) -> AsyncIterator[bytes]:
        """The pieces of a text.

        Raises:
            Refused: the text breaks a rule; it was read to its end.
            HungUp: it has no end.
        """
        while body.rest is None:
            piece = body.feed(await self._wire.some())
            if piece:
                yield piece
        self._wire.put_back(body.rest)
        if body.fault is None and trace.passed(body.top) > trace.MAX_RECEIVED:
            body.fault = Fault.LOOP
        if body.fault:
            self._intake.refused(body.fault.name.lower())
            raise Refused(body.fault.value)
