# The operator's image. The wheels are collected outside, from uv.lock (`make wheels`), so that a build needs no network
# and gives the same packages every time. Their Python version must be that of the base image.
# Any base with python3 >= 3.11 and its venv module will do. `make base` moves this one to what a tag stands for now.
ARG BASE_IMAGE=public.ecr.aws/docker/library/python:3.13-slim@sha256:6771159cd4fa5d9bba1258caf0b82e6b73458c694d178ad97c5e925c2d0e1a91

FROM ${BASE_IMAGE} AS build
COPY build/wheels /wheels
# Compiled once, and by content: a file's time would differ from build to build, and the root file system is read-only.
RUN export PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 \
 && python3 -m venv /opt/containerapp \
 && /opt/containerapp/bin/pip install --no-cache-dir --no-compile --no-index --find-links /wheels --no-deps \
      --require-hashes --requirement /wheels/requirements.txt \
 && /opt/containerapp/bin/pip install --no-cache-dir --no-compile --no-index --no-deps \
      /wheels/containerapp_operator-*.whl \
 && /opt/containerapp/bin/pip check \
 && /opt/containerapp/bin/pip uninstall --yes setuptools pip \
 && find /opt/containerapp -name __pycache__ -prune -exec rm -r {} + \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/containerapp/lib \
 && cp /wheels/LICENSE /wheels/NOTICE /opt/containerapp/

FROM ${BASE_IMAGE}
ARG VERSION=""
ARG REVISION=""
ARG SOURCE=""
LABEL org.opencontainers.image.title="containerapp-operator" \
      org.opencontainers.image.description="Run containers on Amazon EKS as simply as ECS ran them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
# Nothing installs packages here any more; what cannot run needs no security updates.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
      /usr/lib/python3*/ensurepip /usr/share/python-wheels
COPY --from=build /opt/containerapp /opt/containerapp
# USER: kopf asks for the user's name at start, and no passwd file knows 65532 (or whatever a platform runs us as).
ENV USER=containerapp \
    PATH=/opt/containerapp/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/nonexistent
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["containerapp"]
CMD ["operator"]
