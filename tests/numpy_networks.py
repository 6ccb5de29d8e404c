"""The networks again in NumPy float64, layer by layer as their references define them, nothing folded or merged."""

import numpy as np
import scipy.special
from numpy.lib.stride_tricks import sliding_window_view


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


def vgg(state, x, convolutions, pool=None):
    """Every map and, at 224 x 224, every tap of a VGG with so many convolutions in each block; `x` is normalised."""
    state = {name: array.astype(np.float64) for name, array in state.items()}
    pool = pool or (lambda x: sliding_window_view(x, (2, 2), axis=(1, 2))[:, ::2, ::2].max((4, 5)))
    found, index = {}, 0
    for block, count in enumerate(convolutions, 1):
        x = x if block == 1 else pool(x)
        index += block > 1
        for number in range(1, count + 1):
            kernel, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
            x = np.maximum(_convolve(x, kernel, 1, ((1, 1), (1, 1))) + bias, 0)
            found[f"relu{block}_{number}"] = x
            index += 2
    if x.shape[1:3] == (14, 14):
        x = pool(x).transpose(0, 3, 1, 2).reshape(len(x), -1)
        hidden = np.maximum(x @ state["classifier.0.weight"].T + state["classifier.0.bias"], 0)
        found["fc2"] = hidden @ state["classifier.3.weight"].T + state["classifier.3.bias"]
        found["fc2_relu"] = np.maximum(found["fc2"], 0)
        found["logits"] = found["fc2_relu"] @ state["classifier.6.weight"].T + state["classifier.6.bias"]
    return found


def _layer_norm(x, weight, bias, epsilon):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon) * weight + bias


def _attention(x, weight, bias, heads, causal):
    """Query, key and value of each head one after the other in the rows of `weight`; a loop over heads."""
    count, tokens, width = x.shape
    size = width // heads
    mixed = np.empty_like(x)
    for head in range(heads):
        query, key, value = (
            x @ weight[part * width + head * size :][:size].T + bias[part * width + head * size :][:size]
            for part in range(3)
        )
        for image in range(count):
            scores = query[image] @ key[image].T / np.sqrt(size)
            if causal:
                scores = np.where(np.arange(tokens)[:, None] >= np.arange(tokens), scores, -np.inf)
            shares = scipy.special.softmax(scores, axis=1)
            mixed[image, :, head * size : (head + 1) * size] = shares @ value[image]
    return mixed


def _patches(x, kernel):
    side = kernel.shape[2]
    windows = sliding_window_view(x, (side, side), axis=(1, 2))[:, ::side, ::side]
    return np.tensordot(windows, kernel, axes=((3, 4, 5), (1, 2, 3))).reshape(len(x), -1, len(kernel))


def dinov2(state, x, heads, positions):
    """The class token of a DINOv2 whose patches have these positions; `x` is normalised."""
    state = {name: array.astype(np.float64) for name, array in state.items()}

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        return _layer_norm(x, state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    patches = _patches(x, state["patch_embed.proj.weight"]) + state["patch_embed.proj.bias"] + positions
    first = np.broadcast_to(state["cls_token"] + state["pos_embed"][:, :1], (len(x), 1, patches.shape[2]))
    x = np.concatenate([first, patches], 1)
    for number in range(sum(name.endswith(".ls1.gamma") for name in state)):
        block = f"blocks.{number}."
        qkv = state[f"{block}attn.qkv.weight"], state[f"{block}attn.qkv.bias"]
        mixed = _attention(norm(f"{block}norm1", x), *qkv, heads, causal=False)
        x = x + state[f"{block}ls1.gamma"] * linear(f"{block}attn.proj", mixed)
        hidden = linear(f"{block}mlp.fc1", norm(f"{block}norm2", x))
        hidden = hidden * scipy.special.ndtr(hidden)
        x = x + state[f"{block}ls2.gamma"] * linear(f"{block}mlp.fc2", hidden)
    return norm("norm", x)[:, 0]


def _clip_blocks(state, prefix, x, heads, causal):
    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        return _layer_norm(x, state[f"{name}.weight"], state[f"{name}.bias"], 1e-5)

    for number in range(sum(name.startswith(prefix) and name.endswith(".ln_1.bias") for name in state)):
        block = f"{prefix}{number}."
        qkv = state[f"{block}attn.in_proj_weight"], state[f"{block}attn.in_proj_bias"]
        x = x + linear(f"{block}attn.out_proj", _attention(norm(f"{block}ln_1", x), *qkv, heads, causal))
        hidden = linear(f"{block}mlp.c_fc", norm(f"{block}ln_2", x))
        x = x + linear(f"{block}mlp.c_proj", hidden * scipy.special.expit(1.702 * hidden))
    return x


def clip_image(state, x, heads):
    """CLIP's embedding of images; `x` is normalised."""
    state = {name: array.astype(np.float64) for name, array in state.items()}
    patches = _patches(x, state["visual.conv1.weight"])
    first = np.broadcast_to(state["visual.class_embedding"], (len(x), 1, patches.shape[2]))
    x = np.concatenate([first, patches], 1) + state["visual.positional_embedding"]
    x = _layer_norm(x, state["visual.ln_pre.weight"], state["visual.ln_pre.bias"], 1e-5)
    x = _clip_blocks(state, "visual.transformer.resblocks.", x, heads, causal=False)[:, 0]
    return _layer_norm(x, state["visual.ln_post.weight"], state["visual.ln_post.bias"], 1e-5) @ state["visual.proj"]


def clip_text(state, tokens, heads):
    """CLIP's embedding of lists of token numbers, each read at its last."""
    state = {name: array.astype(np.float64) for name, array in state.items()}
    rows = []
    for numbers in tokens:
        x = state["token_embedding.weight"][numbers] + state["positional_embedding"][: len(numbers)]
        x = _clip_blocks(state, "transformer.resblocks.", x[None], heads, causal=True)[0, -1]
        rows.append(_layer_norm(x, state["ln_final.weight"], state["ln_final.bias"], 1e-5) @ state["text_projection"])
    return np.stack(rows)
