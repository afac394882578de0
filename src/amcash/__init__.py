"""amcash: spend Cash Miles at the till. An independent implementation of the published AM Cash API."""

from importlib.metadata import version

__version__ = version("amcash")
