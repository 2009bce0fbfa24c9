# syntax=docker/dockerfile:1
# The commands of uhseg_jax on processors. From the root of the repository:
#
#   docker build -f containers/cpu.Dockerfile -t uhseg_jax:cpu .
#   docker run --rm --user "$(id -u):$(id -g)" -v uhseg-cache:/cache \
#     -v "$PWD:/work" uhseg_jax:cpu uhseg-segment photos --output=regions
#
# Weights and compiled programs are in /cache. docs/use/caches.md says more.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
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
    PYTHONUNBUFFERED=1
VOLUME /cache
USER 1000:1000
WORKDIR /work
CMD ["uhseg-segment", "--help"]
