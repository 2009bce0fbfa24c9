import os
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

from uhseg_jax.backbones import FeatureRequest, forward_features, load_backbone

DEVICES = 8
# Two more images than devices: the batch is filled up, and cut again.
IMAGES = DEVICES + 2
CODE = f"""
    import jax, numpy as np
    from uhseg_jax import backbones

    assert jax.device_count() == {DEVICES}
    mesh = jax.make_mesh(
        ({DEVICES},), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
    )
    pixels = np.random.default_rng(0).integers(
        0, 256, ({IMAGES}, 32, 48, 3), dtype=np.uint8
    )
    requests = tuple(
        backbones.FeatureRequest(facet, 0)
        for facet in ("token", "key", "class_attention", "attention")
    )
    one = backbones.load_backbone("dinov3_test", dtype="float32")
    many = backbones.replicate(one, mesh)
    for leaf in jax.tree.leaves(many.params):
        assert len(leaf.sharding.device_set) == {DEVICES}
        assert leaf.sharding.is_fully_replicated
    alone = backbones.forward_features(one, pixels, requests=requests)
    for backbone in (one, many):
        for count in ({DEVICES}, {IMAGES}):
            shared = backbones.forward_features(
                backbone, pixels[:count], requests=requests, mesh=mesh
            )
            for x, y in zip(shared, alone, strict=True):
                if count == {DEVICES}:
                    assert len(x.sharding.device_set) == {DEVICES}
                x, y = np.asarray(x), np.asarray(y[:count])
                assert x.shape == y.shape
                # Products of another batch size round differently.
                eps = np.finfo(np.float32).eps
                assert np.abs(x - y).max() <= 32 * eps * np.abs(y).max()
    print("equal")
"""


@pytest.mark.slow
def test_eight_devices_give_the_features_of_one():
    flags = f"{os.environ.get('XLA_FLAGS', '')} "
    flags += f"--xla_force_host_platform_device_count={DEVICES}"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE)],
        env={**os.environ, "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "equal"


def test_a_mesh_of_one_device_gives_the_same_features_exactly():
    backbone = load_backbone("dinov2_test", dtype="float32")
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 28, 42, 3), dtype=np.uint8)
    requests = (FeatureRequest("key", 0),)
    (alone,) = forward_features(backbone, pixels, requests=requests)
    (shared,) = forward_features(backbone, pixels, requests=requests, mesh=mesh)
    np.testing.assert_array_equal(alone, shared)


def test_a_mesh_with_other_axes_is_refused():
    backbone = load_backbone("dinov2_test", dtype="float32")
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    pixels = np.zeros((1, 28, 42, 3), np.uint8)
    with pytest.raises(
        ValueError, match=r"one axis 'data'.*found the axes \('batch',\)"
    ):
        forward_features(backbone, pixels, mesh=mesh)
