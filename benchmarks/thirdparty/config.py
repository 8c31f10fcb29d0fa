"""The `[sales]` table for the simulated third parties: also the example of a whole pipeline."""

from __future__ import annotations

from collections.abc import Mapping


def sales_table(ports: Mapping[str, int], **extra: str) -> str:
    """TOML text. `ports`: of reservations, antifraud, gateway, mail; `extra`: further keys of `[sales]`, as TOML."""
    more = "\n".join(f"{key} = {value}" for key, value in extra.items())
    return f"""
[sales]
allow = ["127.0.0.1"]
{more}

[sales.connectors.reservations]
kind = "http"
url = "http://127.0.0.1:{ports["reservations"]}"

[sales.connectors.antifraud]
kind = "http"
url = "http://127.0.0.1:{ports["antifraud"]}"

[sales.connectors.gateway]
kind = "http"
url = "http://127.0.0.1:{ports["gateway"]}"

[sales.connectors.mail]
kind = "smtp"
url = "smtp://127.0.0.1:{ports["mail"]}"
sender = "Tickets <tickets@example.com>"

[[sales.steps]]
name = "reservation"
connector = "reservations"
do.path = "/reservations/{{{{ sale.fields.reservation | urlencode }}}}/check"
do.verdict = "$.state"
do.accepted = ["held"]
do.rejected = ["expired"]
undo.path = "/reservations/{{{{ sale.fields.reservation | urlencode }}}}/release"

[[sales.steps]]
name = "antifraud"
connector = "antifraud"
do.path = "/score"
do.body = '{{"amount": {{{{ sale.fields.amount | tojson }}}}, "number": {{{{ sale.number | tojson }}}}}}'
do.verdict = "$.decision"
do.accepted = ["approve"]
do.rejected = ["decline"]
do.reason = "$.reason"

[[sales.steps]]
name = "payment"
connector = "gateway"
do.path = "/charges"
do.body = '{{"amount": {{{{ sale.fields.amount | tojson }}}}, "card": {{{{ sale.fields.card | tojson }}}}}}'
do.verdict = "$.status"
do.accepted = ["paid"]
do.rejected = ["declined", "closed", "refunded"]
do.reason = "$.reason"
do.keep = {{ charge = "$.id" }}
status.path = "/charges/status"
status.verdict = "$.status"
status.accepted = ["paid"]
status.rejected = ["declined", "closed", "refunded"]
status.unknown = ["unknown"]
status.reason = "$.reason"
status.keep = {{ charge = "$.id" }}
undo.path = "/refunds"

[[sales.steps]]
name = "issue"
connector = "reservations"
do.path = "/documents"
do.body = '''
{{"reservation": {{{{ sale.fields.reservation | tojson }}}}, "charge": {{{{ steps.payment.charge | tojson }}}}}}
'''
do.keep = {{ document = "$.document" }}
undo.path = "/documents/void"

[[sales.steps]]
name = "notify"
connector = "mail"
do.to = "{{{{ sale.fields.email }}}}"
do.subject = "Your ticket {{{{ steps.issue.document }}}}"
do.text = "Thank you. Your ticket {{{{ steps.issue.document }}}} was paid with {{{{ steps.payment.charge }}}}."

[[sales.notices]]
name = "sorry"
connector = "mail"
do.to = "{{{{ sale.fields.email }}}}"
do.subject = "Your reservation {{{{ sale.fields.reservation }}}}"
do.text = "We could not complete your purchase: {{{{ reason }}}}. You have not been charged."
"""
