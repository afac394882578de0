"""Reading what an operator describes: a programme file and files of collectors, or a sentence about the mistake."""
