"""Bytes on one side, domain values on the other: pure."""
