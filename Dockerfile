# One image with the three programs: celeriac-worker, celeriac-scheduler and celeriac.
#
# The versions are pinned: Rust is that of rust-toolchain.toml, and the PostgreSQL client tools are of the same
# major version as the server in docker-compose.yml, as pg_dump refuses a server newer than itself.

FROM rust:1.95.0-slim-trixie AS build
# The toolchain of the image as it is: rust-toolchain.toml would fetch rustfmt and clippy too.
ENV RUSTUP_TOOLCHAIN=1.95.0
# Function names stay in the programs, so that an error report can be read; the rest of the debug information goes.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
WORKDIR /src
COPY . .
# The queries are checked against the committed .sqlx folder: no database is needed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bins -p celeriac-worker -p celeriac-scheduler -p celeriac-ops \
    && install -D -t /out target/release/celeriac-worker target/release/celeriac-scheduler target/release/celeriac

FROM debian:trixie-20260803-slim
# tesseract reads scanned pages without a model; leave it out (100 MB) and the vision model reads them.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates postgresql-client-17 tesseract-ocr \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 celeriac \
    && useradd --uid 10001 --gid celeriac --no-create-home --home-dir /var/lib/celeriac --shell /usr/sbin/nologin celeriac \
    # A new volume takes the owner and the mode of the folder it is mounted on.
    && install -d -o celeriac -g celeriac -m 0750 /var/lib/celeriac /var/lib/celeriac/media /var/lib/celeriac/backups
COPY --from=build /out/ /usr/local/bin/
COPY schedules.toml /etc/celeriac/
ENV PG_BIN=/usr/lib/postgresql/17/bin \
    MEDIA_ROOT=/var/lib/celeriac/media \
    BACKUP_DIR=/var/lib/celeriac/backups
WORKDIR /etc/celeriac
USER 10001:10001
EXPOSE 5555
CMD ["celeriac", "serve"]
