"""Telling the company what happened: signed HTTP requests from the store's journal, until they are taken."""

from dialer.webhooks.courier import Courier
from dialer.webhooks.keeper import WebhookKeeper
from dialer.webhooks.signature import SignatureError, sign, verify

__all__ = ["Courier", "SignatureError", "WebhookKeeper", "sign", "verify"]
