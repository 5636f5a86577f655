# syntax=docker/dockerfile:1
# Any Debian-based image with Node 20.19 or newer will do: docker build --build-arg BASE=…
ARG BASE=node:20-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -rf node_modules/.cache

FROM ${BASE}
ENV NODE_ENV=production NETCHECK_DATA=/var/lib/netcheck
# `sshConfig: true` asks `ssh -G`; everything else needs nothing but Node.
RUN if ! command -v ssh >/dev/null; then apt-get update && apt-get install -y --no-install-recommends openssh-client && rm -rf /var/lib/apt/lists/*; fi \
 && if ! id -u netcheck >/dev/null 2>&1; then useradd --system --uid 10001 --create-home --home-dir /home/netcheck --shell /usr/sbin/nologin netcheck; fi \
 && mkdir -p /etc/netcheck /var/lib/netcheck && chown netcheck:netcheck /var/lib/netcheck
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
COPY playbooks ./playbooks
COPY docs/rules ./docs/rules
USER netcheck
ENTRYPOINT ["node", "/app/dist/cli.js"]
CMD ["bot", "--config", "/etc/netcheck/netcheck.yaml"]
