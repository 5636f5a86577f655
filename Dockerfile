# netcheck in a container; docs/deploy.md shows how to run it.
# Any Debian-based image with Node 20.19 or newer will do: docker build --build-arg BASE=… .
ARG BASE=node:20-bookworm-slim

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# TypeScript, source maps and pages of packages are for people who develop; licences stay.
RUN npm run build \
 && chmod 755 dist/cli.js \
 && npm prune --omit=dev --ignore-scripts \
 && find node_modules -type f \( -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.map' -o -iname '*.md' \) \
      ! -iname 'licen*' -delete \
 && find node_modules -type d -empty -delete

FROM ${BASE}
LABEL org.opencontainers.image.title="netcheck" \
      org.opencontainers.image.description="Says in the Slack thread which network fault it is, with the numbers that prove it." \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production NETCHECK_DATA=/var/lib/netcheck
# ssh only for `sshConfig: true`, which asks `ssh -G`. The uid is fixed: keys and volumes are given to it.
RUN if ! command -v ssh >/dev/null; then \
      apt-get update && apt-get install -y --no-install-recommends openssh-client && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log; \
    fi \
 && groupadd --gid 10001 netcheck \
 && useradd --uid 10001 --gid 10001 --create-home --home-dir /home/netcheck --shell /usr/sbin/nologin netcheck \
 && mkdir -p /etc/netcheck /var/lib/netcheck \
 && chown netcheck:netcheck /var/lib/netcheck \
 && ln -s /app/dist/cli.js /usr/local/bin/netcheck
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY playbooks ./playbooks
COPY fonts ./fonts
COPY docs/rules ./docs/rules
COPY --from=build /app/dist ./dist
# As numbers, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 10001:10001
ENTRYPOINT ["netcheck"]
CMD ["bot", "--config", "/etc/netcheck/netcheck.yaml"]
