"""A double of the package pykdump."""
__version__ = "3.5.3"
