"""What one whole call costs the SIP endpoint, beside SIPp's own uac in the same run: `python -m benchmarks.sip`."""
