# Servers for one run of a script, sourced by bin/test and benches/peers/run: a Postgres and a Redis on free ports, with all
# their files below $work. Whoever sources this makes $work (passable for the user postgres) and calls stop_postgres and
# stop_redis at the end; whatever else runs on the machine is left alone.

# Below the ports that the system gives to outgoing connections, so that none of those is in the way.
readonly PORT_FIRST=20000 PORT_COUNT=12000 PORT_ATTEMPTS=20

postgres_pid='' redis_pid=''

say() { printf '\n== %s\n' "$*" >&2; }
fail() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
random_port() { echo $((PORT_FIRST + RANDOM % PORT_COUNT)); }

# The directory with initdb and pg_ctl: on Debian they are not in the PATH.
find_postgres() {
    local directory
    for directory in $(compgen -G '/usr/lib/postgresql/*/bin' | sort -rV) "$(dirname "$(command -v initdb || echo /-)")"; do
        if [ -x "$directory/initdb" ] && [ -x "$directory/pg_ctl" ]; then
            echo "$directory"
            return
        fi
    done
    return 1
}

# Packages of Debian; none is fine.
install_packages() {
    [ $# -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "install $* first: there is no apt-get here"
    say "installing $*"
    as_root apt-get update -q >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

# Postgres refuses to run as root. Whoever it runs as then may not be able to read this directory.
as_postgres() { if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }

start_postgres() {
    local binaries data="$work/postgres/data" port
    binaries=$(find_postgres) || fail "no initdb found after installing postgresql"
    mkdir "$work/postgres"
    if [ "$(id -u)" = 0 ]; then chown postgres "$work/postgres"; fi
    as_postgres "$binaries/initdb" --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --locale=C \
        --no-sync >/dev/null
    for _ in $(seq "$PORT_ATTEMPTS"); do
        port=$(random_port)
        # Writes reach the disk although nothing here outlives this script: relais refuses a server that may lose them.
        if as_postgres "$binaries/pg_ctl" start --pgdata="$data" --wait --silent --log="$work/postgres/log" \
            --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300" \
            >/dev/null 2>&1; then
            postgres_pid=$(head -n 1 "$data/postmaster.pid")
            export TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
            return
        fi
    done
    cat "$work/postgres/log" >&2
    fail "Postgres did not start"
}

start_redis() {
    local log="$work/redis/log" port
    mkdir "$work/redis"
    for _ in $(seq "$PORT_ATTEMPTS"); do
        port=$(random_port)
        : >"$log"
        redis-server --bind 127.0.0.1 --port "$port" --dir "$work/redis" --appendonly yes --save '' \
            --logfile "$log" >/dev/null 2>&1 &
        redis_pid=$!
        while kill -0 "$redis_pid" 2>/dev/null; do
            if grep -q 'Ready to accept connections' "$log"; then
                export TEST_REDIS_URL="redis://127.0.0.1:$port/"
                return
            fi
            sleep 0.05
        done
    done
    cat "$log" >&2
    fail "Redis did not start"
}

stop_postgres() {
    # INT is Postgres' fast shutdown. It is not our child, so its end shows in the file that goes away with it.
    if [ -n "$postgres_pid" ] && kill -INT "$postgres_pid" 2>/dev/null; then
        for _ in $(seq 200); do
            [ -e "$work/postgres/data/postmaster.pid" ] || break
            sleep 0.05
        done
    fi
}

stop_redis() {
    if [ -n "$redis_pid" ] && kill -TERM "$redis_pid" 2>/dev/null; then
        wait "$redis_pid" || true
    fi
}
