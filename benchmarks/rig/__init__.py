"""The test rig: real peers and the real daemon as processes, and the joins of what each of them wrote down."""
