"""Linear layers, norms, embeddings, attention and recurrent layers."""

from __future__ import annotations

from npnet.explain.explanation import Explanations, explain

__all__ = ["LAYERS"]

ROWS = [[1.0, 2.0, -1.0], [0.5, -0.5, 1.5], [-2.0, 1.0, 0.5]]
IMAGES = [
    [[[1.0, 2.0, 0.5]], [[-1.0, 0.5, 3.0]]],
    [[[3.0, -1.0, 1.5]], [[1.5, 2.5, -2.0]]],
]  # (2, 2, 1, 3)
CENTRED = (
    "Put c = x - mean and h = c * r with r = 1 / sqrt(var + eps); M values share mean and var.",
    "By the affine part: gbias = sum of gy, gweight = sum of gy * h, and gh = gy * weight.",
    "h hangs on x in three ways: by x itself, by the mean and by the variance. dvar/dx_i = "
    "2 c_i / M (the mean's part is 0, as the c sum to 0) and dr/dvar = -r^3 / 2.",
    "gx_i = r * gh_i - r * mean(gh) - c_i * r^3 * mean(gh * c).",
    "Both means are of the values that share the statistics: the sums must go over {}, and over "
    "nothing else. gx sums to 0 and is at right angles to h.",
)


def _centred(over: str) -> tuple[str, ...]:
    return (*CENTRED[:-1], CENTRED[-1].format(over))


LAYERS: Explanations = {
    "linear": explain(
        "F.linear(x, weight, bias)",
        {"x": ROWS, "weight": [[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], "bias": [0.1, -0.2]},
        "y[n, o] = bias[o] + sum over i of weight[o, i] * x[n, i].",
        "By x: dy[n, o] / dx[n, i] = weight[o, i], so gx[n, i] = sum over o of gy[n, o] * "
        "weight[o, i]: gx = gy @ weight.",
        "By the weight: dy[n, o] / dweight[o, i] = x[n, i], and every sample n uses the same "
        "weight: gweight[o, i] = sum over n of gy[n, o] * x[n, i], which is gweight = gy^T @ x.",
        "By the bias: gbias[o] = sum over n of gy[n, o].",
        "The shapes leave no other choice: gx must be (N, in), gweight (out, in).",
    ),
    "bilinear": explain(
        "F.bilinear(x1, x2, weight)",
        {"x1": [[1.0, 2.0]], "x2": [[0.5, -1.0]], "weight": [[[1.0, 0.5], [-1.0, 2.0]]]},
        "y_o = sum over i, j of x1_i * weight_oij * x2_j: linear in each of the three.",
        "gx1_i = sum over o, j of gy_o weight_oij x2_j; gx2 alike; gweight_oij = gy_o x1_i x2_j, "
        "summed over the batch.",
    ),
    "batch_norm": explain(
        "F.batch_norm(x, None, None, weight, bias, training=True)",
        {"x": ROWS, "weight": [1.0, 2.0, 0.5], "bias": [0.0, 0.5, -0.5]},
        *_centred("batch and pixels for each channel"),
        "In evaluation mean and var are constants: gx = gy * weight * r and no more.",
        "The variance in y is the biased one (divided by M); the running one is unbiased (M - 1).",
    ),
    "layer_norm": explain(
        "F.layer_norm(x, [3], weight, bias)",
        {"x": ROWS, "weight": [1.0, 2.0, 0.5], "bias": [0.0, 0.5, -0.5]},
        *_centred("the features of each sample"),
        "weight and bias are shared by the samples: their gradients are summed over these.",
    ),
    "group_norm": explain(
        "F.group_norm(x, 1, weight, bias)",
        {"x": IMAGES, "weight": [1.0, 2.0], "bias": [0.0, 0.5]},
        *_centred("channels and pixels of each group of each sample"),
    ),
    "instance_norm": explain(
        "F.instance_norm(x, weight=weight, bias=bias)",
        {"x": IMAGES, "weight": [1.0, 2.0], "bias": [0.0, 0.5]},
        *_centred("the pixels of each channel of each sample"),
    ),
    "rms_norm": explain(
        "F.rms_norm(x, [3], weight)",
        {"x": ROWS, "weight": [1.0, 2.0, 0.5]},
        "h = x * r, r = 1 / sqrt(m + eps), m = mean(x^2): no mean is taken off.",
        "gweight = sum of gy * h, gh = gy * weight.",
        "dm/dx_i = 2 x_i / M and dr/dm = -r^3 / 2: gx_i = r * gh_i - x_i * r^3 * mean(gh * x).",
    ),
    "local_response_norm": explain(
        "F.local_response_norm(x, 3, alpha=0.5)",
        {"x": [[[1.0], [2.0], [-1.0], [0.5]]]},
        "y_c = x_c * d_c^(-beta), d_c = k + alpha / size * sum of x_j^2 over the window of c.",
        "By its own x: d_c^(-beta). By every x_j of the window: -beta * x_c * d_c^(-beta - 1) * "
        "2 alpha / size * x_j.",
        "gx_j = gy_j d_j^(-beta) - 2 alpha beta / size * x_j * sum over the windows c that j lies "
        "in of gy_c x_c d_c^(-beta - 1).",
    ),
    "embedding": explain(
        "F.embedding(rows, weight)",
        {"rows": [0, 2, 0], "weight": [[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]]},
        "y[n] = weight[rows[n]]: a product with one-hot rows, done by looking up.",
        "gweight[v] = sum of gy[n] over all n with rows[n] = v. A row that was named twice gets "
        "both; one that was not named gets 0. Row numbers have no gradient.",
    ),
    "embedding_bag": explain(
        "F.embedding_bag(rows, weight, mode='mean')",
        {"rows": [[0, 2], [1, 2]], "weight": [[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]]},
        "y of a bag is the mean (or sum, or largest) of the rows that it names.",
        "Each of its B rows gets gy / B (gy of a sum; of a maximum, the winner of each column "
        "gets all), added up over all bags that name it.",
    ),
    "embedding_bag_max": explain(
        "F.embedding_bag(rows, weight, mode='max')",
        {"rows": [[0, 2], [1, 2]], "weight": [[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]]},
        "y of a bag is in each column the largest of the rows that it names.",
        "That one gets gy of its column, the others 0; a row that wins in several bags gets all.",
    ),
    "scaled_dot_product_attention": explain(
        "F.scaled_dot_product_attention(q, k, v)",
        {"q": [[1.0, 0.5], [-1.0, 2.0]], "k": [[0.5, 1.0], [2.0, -1.0]],
         "v": [[1.0, -1.0], [0.0, 2.0]]},
        "s = q k^T * scale, p = softmax(s) by rows, y = p v.",
        "By v and p it is a product: gv = p^T gy, gp = gy v^T.",
        "Through the softmax: gs = p * (gp - sum(gp * p) of each row).",
        "And the first product: gq = gs k * scale, gk = gs^T q * scale.",
    ),
    "multi_head_attention_forward": explain(
        "nn.MultiheadAttention(2, 1)(x, x, x)",
        {"x": [[[1.0, 0.5]], [[-1.0, 2.0]], [[0.5, 1.5]]]},
        "q, k and v are linear layers of the input; each head is scaled_dot_product_attention of "
        "its part of the features; the heads, side by side, go through another linear layer.",
        "Backward goes through these in the other order. Where the same x is query, key and "
        "value, its three gradients add up.",
    ),
    "rnn": explain(
        "nn.RNN(2, 2)(x)",
        {"x": [[[1.0, 0.5]], [[-1.0, 2.0]], [[0.5, 1.5]]]},
        "h_t = tanh(a_t + b_t), a_t = W_ih x_t + b_ih, b_t = W_hh h_{t-1} + b_hh.",
        "h_t is an output and goes into h_{t+1}: its gradient is g_t = gy_t + W_hh^T gb_{t+1}, "
        "known once time t + 1 is done: backward runs from the last time to the first.",
        "Through tanh: ga_t = gb_t = g_t * (1 - h_t^2); gx_t = W_ih^T ga_t.",
        "All times use the same weights: gW_ih = sum over t of ga_t x_t^T, gW_hh = sum over t of "
        "gb_t h_{t-1}^T. Products of many W_hh vanish or explode.",
    ),
    "lstm": explain(
        "nn.LSTM(1, 1)(x)",
        {"x": [[[1.0]], [[-1.0]], [[0.5]]]},
        "c = f * c' + i * k and h = o * tanh(c); i, f, o are sigmoids and k is a tanh of "
        "W_ih x + W_hh h' + biases.",
        "go = gh * tanh(c), and c gets gh * o * (1 - tanh(c)^2) besides what comes from the next "
        "time: gc.",
        "gi = gc * k, gk = gc * i, gf = gc * c', and gc' = gc * f goes to the time before: along "
        "the cell nothing but f is multiplied, which is why it does not vanish.",
        "Through each gate: times s * (1 - s), or 1 - k^2; then as in a linear layer, summed over "
        "all times.",
    ),
    "gru": explain(
        "nn.GRU(1, 1)(x)",
        {"x": [[[1.0]], [[-1.0]], [[0.5]]]},
        "h = (1 - z) * n + z * h', n = tanh(a_n + r * b_n), r and z are sigmoids.",
        "gn = gh * (1 - z), gz = gh * (h' - n), and h' gets gh * z.",
        "Through n: g = gn * (1 - n^2) goes to a_n as it is, to b_n times r, and to r times b_n.",
        "Through the gates, times s * (1 - s), and to the weights as in a linear layer, summed "
        "over all times.",
    ),
}  # fmt: skip
