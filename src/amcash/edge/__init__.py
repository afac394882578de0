"""HTTP in and out; the only place where a failure becomes a response."""
