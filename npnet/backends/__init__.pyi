# For type checkers: at run time, npnet.devices enters this module under its name.
from npnet.backends import cuda as cuda
from npnet.backends import cudnn as cudnn
from npnet.backends import mkl as mkl
from npnet.backends import mkldnn as mkldnn
from npnet.backends import mps as mps
from npnet.backends import openmp as openmp
