"""`customer-vault mail-gateway`, as it is run: mail goes into a real vault and comes out of it again."""

import asyncio
import urllib.request
from pathlib import Path

import pytest

from tests.gateway import odd
from tests.gateway.running import configure, gateway
from tests.gateway.talk import Client, Hop, next_hop, until
from tests.running import RunningVault, command, make_home, new_id, serving
from vault.client.mail import MailClient
from vault.server.lifetime import LOOK_SECONDS, STALL_SECONDS


async def test_what_goes_in_comes_out_and_is_gone(running_vault: RunningVault) -> None:
    """Every odd message, byte for byte, over SMTP; the vault keeps nothing."""
    async with next_hop(Hop()) as hop:
        config = configure(running_vault.home, lmtp=0, smtp=0, hop=f"smtp:{hop.address}")
        async with gateway(config) as ([_, smtp], admin):
            texts = [odd.canonical(text) for text in odd.MESSAGES.values()]
            for text in texts:
                await _send(smtp, text)
            await until(lambda: len(hop.got) == len(texts))
            assert sorted(_unstuffed(got.text) for got in hop.got) == sorted(texts)
            while "customer_vault_mail_waiting 0.0" not in await _page(admin):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            page = await _page(admin)
            assert f'customer_vault_mail_relayed_total{{outcome="delivered"}} {float(len(texts))}' in page
            assert (await _page(admin, "readyz")).strip() == '{"ready": true}'
            assert (await _page(admin, "healthz")).strip() == '{"alive": true}'


async def test_a_message_of_a_known_mailbox_is_its_customers(tmp_path: Path) -> None:
    """By the file of owners, read when it changes; and the next hop may speak LMTP."""
    answer = "451 4.2.0 not yet"
    with serving(make_home(tmp_path)) as vault:
        async with next_hop(Hop(lmtp=True, answer=lambda _: answer)) as hop:
            config = configure(vault.home, lmtp=0, hop=f"lmtp:{hop.address}")
            customer = new_id()
            vault.run("customer", "create", "--id", customer, "--name", "Ann")
            (config.parent / "owners").write_text(f"ann@b.example {customer}\n")
            async with gateway(config) as ([lmtp], _):
                await _send(lmtp, b"hi\r\n", "ann@b.example", hello="LHLO")
                await until(lambda: any(line.startswith("MAIL") for line in hop.lines))
                async with MailClient.open(config.parent) as mail:
                    waiting = [message async for message in mail.list_messages(owner=f"customers/{customer}")]
                    assert [message.size for message in waiting] == [4]
                    assert [message async for message in mail.list_messages(recipient="Ann@b.example")]


async def test_what_is_larger_than_the_vault_takes_is_refused_for_good(tmp_path: Path) -> None:
    """By the vault's limit, which is below the gateway's here; nothing of it is left."""
    home = make_home(tmp_path)
    with (home / "vault.toml").open("a") as file:
        file.write("\n[mail]\nmax_message_bytes = 200_000\n")
    with serving(home) as vault:
        async with next_hop(Hop(answer=lambda _: "451 4.2.0 not yet")) as hop:
            config = configure(vault.home, lmtp=0, hop=f"smtp:{hop.address}")
            async with gateway(config) as ([lmtp], admin):
                assert (await _sent(lmtp, b"x" * 198 + b"\r\n", 1000)).startswith("250")
                assert (await _sent(lmtp, b"x" * 198 + b"\r\n", 1001)).startswith("552 5.3.4")
                assert (await _sent(lmtp, b"x" * 198 + b"\r\n", 20_000)).startswith("552 5.3.4")
                assert "customer_vault_mail_waiting 1.0" in await _page(admin)


@pytest.mark.long
async def test_a_sender_that_stops_in_a_text_is_told_to_come_again(running_vault: RunningVault) -> None:
    """The vault ends an upload that stands still; what then still comes is read to its end, and nothing is stored."""
    async with next_hop(Hop()) as hop:
        config = configure(running_vault.home, lmtp=0, hop=f"smtp:{hop.address}")
        async with gateway(config) as ([lmtp], _), Client(lmtp) as client:
            await client.greet("LHLO")
            await client.begin("b@b.example")
            client.send(b"x" * 198 + b"\r\n" + (b"y" * 198 + b"\r\n") * 1000)
            await asyncio.sleep(STALL_SECONDS + 2 * LOOK_SECONDS)
            client.send(b"the rest\r\n.\r\n")
            assert (await client.reply()).startswith("451 4.3.0")
            await _send(lmtp, b"again\r\n", hello="LHLO")
            await until(lambda: [got.text for got in hop.got] == [b"again\r\n"])


def test_a_wrong_setting_is_said_before_anything_runs(running_vault: RunningVault, tmp_path: Path) -> None:
    """Exit code 2, and the key."""
    file = tmp_path / "gateway.toml"
    file.write_text('hostname = "localhost"\n')
    done = command("mail-gateway", "--config", str(file), code=2)
    assert "hostname" in done.stderr


async def test_two_gateways_cannot_have_one_port(running_vault: RunningVault) -> None:
    """The second says so."""
    async with next_hop(Hop()) as hop:
        config = configure(running_vault.home, lmtp=0, hop=f"smtp:{hop.address}")
        async with gateway(config) as ([lmtp], _):
            configure(running_vault.home, lmtp=int(lmtp.rpartition(":")[2]), hop=f"smtp:{hop.address}")
            done = await asyncio.to_thread(command, "mail-gateway", "--config", str(config), code=2)
            assert "another process has it" in done.stderr


async def _send(address: str, text: bytes, recipient: str = "b@b.example", hello: str = "EHLO") -> None:
    async with Client(address) as client:
        await client.greet(hello)
        await client.begin(recipient)
        client.send((b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
        assert (await client.reply()).startswith("250")


async def _sent(address: str, line: bytes, lines: int) -> str:
    """The reply to a text of so many lines."""
    async with Client(address) as client:
        await client.greet("LHLO")
        await client.begin("b@b.example")
        client.send(line * lines + b".\r\n")
        return await client.reply()


def _unstuffed(text: bytes) -> bytes:
    return (b"\r\n" + text).replace(b"\r\n.", b"\r\n")[2:]


async def _page(address: str, page: str = "metrics") -> str:
    def read() -> str:
        with urllib.request.urlopen(f"http://{address}/{page}") as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)
