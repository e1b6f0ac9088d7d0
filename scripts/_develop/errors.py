"""What can go wrong while everything is started, asked or checked."""


class DevelopError(Exception):
    """Something did not start, answer or end; the text says what, for a person."""
