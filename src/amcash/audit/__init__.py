"""The auditor: proves a ledger by a second way, sharing no code with the writer (R-LED-3)."""
