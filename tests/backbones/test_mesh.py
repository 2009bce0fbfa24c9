"""Eight devices give the answers of one, to the last bit."""

import os
import subprocess
import sys
import textwrap

import pytest

DEVICES = 8
CODE = f"""
    import jax, numpy as np
    from uhseg_jax import backbones

    assert jax.device_count() == {DEVICES}
    mesh = jax.make_mesh(
        ({DEVICES},), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
    )
    rng = np.random.default_rng(0)
    backbone = backbones.load_backbone("dinov3_test", dtype="float32")
    request = backbones.ClassTokenRequest(grid=(2, 3))
    shared = backbones.Extractor(backbone, request, mesh)
    for leaf in jax.tree.leaves(shared.inputs):
        assert len(leaf.sharding.device_set) == {DEVICES}
        assert leaf.sharding.is_fully_replicated
    alone = backbones.Extractor(backbone, request)
    # Fewer images than devices, as many, and more.
    for count in (2, {DEVICES}, {DEVICES} + 2):
        images = [rng.integers(0, 256, (32, 48, 3), np.uint8) for _ in range(count)]
        for x, y in zip(shared(images), alone(images), strict=True):
            assert len(x.sharding.device_set) == {DEVICES}
            assert (np.asarray(x)[:count] == np.asarray(y)).all()
    print("equal")
"""


@pytest.mark.slow
def test_eight_devices_give_the_answers_of_one():
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
