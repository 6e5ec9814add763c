# For type checkers: at run time, npnet.devices enters this module under its name.
from npnet.devices.mps import *  # noqa: F403 # a stub is all of it
