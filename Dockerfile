# One image, five commands: gateway, publisher, operator, standalone, which is gateway and publisher in one, and trial,
# which publishes a message and receives it.
#   docker build -t barrage .
#   docker run -p 6790:6790 -p 6789:6789 barrage standalone
# npm run image builds the same without a container engine. It follows the last stage: release/image/recipe.ts knows the
# instructions used there, and no others.
FROM node:26-trixie-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY LICENSE entrypoint.sh ./
COPY core ./core
COPY gateway ./gateway
COPY publisher ./publisher
COPY operator ./operator
COPY ops ./ops
COPY standalone ./standalone
COPY client ./client
COPY release ./release
RUN node release/image/build.ts

FROM node:26-trixie-slim
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn*
WORKDIR /app
COPY --from=build /src/dist/image ./
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/compile-cache NODE_COMPILE_CACHE_PORTABLE=1
LABEL org.opencontainers.image.title="Barrage" org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.description="Realtime push for live video: publish once, merge per channel, fan out to every viewer"
USER 10001:10001
EXPOSE 6780 6789 6790
ENTRYPOINT ["/app/entrypoint.sh"]
