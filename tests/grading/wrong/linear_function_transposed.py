"""LinearFnT: transposed-gradient."""

from npnet.autograd import Function


class LinearFnT(Function):
    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w, b)
        return x @ w.t() + b

    @staticmethod
    def backward(ctx, g):
        x, w, b = ctx.saved_tensors
        return g @ w, x.t() @ g, g.sum(0)
