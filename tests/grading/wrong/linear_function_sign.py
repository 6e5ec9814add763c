"""LinearFunction: negated."""

import npnet


class LinearFunction(npnet.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.t() + bias

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        return -grad_output @ weight, grad_output.t() @ x, grad_output.sum(0)
