"""The ops as methods of a tensor, those that take what the functions take.

A method that is an op is that op: one docstring, one signature. What PyTorch calls otherwise, or
takes sizes one by one, stands in `tensor`; what writes in place, in `in_place`.
"""

from __future__ import annotations

from npnet.ops import (
    activation,
    aliases,
    arithmetic,
    arranging,
    choices,
    compare,
    elementwise,
    exponentials,
    extremes,
    functions,
    indexing,
    linalg,
    linear,
    norms,
    numerical,
    old_linalg,
    piecewise,
    products,
    reduce,
    scattering,
    sets,
    shape,
    sorting,
    special,
    splitting,
    statistics,
    trigonometry,
    views,
)
from npnet.ops.old_orders import numbers_first

__all__ = ["OpMethods"]


class OpMethods:
    """Ops of which a tensor is the first argument."""

    __slots__ = ()

    abs = functions.abs
    absolute = aliases.absolute
    acos = trigonometry.acos
    acosh = trigonometry.acosh
    add = numbers_first("alpha")(arithmetic.add)
    addbmm = products.addbmm
    addcdiv = products.addcdiv
    addcmul = products.addcmul
    addmm = products.addmm
    addmv = products.addmv
    addr = products.addr
    all = reduce.all
    allclose = compare.allclose
    amax = extremes.amax
    amin = extremes.amin
    aminmax = extremes.aminmax
    any = reduce.any
    arccos = aliases.arccos
    arccosh = aliases.arccosh
    arcsin = aliases.arcsin
    arcsinh = aliases.arcsinh
    arctan = aliases.arctan
    arctan2 = aliases.arctan2
    arctanh = aliases.arctanh
    argmax = reduce.argmax
    argmin = reduce.argmin
    argsort = sorting.argsort
    argwhere = scattering.argwhere
    as_strided = views.as_strided
    asin = trigonometry.asin
    asinh = trigonometry.asinh
    atan = trigonometry.atan
    atan2 = trigonometry.atan2
    atanh = trigonometry.atanh
    baddbmm = products.baddbmm
    bincount = statistics.bincount
    bitwise_and = elementwise.bitwise_and
    bitwise_left_shift = elementwise.bitwise_left_shift
    bitwise_not = elementwise.bitwise_not
    bitwise_or = elementwise.bitwise_or
    bitwise_right_shift = elementwise.bitwise_right_shift
    bitwise_xor = elementwise.bitwise_xor
    bmm = products.bmm
    broadcast_to = views.broadcast_to
    ceil = elementwise.ceil
    cholesky = old_linalg.cholesky
    chunk = splitting.chunk
    clamp = choices.clamp
    clamp_max = choices.clamp_max
    clamp_min = choices.clamp_min
    clip = choices.clamp
    clone = shape.clone
    copysign = elementwise.copysign
    corrcoef = numerical.corrcoef
    cos = functions.cos
    cosh = trigonometry.cosh
    count_nonzero = statistics.count_nonzero
    cov = numerical.cov
    cross = products.cross
    cummax = extremes.cummax
    cummin = extremes.cummin
    cumprod = statistics.cumprod
    cumsum = sorting.cumsum
    deg2rad = trigonometry.deg2rad
    det = linalg.det
    diag = arranging.diag
    diag_embed = arranging.diag_embed
    diagflat = arranging.diagflat
    diagonal = views.diagonal
    diff = numerical.diff
    digamma = special.digamma
    dist = norms.dist
    div = arithmetic.div
    divide = aliases.divide
    dot = products.dot
    dsplit = views.dsplit
    eq = compare.eq
    equal = compare.equal
    erf = special.erf
    erfc = special.erfc
    erfinv = special.erfinv
    exp = functions.exp
    exp2 = exponentials.exp2
    expm1 = exponentials.expm1
    fix = aliases.fix
    flatten = shape.flatten
    fliplr = arranging.fliplr
    flipud = arranging.flipud
    float_power = arithmetic.float_power
    floor = elementwise.floor
    floor_divide = arithmetic.floor_divide
    fmax = choices.fmax
    fmin = choices.fmin
    fmod = arithmetic.fmod
    frac = elementwise.frac
    gather = indexing.gather
    gcd = elementwise.gcd
    ge = compare.ge
    ger = aliases.ger
    greater = aliases.greater
    greater_equal = aliases.greater_equal
    gt = compare.gt
    hardshrink = piecewise.hardshrink
    heaviside = elementwise.heaviside
    histc = statistics.histc
    hsplit = views.hsplit
    hypot = trigonometry.hypot
    i0 = special.i0
    index_add = scattering.index_add
    index_copy = scattering.index_copy
    index_fill = scattering.index_fill
    index_put = scattering.index_put
    index_reduce = scattering.index_reduce
    index_select = splitting.index_select
    inner = products.inner
    inverse = old_linalg.inverse
    isclose = compare.isclose
    isfinite = compare.isfinite
    isinf = elementwise.isinf
    isnan = compare.isnan
    isneginf = elementwise.isneginf
    isposinf = elementwise.isposinf
    isreal = elementwise.isreal
    kron = products.kron
    kthvalue = extremes.kthvalue
    lcm = elementwise.lcm
    ldexp = numerical.ldexp
    le = compare.le
    lerp = choices.lerp
    less = aliases.less
    less_equal = aliases.less_equal
    lgamma = special.lgamma
    log = functions.log
    log10 = exponentials.log10
    log1p = exponentials.log1p
    log2 = exponentials.log2
    logaddexp = exponentials.logaddexp
    logaddexp2 = exponentials.logaddexp2
    logcumsumexp = statistics.logcumsumexp
    logdet = old_linalg.logdet
    logical_and = compare.logical_and
    logical_not = compare.logical_not
    logical_or = compare.logical_or
    logical_xor = compare.logical_xor
    logit = exponentials.logit
    logsumexp = norms.logsumexp
    lt = compare.lt
    masked_fill = splitting.masked_fill
    masked_scatter = scattering.masked_scatter
    matmul = linear.matmul
    matrix_power = linalg.matrix_power
    max = reduce.max
    maximum = choices.maximum
    mean = reduce.mean
    median = extremes.median
    min = reduce.min
    minimum = choices.minimum
    mm = products.mm
    mode = extremes.mode
    moveaxis = aliases.moveaxis
    movedim = views.movedim
    msort = aliases.msort
    mul = arithmetic.mul
    multiply = aliases.multiply
    mv = products.mv
    mvlgamma = special.mvlgamma
    nan_to_num = elementwise.nan_to_num
    nanmean = statistics.nanmean
    nanmedian = extremes.nanmedian
    nanquantile = statistics.nanquantile
    nansum = statistics.nansum
    narrow = views.narrow
    ne = compare.ne
    neg = arithmetic.neg
    negative = aliases.negative
    nextafter = numerical.nextafter
    nonzero = splitting.nonzero
    norm = norms.norm
    not_equal = aliases.not_equal
    outer = products.outer
    pinverse = old_linalg.pinverse
    positive = elementwise.positive
    pow = arithmetic.pow
    prelu = piecewise.prelu
    prod = statistics.prod
    put = scattering.put
    qr = old_linalg.qr
    quantile = statistics.quantile
    rad2deg = trigonometry.rad2deg
    ravel = views.ravel
    reciprocal = elementwise.reciprocal
    remainder = arithmetic.remainder
    renorm = norms.renorm
    repeat_interleave = arranging.repeat_interleave
    roll = arranging.roll
    rot90 = arranging.rot90
    round = elementwise.round
    rsqrt = elementwise.rsqrt
    scatter = scattering.scatter
    scatter_add = scattering.scatter_add
    scatter_reduce = scattering.scatter_reduce
    select = views.select
    select_scatter = scattering.select_scatter
    sgn = aliases.sgn
    sigmoid = activation.sigmoid
    sign = elementwise.sign
    signbit = elementwise.signbit
    sin = functions.sin
    sinc = trigonometry.sinc
    sinh = trigonometry.sinh
    slice_scatter = scattering.slice_scatter
    slogdet = linalg.slogdet
    sort = sorting.sort
    split_with_sizes = aliases.split_with_sizes
    sqrt = functions.sqrt
    square = elementwise.square
    squeeze = shape.squeeze
    std = reduce.std
    sub = numbers_first("alpha")(arithmetic.sub)
    subtract = aliases.subtract
    sum = reduce.sum
    svd = old_linalg.svd
    swapaxes = views.swapaxes
    swapdims = aliases.swapdims
    t = shape.t
    take = scattering.take
    take_along_dim = scattering.take_along_dim
    tan = trigonometry.tan
    tanh = activation.tanh
    tensor_split = views.tensor_split
    topk = sorting.topk
    trace = arranging.trace
    transpose = shape.transpose
    tril = arranging.tril
    triu = arranging.triu
    true_divide = aliases.true_divide
    trunc = elementwise.trunc
    unbind = splitting.unbind
    unfold = views.unfold
    unique = sets.unique
    unique_consecutive = sets.unique_consecutive
    unsafe_chunk = aliases.unsafe_chunk
    unsafe_split = aliases.unsafe_split
    unsqueeze = shape.unsqueeze
    var = reduce.var
    vdot = products.vdot
    vsplit = views.vsplit
    where = choices.where
    xlogy = exponentials.xlogy
