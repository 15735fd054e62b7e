# The operator's image. The wheels are collected outside, from uv.lock (`make wheels`), so that a build needs no network
# and gives the same packages every time. Their Python version must be that of the base image.
# Any base with python3 >= 3.11 and its venv module will do.
ARG BASE_IMAGE=public.ecr.aws/docker/library/python:3.13-slim

FROM ${BASE_IMAGE} AS build
COPY build/wheels /wheels
RUN python3 -m venv /opt/containerapp \
 && /opt/containerapp/bin/pip install --no-cache-dir --no-index --find-links /wheels --no-deps --require-hashes \
      --requirement /wheels/requirements.txt \
 && /opt/containerapp/bin/pip install --no-cache-dir --no-index --no-deps /wheels/containerapp_operator-*.whl \
 && /opt/containerapp/bin/pip check \
 && /opt/containerapp/bin/pip uninstall --yes setuptools pip

FROM ${BASE_IMAGE}
ARG VERSION=""
LABEL org.opencontainers.image.title="containerapp-operator" \
      org.opencontainers.image.description="Run containers on Amazon EKS as simply as ECS ran them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
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
CMD ["run"]
