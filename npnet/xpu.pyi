# For type checkers: at run time, npnet.devices enters this module under its name.
from npnet.devices.xpu import *  # noqa: F403 # a stub is all of it
