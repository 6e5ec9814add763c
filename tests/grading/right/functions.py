"""Functions with ctx, as PyTorch's programs have them."""

import npnet


class LinearFunction(npnet.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.t() + bias

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        return grad_output @ weight, grad_output.t() @ x, grad_output.sum(0)


class MyReLU(npnet.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input <= 0] = 0
        return grad_input


class TanhFunction(npnet.autograd.Function):
    @staticmethod
    def forward(x):
        return npnet.tanh(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_output):
        (y,) = ctx.saved_tensors
        return grad_output * (1 - y * y)


class CrossEntropyFunction(npnet.autograd.Function):
    @staticmethod
    def forward(ctx, logits, target):
        logs = npnet.log_softmax(logits, 1)
        ctx.save_for_backward(logs.exp(), target)
        return -logs[npnet.arange(len(logits)), target].mean()

    @staticmethod
    def backward(ctx, grad_output):
        p, target = ctx.saved_tensors
        p = p.clone()
        p[npnet.arange(len(p)), target] -= 1
        return grad_output * p / len(p), None
