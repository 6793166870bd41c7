# The engine's one image: the API by default, every other process by its command (see docker-compose.yml).
#
#   docker run -p 127.0.0.1:5000:5000 -v llmcoder-data:/data -e DATABASE_URL=... -e REDIS_URL=... llmcoder
#
# Playwright's browser is not in it: with what it needs it would more than double the image, for one kind of action.
# An image with it: FROM this one, USER root, RUN playwright install --with-deps chromium, USER llmcoder.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
# The packages first: this layer stays as long as the lock does. What stands below the second heading is left out.
COPY requirements.lock .
RUN sed '/^# Development/,$d' requirements.lock > runtime.lock && pip install --no-deps -r runtime.lock && rm runtime.lock
COPY . .
RUN pip install --no-deps -e . && python -m compileall -q . && python -c 'from llmcoder.registry import registry; registry()'

FROM python:3.11-slim
LABEL org.opencontainers.image.title="LLMCoder" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.description="A self-hosted engine for background work: every action a durable job"
RUN groupadd --system --gid 10001 llmcoder \
 && useradd --system --uid 10001 --gid llmcoder --home-dir /data --no-create-home llmcoder \
 && install -d -m 700 -o llmcoder -g llmcoder /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# HOME is the one folder that can be written; 0.0.0.0 is the container's own network, and what is published decides.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/data DATA_DIR=/data API_HOST=0.0.0.0
WORKDIR /app
USER llmcoder
VOLUME /data
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('API_PORT') or 5000}/health/live\", timeout=4)"]
ENTRYPOINT ["/app/docker/entrypoint"]
CMD ["python", "-m", "api"]
