# syntax=docker/dockerfile:1
# Operator, node agent and fetcher in one image: `docker build -t mezzo .`
#
# Where Docker Hub cannot be reached, both bases can be replaced by local images that have `node` (24) on their PATH:
#   docker build --build-arg BUILD_BASE=my/node:24 --build-arg BASE=my/node:24 .
ARG BUILD_BASE=node:24-bookworm-slim
ARG BASE=gcr.io/distroless/nodejs24-debian12:nonroot

FROM ${BUILD_BASE} AS build
WORKDIR /src
# Dependencies first: they change less often than the sources.
COPY package.json package-lock.json ./
# `npm ci` refuses a lock that lacks optional packages of other platforms; `npm install --no-save` obeys the same lock.
RUN npm ci --ignore-scripts --no-audit --no-fund \
    || npm install --no-save --ignore-scripts --no-audit --no-fund
COPY . .
RUN ["node", "images/bundle.ts", "dist"]

FROM ${BASE}
# The distroless image keeps node in /nodejs/bin, the Debian one in /usr/local/bin.
ENV PATH=/nodejs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    NODE_ENV=production
WORKDIR /app
COPY --from=build /src/dist/operator.mjs /src/dist/agent.mjs /src/dist/fetcher.mjs /app/
USER 65532:65532
EXPOSE 8080 8081 9102
ENTRYPOINT ["node"]
CMD ["/app/operator.mjs"]
