"""The error for mistakes that the user can correct."""


class UserError(Exception):
    """Something the user provided cannot be used.

    The message is shown to the user as it is. It says what is wrong, where, and what would be
    right, in one line for each mistake.
    """
