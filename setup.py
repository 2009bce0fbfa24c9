"""What pyproject.toml has no words for: a package that lies elsewhere.

Installed, the files of configs/ are in `uhseg_jax/configs`, where `uhseg-evaluate
--config=voc2012` finds them without a checkout.
"""

from setuptools import find_namespace_packages, setup

# Folders of data are packages too; folders of bytecode are not.
found = find_namespace_packages(include=["uhseg_jax*"], exclude=["*__pycache__*"])

setup(
    packages=[*found, "uhseg_jax.configs"],
    package_dir={"uhseg_jax.configs": "configs"},
)
