"""What a file may say about one collector, whichever kind of file it is: the only home of these limits (R-FIELD)."""

MILES_MAX = 10**12
"""A wallet never opens with more: far beyond any real balance, and far below what a 64-bit integer holds."""

NUMBER_PATTERN = "[0-9]{1,19}"

NOT_A_NUMBER = "must be 1 to 19 digits"
NOT_CHECKED = "must be 11 digits, the first an 8, the last the check digit of the others (check_digit is true)"
