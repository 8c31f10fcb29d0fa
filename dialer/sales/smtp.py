"""The connector that sends e-mail."""

from __future__ import annotations

import socket
from email.errors import HeaderParseError, MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from urllib.parse import urlsplit

import aiosmtplib

from dialer.config.sales_tables import ConnectorTable
from dialer.egress import AddressRefused, AddressUnknown, Egress
from dialer.sales.answer import Answer, Verdict
from dialer.sales.connector import Impossible, NoAnswer, NotSent, Request, filled, filled_line

_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


class SmtpConnector:
    """One message a request. Its Message-ID is made of the idempotency key, so that whoever gets it twice can tell."""

    def __init__(self, table: ConnectorTable, secret: str | None, egress: Egress) -> None:
        parts = urlsplit(table.url or "")
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._username, self._secret = table.username, secret
        self._sender = table.sender or ""
        self._egress = egress

    async def ask(self, request: Request) -> Answer:
        message = self._message(request)
        try:
            await self._egress.resolve(self._host, self._port)  # the host is the config's own word, no template's
        except AddressRefused as error:
            raise Impossible(str(error)) from None
        except AddressUnknown as error:
            raise NotSent(str(error)) from None
        client = aiosmtplib.SMTP(
            hostname=self._host, port=self._port, timeout=request.timeout, start_tls=self._scheme == "smtp+starttls",
            use_tls=self._scheme == "smtps", local_hostname=socket.gethostname(),
        )  # fmt: skip
        sent = False
        try:
            await client.connect()
            if self._username is not None:
                await client.login(self._username, self._secret or "")
            sent = True
            await client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused:
            return Answer({"json": None}, Verdict.REJECTED, "the recipient is refused")
        except aiosmtplib.SMTPResponseException as error:
            if 500 <= error.code < 600:
                return Answer({"json": {"code": error.code}}, Verdict.REJECTED, f"SMTP status {error.code}")
            return Answer({"json": {"code": error.code}}, Verdict.UNCLEAR, f"SMTP status {error.code}")
        except (aiosmtplib.SMTPException, OSError) as error:
            kind = NoAnswer if sent else NotSent
            raise kind(f"SMTP: {type(error).__name__}") from None
        finally:
            client.close()
        return Answer({"json": {"message_id": message["Message-ID"]}}, Verdict.ACCEPTED)

    def _message(self, request: Request) -> EmailMessage:
        action, values = request.action, {**request.values, "key": request.key}
        message = EmailMessage()
        try:
            message["From"] = self._sender
            message["To"] = filled_line(action.to or "", values)
            message["Subject"] = filled_line(action.subject or "", values)
            message["Message-ID"] = f"<{request.key.replace('/', '.')}@{Address(addr_spec=self._bare()).domain}>"
            message.set_content(filled(action.text or "", values))
        except (MessageError, HeaderParseError, ValueError, IndexError) as error:
            raise Impossible(f"not a message: {type(error).__name__}") from None
        if not message["To"]:
            raise Impossible("the message has no recipient")
        return message

    def _bare(self) -> str:
        return self._sender.rpartition("<")[2].rstrip("> ") or self._sender

    async def close(self) -> None:
        """Nothing is held: each message has a connection of its own."""
