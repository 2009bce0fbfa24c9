# syntax=docker/dockerfile:1
# The commands of uhseg_jax on NVIDIA GPUs. The host has the driver and the NVIDIA
# Container Toolkit; CUDA itself comes with JAX's wheels. From the root of the repository:
#
#   docker build -f containers/cuda.Dockerfile -t uhseg_jax:cuda .
#   docker run --rm --user "$(id -u):$(id -g)" --gpus=all -v uhseg-cache:/cache \
#     -v "$PWD:/work" uhseg_jax:cuda uhseg-segment photos --output=regions --device=gpu
#
# Weights and compiled programs are in /cache. docs/use/caches.md says more.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ARG CUDA=cuda13
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
# CUDA first: gigabytes that do not change with the code.
RUN /opt/venv/bin/pip install "jax[${CUDA}]>=0.10"
COPY configs configs
COPY uhseg_jax uhseg_jax
RUN /opt/venv/bin/pip install ".[heif,prompts]"

FROM python:${PYTHON}-slim
# Any user may run it (--user): the cache and the home are for whoever that is.
RUN useradd --uid 1000 --create-home uhseg && \
    install --directory --mode 1777 /cache /work
COPY --from=build /opt/venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH" \
    UHSEG_CACHE=/cache \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
VOLUME /cache
USER 1000:1000
WORKDIR /work
CMD ["uhseg-segment", "--help"]
