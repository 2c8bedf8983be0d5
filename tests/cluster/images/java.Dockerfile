# Stands in for eclipse-temurin:21 where no image can be pulled: Debian's JDK, no shell, no Python.
# Its certificates cannot be unpacked where /etc/ssl is read-only; a compiler does not need them.
FROM python:3.11-slim-bookworm AS build
RUN mkdir -p /usr/share/man/man1 && apt-get update -q \
 && { DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends openjdk-17-jdk-headless \
      || command -v jlink; }
COPY tests/cluster/images/collect.sh /collect.sh
RUN jlink --add-modules java.base,jdk.compiler --output /out/opt/java --no-header-files --no-man-pages \
 && sh /collect.sh /out $(find /out/opt/java -name '*.so' -o -path '*/bin/*' -type f) \
 && mkdir -p /out/tmp && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /out/ /
ENV PATH=/opt/java/bin
