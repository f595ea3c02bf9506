# The image of the model endpoint: `serve`, port 8080, the artifact in /opt/ml/model. From the root of the repository:
# docker build -f deploy/aws/model.Dockerfile -t ringfence-model .
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --prefix=/installed .

FROM python:3.12-slim
COPY --from=build /installed /usr/local
RUN useradd --uid 10001 --create-home ringfence
USER 10001
ENV RINGFENCE_MODEL_HOST=0.0.0.0 RINGFENCE_MODEL_OPEN=1 XDG_CACHE_HOME=/tmp/cache PYTHONDONTWRITEBYTECODE=1
EXPOSE 8080
ENTRYPOINT ["ringfence", "model"]
CMD ["serve"]
