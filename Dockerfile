# syntax=docker/dockerfile:1

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --release --bin relais \
    && cp target/release/relais /usr/local/bin/relais

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/relais relais
COPY --from=build /usr/local/bin/relais /usr/local/bin/relais
USER 10001
WORKDIR /var/lib/relais
EXPOSE 8080
ENTRYPOINT ["relais"]
CMD ["web"]
