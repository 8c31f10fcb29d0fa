"""The third parties of a sale, simulated: processes of their own that speak real HTTP and SMTP, with faults on demand.

`python -m benchmarks.thirdparty gateway --log gateway.jsonl` starts one; each writes what it did, one JSON a line.
"""
