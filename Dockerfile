# One image for every service of docker-compose.yml. Any Debian-like base with Python 3.11 or newer and pip will do:
#   docker build --build-arg ORMEN_BASE_IMAGE=registry.example.com/python:3.12 -t ormen .
ARG ORMEN_BASE_IMAGE=python:3.11-slim-bookworm
FROM ${ORMEN_BASE_IMAGE}

# The exact versions that the tests have seen, checked by hash; what the base already has is not fetched again.
COPY constraints-runtime.txt /opt/ormen/
RUN python3 -m pip install --no-cache-dir --no-deps --require-hashes --break-system-packages \
    --root-user-action ignore --disable-pip-version-check -r /opt/ormen/constraints-runtime.txt

COPY ormen /opt/ormen/ormen
COPY manager_api /opt/ormen/manager_api
COPY worker_agent /opt/ormen/worker_agent
COPY LICENSE images/ormen /opt/ormen/bin/
# HOME: the services run under numbers that no user list knows.
ENV PYTHONPATH=/opt/ormen PATH=/opt/ormen/bin:/usr/local/bin:/usr/bin:/bin \
    ORMEN_STATE_DIR=/var/lib/ormen HOME=/var/lib/ormen
RUN python3 -m compileall -q /opt/ormen/ormen /opt/ormen/manager_api /opt/ormen/worker_agent
ENTRYPOINT ["ormen"]
CMD ["--help"]
