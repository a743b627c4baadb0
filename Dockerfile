# For the CPU:   docker build -t trionet --build-arg UID="$(id -u)" .
# With CUDA:     docker build -t trionet --build-arg UID="$(id -u)" --build-arg TORCH_INDEX=https://pypi.org/simple .
# Then, in the folder of your pictures (`-e TRIONET_PORTAL_HOST=0.0.0.0 -p 127.0.0.1:8080:8080` shows the portal
# on this machine, `--gpus all` the cards):
#   docker run --rm -it --init -v "$PWD:/work" trionet new mine --data pictures
#   docker run --rm -it --init -v "$PWD:/work" trionet search mine/experiment.yml
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# The compiler is for attention's kernels, git for the commit that cards and --version name.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ git \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/trionet
ENV PATH=/opt/trionet/bin:$PATH
# torch in a layer of its own: a change of the source does not download it again.
RUN pip install --no-cache-dir --index-url "${TORCH_INDEX}" torch==2.14.1 torchvision==0.29.1
COPY . /source
RUN pip install --no-cache-dir "/source[search,report]"
# On a processor unlike this one they are not loaded, and torch computes attention.
RUN python -m trionet_nni.operators.layers.build_native

FROM python:${PYTHON}-slim-bookworm
COPY --from=build /opt/trionet /opt/trionet
# NNI keeps its list of experiments in HOME: in the mounted folder it outlives the container.
ENV PATH=/opt/trionet/bin:$PATH HOME=/work
# A user with a name, which NNI asks for; results belong to whoever built the image.
ARG UID=1000
RUN useradd --uid "${UID}" --no-log-init --no-create-home --home-dir /work trionet \
    && mkdir /work \
    && chown trionet /work
USER trionet
WORKDIR /work
ENTRYPOINT ["trionet"]
CMD ["--help"]
