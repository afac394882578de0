"""What a till says: the cashier's screens and the collector's receipt, as pure functions of an answer.

Standard library only, and nothing of amcash: a client library on a till can share this room as it stands.
"""
