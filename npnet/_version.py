"""The version, in a file of its own so that building a package need not import npnet."""

__version__ = "0.1.0"
