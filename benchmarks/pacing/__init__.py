"""Pacing measured: ours beside the exact optimum and the rivals that users have today.

python -m benchmarks.pacing --quick
"""
