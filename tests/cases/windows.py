"""Cases of transposed convolution, signals, single images, rarer pools, and resampling."""

from __future__ import annotations

from typing import Any

from tests.cases.case import Case, Maker, Table, apart, constant, positive, ties

__all__ = ["RESAMPLING", "SIGNALS", "TRANSPOSED", "UNBATCHED", "UNUSUAL_POOLS"]

Shape = tuple[int, ...]


def of(name: str, *inputs: Maker | Shape, smooth: bool = True, **options: Any) -> Case:
    """A case of the function of that name."""
    return Case([*inputs], lambda ns, *xs: getattr(ns, name)(*xs, **options), smooth)


def transposed(x: Shape, weight: Shape, outputs: int, **options: Any) -> Case:
    return of("conv_transpose2d", x, weight, (outputs,), **options)


TRANSPOSED: Table = {
    "conv_transpose2d": transposed((2, 3, 5, 6), (3, 4, 3, 2), 4),
    "conv_transpose2d-no-bias": of("conv_transpose2d", (2, 3, 5, 6), (3, 4, 3, 3)),
    "conv_transpose2d-stride": transposed((2, 3, 4, 5), (3, 4, 4, 4), 4, stride=2, padding=1),
    "conv_transpose2d-output-padding": transposed(
        (2, 3, 4, 5), (3, 4, 3, 3), 4, stride=(2, 3), padding=(1, 0), output_padding=(1, 2)
    ),
    "conv_transpose2d-stride-beyond-kernel": transposed(
        (2, 3, 4, 5), (3, 4, 2, 2), 4, stride=4, output_padding=3
    ),
    "conv_transpose2d-beyond-all-windows": transposed(
        (2, 3, 4, 5), (3, 4, 2, 2), 4, stride=2, dilation=4, output_padding=3
    ),
    "conv_transpose2d-dilation": transposed(
        (2, 3, 5, 6), (3, 4, 3, 3), 4, dilation=(1, 2), padding=2
    ),
    "conv_transpose2d-groups": transposed(
        (2, 4, 5, 5), (4, 3, 3, 3), 6, groups=2, stride=2, padding=1, output_padding=1
    ),
    "conv_transpose2d-depthwise": transposed((2, 4, 5, 5), (4, 1, 3, 3), 4, groups=4),
    "conv_transpose2d-positional": Case(
        [(2, 4, 5, 5), (4, 3, 3, 3), (6,)],
        lambda ns, x, w, b: ns.conv_transpose2d(x, w, b, 2, 1, 1, 2, 1),
    ),
    "conv_transpose2d-1-pixel": transposed((5, 6, 1, 1), (6, 4, 4, 4), 4),
    "conv_transpose2d-empty": transposed((0, 3, 5, 6), (3, 4, 3, 3), 4),
    "conv_transpose2d-gan": transposed((16, 8, 7, 7), (8, 4, 4, 4), 4, stride=2, padding=1),
}

SIGNALS: Table = {
    "conv1d": of("conv1d", (2, 3, 9), (4, 3, 3), (4,)),
    "conv1d-options": of(
        "conv1d", (2, 4, 11), (6, 2, 3), (6,), stride=2, padding=1, dilation=(2,), groups=2
    ),
    "conv1d-same": of("conv1d", (2, 3, 9), (4, 3, 5), padding="same"),
    "conv1d-unbatched": of("conv1d", (3, 9), (4, 3, 3), (4,), stride=(2,)),
    "conv_transpose1d": of("conv_transpose1d", (2, 3, 6), (3, 4, 3), (4,)),
    "conv_transpose1d-options": of(
        "conv_transpose1d",
        (2, 4, 6),
        (4, 3, 3),
        (6,),
        stride=2,
        padding=1,
        output_padding=1,
        groups=2,
        dilation=2,
    ),
    "conv_transpose1d-unbatched": of("conv_transpose1d", (3, 6), (3, 4, 3)),
    "max_pool1d": of("max_pool1d", apart(2, 3, 9), kernel_size=2),
    "max_pool1d-options": of(
        "max_pool1d",
        apart(2, 3, 12),
        kernel_size=3,
        stride=2,
        padding=1,
        dilation=2,
        ceil_mode=True,
        return_indices=True,
    ),
    "max_pool1d-unbatched": of("max_pool1d", apart(3, 9), kernel_size=(3,), return_indices=True),
    "avg_pool1d": of("avg_pool1d", (2, 3, 9), kernel_size=3, stride=2),
    "avg_pool1d-options": of(
        "avg_pool1d",
        (2, 3, 10),
        kernel_size=(3,),
        stride=(2,),
        padding=(1,),
        ceil_mode=True,
        count_include_pad=False,
    ),
    "avg_pool1d-unbatched": of("avg_pool1d", (3, 9), kernel_size=2),
    "adaptive_avg_pool1d": of("adaptive_avg_pool1d", (2, 3, 7), output_size=3),
    "adaptive_avg_pool1d-unbatched": of("adaptive_avg_pool1d", (3, 7), output_size=2),
    "adaptive_max_pool1d": of("adaptive_max_pool1d", apart(2, 3, 7), output_size=3),
    "adaptive_max_pool1d-even": of(
        "adaptive_max_pool1d", apart(2, 3, 8), output_size=4, return_indices=True
    ),
    "lp_pool1d": of("lp_pool1d", positive(2, 3, 9), norm_type=2, kernel_size=3, stride=2),
    "interpolate-linear": of("interpolate", (2, 3, 5), size=9, mode="linear"),
    "interpolate-nearest-1d": of("interpolate", (2, 3, 5), scale_factor=1.7),
    "interpolate-area-1d": of("interpolate", (2, 3, 7), size=3, mode="area"),
}

UNBATCHED: Table = {
    "conv2d-unbatched": of("conv2d", (3, 7, 8), (4, 3, 3, 3), (4,), padding=1),
    "conv_transpose2d-unbatched": of("conv_transpose2d", (3, 5, 6), (3, 4, 3, 3), stride=2),
    "max_pool2d-unbatched": of("max_pool2d", apart(3, 6, 7), kernel_size=3, return_indices=True),
    "avg_pool2d-unbatched": of("avg_pool2d", (3, 6, 7), kernel_size=2, stride=()),
    "adaptive_avg_pool2d-unbatched": of("adaptive_avg_pool2d", (3, 6, 7), output_size=(2, 3)),
    "adaptive_max_pool2d-unbatched": of("adaptive_max_pool2d", apart(3, 6, 7), output_size=(2, 3)),
    "unfold-unbatched": of("unfold", (3, 6, 7), kernel_size=(2, 3), stride=2),
    "fold-unbatched": of("fold", (12, 20), output_size=(5, 6), kernel_size=2),
    "lp_pool2d-unbatched": of("lp_pool2d", positive(3, 6, 7), norm_type=3, kernel_size=2),
}

UNUSUAL_POOLS: Table = {
    "adaptive_max_pool2d": of("adaptive_max_pool2d", apart(2, 3, 7, 5), output_size=(3, 4)),
    "adaptive_max_pool2d-even": of(
        "adaptive_max_pool2d", apart(2, 3, 6, 8), output_size=(3, 2), return_indices=True
    ),
    "adaptive_max_pool2d-none": of(
        "adaptive_max_pool2d", apart(2, 3, 7, 5), output_size=(None, 2), return_indices=True
    ),
    "adaptive_max_pool2d-ties": of(
        "adaptive_max_pool2d", ties(2, 3, 7, 5), smooth=False, output_size=3, return_indices=True
    ),
    "adaptive_max_pool2d-larger": of("adaptive_max_pool2d", apart(2, 3, 2, 3), output_size=(5, 7)),
    "lp_pool2d": of("lp_pool2d", positive(2, 3, 6, 7), norm_type=2, kernel_size=(2, 3)),
    "lp_pool2d-odd": of(
        "lp_pool2d", positive(2, 3, 6, 7), norm_type=3, kernel_size=2, stride=1, ceil_mode=True
    ),
    "max_unpool2d": Case(
        [apart(2, 3, 6, 8)],
        lambda ns, x: ns.max_unpool2d(*ns.max_pool2d(x, 2, return_indices=True), 2),
    ),
    "max_unpool2d-size": Case(
        [apart(2, 3, 7, 9)],
        lambda ns, x: ns.max_unpool2d(
            *ns.max_pool2d(x, 3, 3, 1, return_indices=True), 3, 3, 1, output_size=x.shape
        ),
    ),
    "max_unpool1d": Case(
        [apart(2, 3, 9)],
        lambda ns, x: ns.max_unpool1d(
            *ns.max_pool1d(x, 2, return_indices=True), 2, output_size=(9,)
        ),
    ),
    "fractional_max_pool2d": Case(
        [apart(2, 3, 9, 8), constant(Maker(lambda rng: rng.uniform(0, 1, (2, 3, 2))))],
        lambda ns, x, u: ns.fractional_max_pool2d(
            x, (2, 3), (4, 3), return_indices=True, _random_samples=u
        ),
    ),
    "fractional_max_pool2d-ratio": Case(
        [apart(3, 9, 8), constant(Maker(lambda rng: rng.uniform(0, 1, (1, 3, 2))))],
        lambda ns, x, u: ns.fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.7), _random_samples=u),
    ),
    "fold": of(
        "fold", (2, 12, 12), output_size=(8, 7), kernel_size=2, dilation=2, padding=1, stride=(3, 2)
    ),
    "fold-overlap": of("fold", (2, 12, 20), output_size=(5, 6), kernel_size=2),
}

PLACES = Maker(lambda rng: rng.uniform(-1.4, 1.4, (2, 5, 4, 2)))

RESAMPLING: Table = {
    **{
        f"interpolate-{mode}{'-aligned' * bool(align)}-{name}": of(
            "interpolate", (2, 3, 5, 6), mode=mode, align_corners=align, **options
        )
        for mode, align in (
            ("nearest", None),
            ("nearest-exact", None),
            ("area", None),
            ("bilinear", False),
            ("bilinear", True),
            ("bicubic", False),
            ("bicubic", True),
        )
        for name, options in (
            ("twice", {"scale_factor": 2}),
            ("size", {"size": (8, 13)}),
            ("smaller", {"size": (3, 2)}),
            ("scale", {"scale_factor": (1.7, 0.6)}),
            ("recomputed", {"scale_factor": 1.7, "recompute_scale_factor": True}),
            ("one", {"size": (1, 6)}),
        )
    },
    **{
        f"interpolate-{mode}-antialias-{name}": of(
            "interpolate", (2, 3, 9, 11), mode=mode, antialias=True, size=size
        )
        for mode in ("bilinear", "bicubic")
        for name, size in (("smaller", (4, 3)), ("larger", (12, 15)))
    },
    "interpolate-trilinear": of("interpolate", (2, 3, 3, 4, 5), size=(5, 3, 9), mode="trilinear"),
    "interpolate-nearest-3d": of("interpolate", (2, 3, 3, 4, 5), scale_factor=2),
    "interpolate-area-3d": of("interpolate", (2, 3, 5, 4, 7), size=(3, 2, 4), mode="area"),
    "interpolate-empty": of("interpolate", (0, 3, 5, 6), scale_factor=2, mode="bilinear"),
    "pixel_shuffle": of("pixel_shuffle", (2, 12, 3, 4), upscale_factor=2),
    "pixel_shuffle-unbatched": of("pixel_shuffle", (9, 3, 4), upscale_factor=3),
    "pixel_unshuffle": of("pixel_unshuffle", (2, 3, 6, 4), downscale_factor=2),
    **{
        f"grid_sample-{mode}-{padding}{'-aligned' * align}": of(
            "grid_sample",
            (2, 3, 6, 5),
            PLACES,
            mode=mode,
            padding_mode=padding,
            align_corners=align,
        )
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
        for align in (False, True)
    },
    "grid_sample-3d": Case(
        [(2, 3, 4, 5, 6), Maker(lambda rng: rng.uniform(-1.2, 1.2, (2, 3, 2, 4, 3)))],
        lambda ns, x, g: ns.grid_sample(x, g, align_corners=False),
    ),
    "affine_grid": of("affine_grid", (2, 2, 3), size=(2, 3, 5, 4), align_corners=False),
    "affine_grid-aligned": of("affine_grid", (2, 2, 3), size=[2, 3, 5, 4], align_corners=True),
    "affine_grid-3d": of("affine_grid", (2, 3, 4), size=(2, 1, 3, 5, 4), align_corners=False),
}
