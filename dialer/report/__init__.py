"""Reports: what a campaign did, as tables, as one HTML page and as JSON; and the audit against a carrier's own log."""

from __future__ import annotations

from dialer.report.audit import Audit, CarrierRecord, audit, read_carrier
from dialer.report.figures import Figures, figures, summary
from dialer.report.records import ReportError, StoreRecord, read_store

__all__ = [
    "Audit",
    "CarrierRecord",
    "Figures",
    "ReportError",
    "StoreRecord",
    "audit",
    "figures",
    "read_carrier",
    "read_store",
    "summary",
]
