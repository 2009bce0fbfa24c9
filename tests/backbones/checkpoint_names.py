"""One small checkpoint under the names of every code base that publishes weights.

Each function takes the tensors of `hugging_face.hugging_face_tensors` and returns the
same values as another code base would store them, with some of what it stores beside.
"""

import re
from collections.abc import Sequence

import numpy as np

Tensors = dict[str, np.ndarray]


def renamed(tensors: Tensors, rules: Sequence[tuple[str, str]]) -> Tensors:
    out = {}
    for name, array in tensors.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        out[name] = array
    return out


def split(tensors: Tensors, stacked: str, parts: Sequence[str]) -> Tensors:
    """Replaces layers whose outputs are stacked by layers of their own."""
    out = {}
    for name, array in tensors.items():
        if stacked not in name:
            out[name] = array
            continue
        for part, piece in zip(parts, np.split(array, len(parts)), strict=True):
            out[name.replace(stacked, part)] = piece
    return out


def stacked(tensors: Tensors, parts: Sequence[str], whole: str) -> Tensors:
    """Stacks layers; a bias that one of them lacks is stored as ones."""
    out = {name: x for name, x in tensors.items() if not any(p in name for p in parts)}
    for name, array in tensors.items():
        if parts[0] in name:
            pieces = [
                tensors.get(name.replace(parts[0], part), np.ones_like(array))
                for part in parts
            ]
            out[name.replace(parts[0], whole)] = np.concatenate(pieces)
    return out


_PROJECTIONS = [
    (r"attention\.attention\.(.)\w+", r"attention.\1_proj"),
    (r"attention\.output\.dense", "attention.o_proj"),
]


def dinov2_module(tensors: Tensors) -> Tensors:
    """Dinov2 as transformers 5 holds it, inside another model."""
    tensors = split(tensors, "mlp.weights_in", ("mlp.gate_proj", "mlp.up_proj"))
    rules = [*_PROJECTIONS, (r"weights_out", "down_proj"), (r"^", "dinov2.")]
    return {
        **renamed(tensors, rules),
        "classifier.weight": np.zeros((5, 8), np.float32),
    }


def vit_hub(tensors: Tensors) -> Tensors:
    """ViT as the hub's files hold it: DINO, DeiT and MAE."""
    rules = [
        (r"norm1", "layernorm_before"),
        (r"norm2", "layernorm_after"),
        (r"mlp\.fc1", "intermediate.dense"),
        (r"mlp\.fc2", "output.dense"),
    ]
    return {
        **renamed(tensors, rules),
        "pooler.dense.weight": np.zeros((8, 8), np.float32),
        "pooler.dense.bias": np.zeros(8, np.float32),
    }


def vit_module(tensors: Tensors) -> Tensors:
    """ViT as transformers 5 holds it."""
    rules = [
        (r"norm1", "layernorm_before"),
        (r"norm2", "layernorm_after"),
        (r"encoder\.layer\.", "layers."),
        *_PROJECTIONS,
    ]
    return renamed(tensors, rules)


def mae_hub(tensors: Tensors) -> Tensors:
    """ViTMAE with its decoder."""
    decoder = {
        "decoder.mask_token": np.zeros((1, 1, 4), np.float32),
        "decoder.decoder_layers.0.layernorm_before.weight": np.ones(4, np.float32),
    }
    return {**renamed(vit_hub(tensors), [(r"^", "vit.")]), **decoder}


def dinov3_hub(tensors: Tensors) -> Tensors:
    """DINOv3ViT."""
    tensors = split(tensors, "mlp.weights_in", ("mlp.gate_proj", "mlp.up_proj"))
    rules = [
        *_PROJECTIONS,
        (r"encoder\.layer\.", "layer."),
        (r"patch_embeddings\.projection", "patch_embeddings"),
        (r"mlp\.fc1", "mlp.up_proj"),
        (r"mlp\.(?:fc2|weights_out)", "mlp.down_proj"),
        (r"^layernorm", "norm"),
    ]
    return renamed(tensors, rules)


def dinov3_module(tensors: Tensors) -> Tensors:
    """DINOv3ViT as transformers 5 holds it."""
    return renamed(dinov3_hub(tensors), [(r"^layer\.", "model.layer.")])


def clip_hub(tensors: Tensors) -> Tensors:
    """CLIPModel, its text side too."""
    rules = [
        *_PROJECTIONS,
        (r"attention\.o_proj", "self_attn.out_proj"),
        (r"attention\.(.)_proj", r"self_attn.\1_proj"),
        (r"encoder\.layer\.", "encoder.layers."),
        (r"norm(\d)", r"layer_norm\1"),
        (r"^layernorm", "post_layernorm"),
        (r"cls_token", "class_embedding"),
        (r"patch_embeddings\.projection", "patch_embedding"),
        (r"position_embeddings", "position_embedding.weight"),
        (r"^", "vision_model."),
    ]
    out = renamed(tensors, rules)
    out.pop("vision_model.embeddings.mask_token")
    for name in ("class_embedding", "position_embedding.weight"):
        out[f"vision_model.embeddings.{name}"] = np.squeeze(
            out[f"vision_model.embeddings.{name}"]
        )
    return {
        **out,
        "vision_model.embeddings.position_ids": np.arange(10)[None],
        "text_model.encoder.layers.0.layer_norm1.weight": np.ones(4, np.float32),
        "visual_projection.weight": np.ones((4, 8), np.float32),
        "text_projection.weight": np.ones((4, 4), np.float32),
        "logit_scale": np.float32(4.6),
    }


def original(tensors: Tensors) -> Tensors:
    """facebookresearch (and timm): queries, keys and values in one layer."""
    rules = [
        (r"embeddings\.cls_token", "cls_token"),
        (r"embeddings\.mask_token", "mask_token"),
        (r"embeddings\.position_embeddings", "pos_embed"),
        (r"embeddings\.register_tokens", "register_tokens"),
        (r"embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
        (r"encoder\.layer\.", "blocks."),
        (r"attention\.attention", "attn"),
        (r"attention\.output\.dense", "attn.proj"),
        (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
        (r"weights_in", "w12"),
        (r"weights_out", "w3"),
        (r"^layernorm", "norm"),
    ]
    parts = ("attn.query", "attn.key", "attn.value")
    return stacked(renamed(tensors, rules), parts, "attn.qkv")


def dinov3_original(tensors: Tensors) -> Tensors:
    """facebookresearch/dinov3: a mask for the bias, SwiGLU in three layers."""
    tensors = split(original(tensors), "mlp.w12", ("mlp.w1", "mlp.w2"))
    tensors = renamed(tensors, [("register_tokens", "storage_tokens")])
    masks = {
        name + "_mask": np.ones_like(array)
        for name, array in tensors.items()
        if name.endswith("qkv.bias")
    }
    return {**tensors, **masks, "rope_embed.periods": np.ones(2, np.float32)}


def dino_training(tensors: Tensors) -> Tensors:
    """A checkpoint of DINO's training: two networks with heads."""
    original_names = original(tensors)
    return {
        **renamed(original_names, [(r"^", "teacher.backbone.")]),
        **renamed(original_names, [(r"^", "student.module.backbone.")]),
        "teacher.head.mlp.0.weight": np.zeros((4, 8), np.float32),
    }


def dinov2_training(tensors: Tensors) -> Tensors:
    """DINOv2's training, sharded and in chunks: networks, heads and loss in one."""
    depth = 1 + max(int(x) for x in re.findall(r"layer\.(\d+)", " ".join(tensors)))
    original_names = original(tensors)
    for block in range(depth):
        chunk = f"blocks.{block * 2 // depth}._fsdp_wrapped_module.{block}"
        rules = [(rf"blocks\.{block}\.(?=\w*[a-z])", f"{chunk}.")]
        original_names = renamed(original_names, rules)
    heads = {
        f"{network}.{head}.mlp.0.weight": np.zeros((4, 8), np.float32)
        for network in ("student", "teacher")
        for head in ("dino_head", "ibot_head")
    }
    return {
        **renamed(original_names, [(r"^", "teacher.backbone._fsdp_wrapped_module.")]),
        **renamed(original_names, [(r"^", "student.backbone._fsdp_wrapped_module.")]),
        **heads,
        "dino_loss.center": np.zeros((1, 4), np.float32),
        "ibot_patch_loss.center": np.zeros((1, 1, 4), np.float32),
    }


def dinov2_student(tensors: Tensors) -> Tensors:
    """One network alone, under the names of compiled and of wrapped modules."""
    names = list(original(tensors))
    prefixes = ("_orig_mod.net.student.backbone.", "net._orig_mod.student.")
    return {
        prefixes[names.index(name) % 2] + name: array
        for name, array in original(tensors).items()
    }


def mae_original(tensors: Tensors) -> Tensors:
    """facebookresearch/mae with its decoder."""
    decoder = ("decoder_pos_embed", "decoder_embed.weight", "decoder_pred.bias")
    more = {name: np.zeros((4, 4), np.float32) for name in decoder}
    more["decoder_blocks.0.attn.qkv.weight"] = np.zeros((12, 4), np.float32)
    return {**renamed(original(tensors), [(r"^", "model.")]), **more}


def mocov3(tensors: Tensors) -> Tensors:
    """facebookresearch/moco-v3: two encoders with heads, in a distributed wrapper."""
    original_names = original(tensors)
    return {
        **renamed(original_names, [(r"^", "module.base_encoder.")]),
        **renamed(original_names, [(r"^", "module.momentum_encoder.")]),
        "module.base_encoder.head.0.weight": np.zeros((4, 8), np.float32),
        "module.base_encoder.head.1.num_batches_tracked": np.array(7),
        "module.predictor.0.weight": np.zeros((4, 4), np.float32),
    }


def openai_clip(tensors: Tensors) -> Tensors:
    """CLIP as OpenAI and OpenCLIP name it."""
    rules = [
        (r"embeddings\.cls_token", "class_embedding"),
        (r"embeddings\.position_embeddings", "positional_embedding"),
        (r"embeddings\.patch_embeddings\.projection", "conv1"),
        (r"pre_layrnorm", "ln_pre"),
        (r"^layernorm", "ln_post"),
        (r"encoder\.layer\.", "transformer.resblocks."),
        (r"norm(\d)", r"ln_\1"),
        (r"attention\.output\.dense", "attn.out_proj"),
        (r"attention\.attention\.(\w+)\.", r"attn.\1_"),
        (r"mlp\.fc1", "mlp.c_fc"),
        (r"mlp\.fc2", "mlp.c_proj"),
        (r"^", "visual."),
    ]
    parts = ("attn.query", "attn.key", "attn.value")
    out = stacked(renamed(tensors, rules), parts, "attn.in_proj")
    out.pop("visual.embeddings.mask_token")
    for name in ("class_embedding", "positional_embedding"):
        out[f"visual.{name}"] = np.squeeze(out[f"visual.{name}"])
    return {
        **out,
        "visual.proj": np.ones((8, 4), np.float32),
        "positional_embedding": np.ones((5, 4), np.float32),
        "transformer.resblocks.0.ln_1.weight": np.ones(4, np.float32),
        "token_embedding.weight": np.ones((9, 4), np.float32),
        "ln_final.bias": np.ones(4, np.float32),
        "text_projection": np.ones((4, 4), np.float32),
        "logit_scale": np.float32(4.6),
    }
