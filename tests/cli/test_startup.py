import subprocess
import sys


def test_the_lapack_that_jax_calls_gets_one_thread():
    # In a process of its own: the limit would stay for the rest of the suite.
    code = """
import jax.numpy as jnp, threadpoolctl
from uhseg_jax.cli import startup
startup.keep_lapack_serial()
jnp.linalg.eigh(jnp.eye(8))
print([pool["num_threads"] for pool in threadpoolctl.threadpool_info()])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    threads = eval(done.stdout)
    assert len(threads) >= 2  # numpy's and scipy's
    assert set(threads) == {1}
