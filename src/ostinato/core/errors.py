"""The error that a user can cause and mend."""


class UserError(Exception):
    """Something the user gave cannot be used.

    The message is shown as it is, so it says in one line what is wrong, where, and what would be
    right.
    """
