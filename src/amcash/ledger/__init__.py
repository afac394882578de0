"""What lasts: the store, the lane that writes to it, and what operators and auditors read from it."""
