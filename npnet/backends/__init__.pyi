# For type checkers: at run time, npnet.devices enters this module under its name.
from npnet.backends import cudnn as cudnn
from npnet.backends import mps as mps
