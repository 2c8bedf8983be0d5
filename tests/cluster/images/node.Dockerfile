# Stands in for node:22-slim where no image can be pulled: Debian's Node.js, no shell, no Python.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends nodejs
COPY tests/cluster/images/collect.sh /collect.sh
RUN sh /collect.sh /out /usr/bin/node && if [ -d /usr/share/nodejs ]; then mkdir -p /out/usr/share && cp -r /usr/share/nodejs /out/usr/share/; fi

FROM scratch
COPY --from=build /out/ /
ENV PATH=/usr/bin
