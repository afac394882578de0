"""The till at `/till`: a page that a person uses like a till, and the words it asks for. Only in a sandbox."""
