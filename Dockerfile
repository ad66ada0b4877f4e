# One image, five commands: gateway, publisher, operator, standalone, which is gateway and publisher in one, and trial,
# which publishes a message and receives it.
#   docker build -t barrage .
#   docker run barrage gateway
# test/cluster/image.ts builds the same from this file for the tests: it knows the instructions used here, and no others.
FROM node:26-slim
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts
COPY core ./core
COPY gateway ./gateway
COPY publisher ./publisher
COPY operator ./operator
COPY ops ./ops
COPY standalone ./standalone
COPY client ./client
COPY entrypoint.sh ./
ENV NODE_ENV=production
USER 10001:10001
EXPOSE 6780 6789 6790
ENTRYPOINT ["/app/entrypoint.sh"]
