"""The two networks again in NumPy float64, layer by layer as their references define them, nothing folded or merged."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["inception", "lite0", "random_state_dict"]


def random_state_dict(shapes, seed):
    """Random tensors of these shapes; batch statistics away from (0, 1)."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes.items():
        if len(shape) == 4:
            state[name] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        elif name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 1.5, shape)
        elif len(shape) == 2:
            state[name] = rng.normal(0, shape[1] ** -0.5, shape)
        else:
            state[name] = rng.normal(float(name.endswith("weight")), 0.2, shape)
    return {name: array.astype(np.float32) for name, array in state.items()}


def _convolve(x, kernel, stride, pads):
    """NHWC image, torch's OIHW kernel, ((top, bottom), (left, right)) zeros."""
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    windows = sliding_window_view(x, kernel.shape[2:], axis=(1, 2))[:, ::stride, ::stride]  # [B, H, W, C, kh, kw]
    if kernel.shape[1] == 1 and x.shape[3] > 1:  # depthwise
        return np.einsum("bhwcij,cij->bhwc", windows, kernel[:, 0])
    return np.tensordot(windows, kernel, axes=((3, 4, 5), (1, 2, 3)))


def _norm(x, state, name, epsilon=1e-3):
    scaled = (x - state[f"{name}.running_mean"]) / np.sqrt(state[f"{name}.running_var"] + epsilon)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def _pool(x, function, stride=1, padding=0, fill=np.nan):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), constant_values=fill)
    return function(sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::stride, ::stride], axis=(4, 5))


def inception(state, x):
    """Every tap of the FID Inception; `x` is normalised, `[B, 299, 299, 3]`."""
    state = {name: array.astype(np.float64) for name, array in state.items()}

    def conv(name, x, stride=1, padding=(0, 0)):
        pads = ((padding[0],) * 2, (padding[1],) * 2)
        x = _convolve(x, state[f"{name}.conv.weight"], stride, pads)
        return np.maximum(_norm(x, state, f"{name}.bn"), 0)

    def average(x):
        return _pool(x, np.nanmean, padding=1)

    def block_a(name, x):
        five = conv(f"{name}.branch5x5_2", conv(f"{name}.branch5x5_1", x), padding=(2, 2))
        double = conv(f"{name}.branch3x3dbl_2", conv(f"{name}.branch3x3dbl_1", x), padding=(1, 1))
        double = conv(f"{name}.branch3x3dbl_3", double, padding=(1, 1))
        parts = [conv(f"{name}.branch1x1", x), five, double, conv(f"{name}.branch_pool", average(x))]
        return np.concatenate(parts, 3)

    def block_c(name, x):
        single = conv(f"{name}.branch7x7_2", conv(f"{name}.branch7x7_1", x), padding=(0, 3))
        single = conv(f"{name}.branch7x7_3", single, padding=(3, 0))
        double = conv(f"{name}.branch7x7dbl_1", x)
        for number, padding in ((2, (3, 0)), (3, (0, 3)), (4, (3, 0)), (5, (0, 3))):
            double = conv(f"{name}.branch7x7dbl_{number}", double, padding=padding)
        parts = [conv(f"{name}.branch1x1", x), single, double, conv(f"{name}.branch_pool", average(x))]
        return np.concatenate(parts, 3)

    def block_e(name, x, pooled):
        three = conv(f"{name}.branch3x3_1", x)
        double = conv(f"{name}.branch3x3dbl_2", conv(f"{name}.branch3x3dbl_1", x), padding=(1, 1))
        parts = [
            conv(f"{name}.branch1x1", x),
            conv(f"{name}.branch3x3_2a", three, padding=(0, 1)),
            conv(f"{name}.branch3x3_2b", three, padding=(1, 0)),
            conv(f"{name}.branch3x3dbl_3a", double, padding=(0, 1)),
            conv(f"{name}.branch3x3dbl_3b", double, padding=(1, 0)),
            conv(f"{name}.branch_pool", pooled),
        ]
        return np.concatenate(parts, 3)

    taps = {}
    x = conv("Conv2d_2a_3x3", conv("Conv2d_1a_3x3", x.astype(np.float64), stride=2))
    x = _pool(conv("Conv2d_2b_3x3", x, padding=(1, 1)), np.max, stride=2)
    taps["64"] = x.mean((1, 2))
    x = _pool(conv("Conv2d_4a_3x3", conv("Conv2d_3b_1x1", x)), np.max, stride=2)
    taps["192"] = x.mean((1, 2))
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = block_a(name, x)
    double = conv("Mixed_6a.branch3x3dbl_2", conv("Mixed_6a.branch3x3dbl_1", x), padding=(1, 1))
    double = conv("Mixed_6a.branch3x3dbl_3", double, stride=2)
    x = np.concatenate([conv("Mixed_6a.branch3x3", x, stride=2), double, _pool(x, np.max, stride=2)], 3)
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        if name == "Mixed_6d":
            taps["sfid"] = conv("Mixed_6d.branch1x1", x)[..., :7].reshape(len(x), -1)
        x = block_c(name, x)
    taps["768"] = x.mean((1, 2))
    three = conv("Mixed_7a.branch3x3_2", conv("Mixed_7a.branch3x3_1", x), stride=2)
    seven = conv("Mixed_7a.branch7x7x3_2", conv("Mixed_7a.branch7x7x3_1", x), padding=(0, 3))
    seven = conv("Mixed_7a.branch7x7x3_4", conv("Mixed_7a.branch7x7x3_3", seven, padding=(3, 0)), stride=2)
    x = np.concatenate([three, seven, _pool(x, np.max, stride=2)], 3)
    x = block_e("Mixed_7b", x, average(x))
    x = block_e("Mixed_7c", x, _pool(x, np.nanmax, padding=1))
    taps["2048"] = x.mean((1, 2))
    taps["logits_unbiased"] = taps["2048"] @ state["fc.weight"].T
    taps["logits"] = taps["logits_unbiased"] + state["fc.bias"]
    return taps


def lite0(state, x):
    """Both taps of EfficientNet-Lite0; `x` is normalised, `[B, 224, 224, 3]`."""
    state = {name: array.astype(np.float64) for name, array in state.items()}

    def conv(name, norm, x, stride=1, clip=True):
        kernel = state[f"{name}.weight"]
        pads = []
        for size, side in zip(x.shape[1:3], kernel.shape[2:], strict=True):
            total = max((int(np.ceil(size / stride)) - 1) * stride + side - size, 0)
            pads.append((total // 2, total - total // 2))
        x = _norm(_convolve(x, kernel, stride, pads), state, norm)
        return np.clip(x, 0, 6) if clip else x

    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
    x = conv("_conv_stem", "_bn0", x.astype(np.float64), stride=2)
    for number, stride in enumerate(strides):
        name, before = f"_blocks.{number}.", x
        if number > 0:
            x = conv(f"{name}_expand_conv", f"{name}_bn0", x)
        x = conv(f"{name}_depthwise_conv", f"{name}_bn1", x, stride=stride)
        x = conv(f"{name}_project_conv", f"{name}_bn2", x, clip=False)
        if stride == 1 and x.shape == before.shape:
            x = x + before
    x = conv("_conv_head", "_bn1", x).mean((1, 2))
    return {"1280": x, "logits": x @ state["_fc.weight"].T + state["_fc.bias"]}
