import hashlib

import jax.numpy as jnp
import numpy as np

from uhseg_jax.backbones.weights.digests import files_digest, params_digest
from uhseg_jax.files import sha256_of

PARAMS = {
    "norm": {"scale": np.arange(6, dtype=np.float32)},
    "positions": np.linspace(0, 1, 5000, dtype=np.float32).reshape(50, 100),
}


def test_digest_sees_names_shapes_and_values_but_not_order():
    digest = params_digest(PARAMS)
    assert params_digest(dict(reversed(PARAMS.items()))) == digest
    others = [
        {"norm": {"bias": PARAMS["norm"]["scale"]}, "positions": PARAMS["positions"]},
        {**PARAMS, "positions": PARAMS["positions"].reshape(100, 50)},
        {**PARAMS, "positions": np.nextafter(PARAMS["positions"], np.float32(2))},
    ]
    assert all(params_digest(other) != digest for other in others)


def test_digest_is_of_values_wherever_they_lie():
    digest = params_digest(PARAMS)
    assert params_digest({**PARAMS, "norm": {"scale": jnp.arange(6.0)}}) == digest
    columns = np.asfortranarray(PARAMS["positions"])
    assert params_digest({**PARAMS, "positions": columns}) == digest


def test_folders_differ_by_names_and_contents(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "file").write_bytes(b"content")
    digest = files_digest(tmp_path / "one")
    assert files_digest(tmp_path / "two") == digest
    content = hashlib.sha256(b"content").hexdigest()
    assert sha256_of(tmp_path / "one" / "below" / "file") == content
    (tmp_path / "two" / "below" / "file").write_bytes(b"Content")
    assert files_digest(tmp_path / "two") != digest
    (tmp_path / "one" / "below" / "file").rename(tmp_path / "one" / "file")
    assert files_digest(tmp_path / "one") != digest
