# keyturn's own image: build with `docker build -t keyturn .`
FROM node:22-bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /keyturn
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /keyturn
COPY --from=build /keyturn/package.json ./
COPY --from=build /keyturn/node_modules node_modules
COPY --from=build /keyturn/dist dist
COPY jobs jobs
RUN ln -s /keyturn/dist/cli.js /usr/local/bin/keyturn && mkdir /work && chown node:node /work
# Key files and reports are written here: mount a volume, or they are lost with the container
WORKDIR /work
USER node
ENTRYPOINT ["keyturn"]
CMD ["--help"]
