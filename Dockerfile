ARG BASE_IMAGE=python:3.11-slim

# Installs into /opt/amocrm, a virtual environment without pip. The image takes only this folder.
FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY .ci/uv.txt .ci/image-requirements pyproject.toml uv.lock ./
RUN python -m pip install --no-cache-dir --no-deps --require-hashes -r uv.txt \
 && ./image-requirements >image.txt \
 && python -m venv --without-pip /opt/amocrm \
 && python -m pip --python /opt/amocrm/bin/python install \
      --no-cache-dir --no-compile --no-deps --require-hashes -r image.txt
COPY setup.py README.md LICENSE ./
COPY source_amocrm source_amocrm
# setuptools is needed only to build the package. Byte code is made here and "unchecked", so that every build has the
# same bytes and Python does not stat() each module's source at start.
RUN python -m pip --python /opt/amocrm/bin/python install \
      --no-cache-dir --no-compile --no-deps --no-build-isolation --no-index . \
 && python -m pip --python /opt/amocrm/bin/python uninstall --yes setuptools \
 && /opt/amocrm/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/amocrm/lib

# Adds what sync, models, report and publish need, and the packages beside the connector.
FROM build AS build-warehouse
RUN ./image-requirements --extra warehouse --extra mariadb --extra clickhouse >warehouse.txt \
 && python -m pip --python /opt/amocrm/bin/python install \
      --no-cache-dir --no-compile --no-deps --require-hashes -r warehouse.txt
COPY amocrm_warehouse amocrm_warehouse
COPY amocrm_fleet amocrm_fleet
COPY amocrm_probe amocrm_probe
RUN python -m pip --python /opt/amocrm/bin/python install \
      --no-cache-dir --no-compile --no-deps --no-build-isolation --no-index --force-reinstall . \
 && python -m pip --python /opt/amocrm/bin/python uninstall --yes setuptools \
 && /opt/amocrm/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/amocrm/lib

# What both images are: Python, a user without rights, one command.
FROM ${BASE_IMAGE} AS build-base
# The base image has no byte code of the standard library, and the connector's user may not write it. Compiling at each
# start would double the start-up time of `spec`.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
      -x '/(test|tests|site-packages|idlelib|lib2to3|tkinter|turtledemo|ensurepip|pydoc_data|distutils)(/|$)' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ENV PATH=/opt/amocrm/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /airbyte
USER 1000:1000
ENTRYPOINT ["/opt/amocrm/bin/source-amocrm"]
LABEL org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0"

# For Airflow, Dagster, Kubernetes and cron: the commands of the analyst. Rows under way and what dbt has parsed lie in /tmp.
FROM build-base AS warehouse
COPY --from=build-warehouse /opt/amocrm /opt/amocrm
ENV SOURCE_AMOCRM_HOME=/tmp/source-amocrm
WORKDIR /data
LABEL org.opencontainers.image.title="source-amocrm-warehouse" \
      org.opencontainers.image.description="amoCRM and Kommo into a database: sync, marts, report, publish"

# The last target, so that `docker build .` makes it.
FROM build-base AS connector
COPY --from=build /opt/amocrm /opt/amocrm
# The CDK makes a temporary folder at start. /dev/shm is writable even in a read-only container.
ENV TMPDIR=/dev/shm \
    AIRBYTE_ENTRYPOINT=/opt/amocrm/bin/source-amocrm
LABEL io.airbyte.name="airbyte/source-amocrm" \
      io.airbyte.version="0.1.0" \
      org.opencontainers.image.title="source-amocrm" \
      org.opencontainers.image.description="Airbyte source for amoCRM and Kommo"
