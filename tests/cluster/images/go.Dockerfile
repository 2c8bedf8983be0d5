# The image of example_dags/other_languages/evaluate with Debian's Go.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends golang-go
WORKDIR /build
COPY example_dags/other_languages/evaluate/go.mod example_dags/other_languages/evaluate/main.go ./
RUN CGO_ENABLED=0 go build -o /evaluate .

FROM scratch
COPY --from=build /evaluate /evaluate
