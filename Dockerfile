# The command and the app, for processors and, with `docker run --gpus all`, for NVIDIA GPUs:
#   docker build -t instglow .
#   docker build -t instglow:cuda --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 .
#   docker run --rm -v "$PWD:/data" instglow separate song.mp3 -o stems
#   docker run --rm -p 7860:7860 instglow app --host 0.0.0.0
# PIP_ARGS goes to pip: with the address of PyTorch's own packages for processors the image is GBs smaller.
# Debian's packages are those of the base's release, without pinned versions.
# hadolint global ignore=DL3008
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ARG EXTRAS=app,evaluation
ARG PIP_ARGS=
ENV DEBIAN_FRONTEND=noninteractive
# pesq, which Asteroid requires, is compiled: the image itself goes without a compiler.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY asteroid_instglow ./asteroid_instglow
RUN python3 -m venv /opt/instglow \
    && /opt/instglow/bin/pip install --no-cache-dir ${PIP_ARGS} ".[${EXTRAS}]"

FROM ${BASE}
ENV DEBIAN_FRONTEND=noninteractive PATH=/opt/instglow/bin:$PATH
RUN apt-get update \
    && apt-get install -y --no-install-recommends ffmpeg python3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/instglow /opt/instglow
EXPOSE 7860
WORKDIR /data
ENTRYPOINT ["instglow"]
CMD ["--help"]
