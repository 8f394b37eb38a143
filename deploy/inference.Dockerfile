# The inference host with the engines that need no further package; docs/gpu-host.md has the others. From the clone's root:
#   docker build --file deploy/inference.Dockerfile --tag mpr-inference .
FROM python:3.11-slim-bookworm

RUN pip install --no-cache-dir uv==0.13.8 \
    && useradd --uid 10001 --create-home mpr

WORKDIR /opt/mpr
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY gpu_service gpu_service
RUN uv pip install --system --no-cache --constraint requirements.lock --editable '.[gpu]'

USER 10001
ENV PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
CMD ["python", "-m", "gpu_service", "--host", "0.0.0.0"]
