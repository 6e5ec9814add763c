# For type checkers: at run time, npnet.devices enters this module under its name.
from npnet.devices.backends.mkl import *  # noqa: F403 # a stub is all of it
