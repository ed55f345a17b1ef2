# Shared by the scripts of this folder, which set `service` and source it.
#
# A server is one process group under one folder:
#   $home/pid      the server's process, and when it began
#   $home/port     the port it was given, kept over a restart
#   $home/data     its data (wipe removes it)
#   $home/log      its output
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repo="$(cd "$here/../.." && pwd)"
cache="${ACTIVITYLOG_SERVICES_CACHE:-$repo/.cache/backends}"
instance="${ACTIVITYLOG_SERVICES_INSTANCE:-default}"
run_as="${ACTIVITYLOG_SERVICES_USER:-nobody}"

say() { echo "$service: $*" >&2; }
die() { say "$@"; exit 1; }

is_root() { [ "$(id -u)" = 0 ]; }

# passable FOLDER: can the user that servers run as enter it?
passable() { ! is_root || setpriv --reuid="$run_as" --regid="$(id -g "$run_as")" --clear-groups test -x "$1"; }

# The folder of this instance. PostgreSQL and MariaDB do not run as root, and
# the user they get may not enter a private checkout: then /var/tmp holds them.
instances="${ACTIVITYLOG_SERVICES_DIR:-}"
if [ -z "$instances" ]; then
  instances="$cache/instances"
  mkdir -p "$instances"
  passable "$instances" || instances="/var/tmp/activitylog-services-$(echo "$repo" | cksum | cut -d' ' -f1)"
fi
home="$instances/$instance/$service"
installed="$cache/$service"
pidfile="$home/pid"
log="$home/log"
mkdir -p "$home" "$installed"
home="$(cd "$home" && pwd)"
passable "$home" || die "$run_as cannot enter $home: set ACTIVITYLOG_SERVICES_DIR to a folder it can"

# port_open PORT [ADDRESS]
port_open() { (exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null; }

# port NAME [GIVEN]: the port of this instance: the one given, else the one of
# the last start, else a free one below the range that outgoing connections take.
port() {
  local file="$home/$1" number="${2:-}"
  [ -n "$number" ] || number="$(cat "$file" 2>/dev/null || true)"
  while [ -z "$number" ]; do
    number=$((20000 + RANDOM % 10000))
    if port_open "$number"; then number=""; fi
  done
  echo "$number" | tee "$file"
}

# A process that ended and was not reaped by its parent counts as gone.
running() {
  local state
  state="$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null)" || return 1
  [ -n "$state" ] && [ "${state%% *}" != Z ]
}

# born PID: when a process began, in clock ticks. A process id is used again
# one day, and must not be taken for the server that had it.
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

pid() { cut -d' ' -f1 "$pidfile"; }

alive() { [ -s "$pidfile" ] && running "$(pid)" && [ "$(born "$(pid)")" = "$(cut -d' ' -f2 "$pidfile")" ]; }

# tree PID: it and everything below it. PostgreSQL gives each child a process
# group of its own, so that a group is not enough.
tree() {
  local child
  echo "$1"
  for child in $(ps -o pid= --ppid "$1" 2>/dev/null); do tree "$child"; done
}

# signal SIGNAL: to the server and its children.
signal() {
  alive || die "is not running here"
  # shellcheck disable=SC2046
  kill "-$1" $(tree "$(pid)") 2>/dev/null || true
}

# gone SECONDS: waits until the server has ended.
gone() {
  local end=$((SECONDS + $1))
  while alive; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

# stop SIGNAL SECONDS: asks the server to end, and makes it after a while.
stop() {
  alive || { rm -f "$pidfile"; return 0; }
  signal CONT
  kill "-$1" "$(pid)"
  if ! gone "$2"; then
    say "did not end in $2 s: killed"
    crash
  fi
  rm -f "$pidfile"
}

# crash: what the loss of the machine's power does to the processes.
crash() {
  alive || die "is not running here"
  local process processes
  processes="$(tree "$(pid)")"
  # shellcheck disable=SC2086
  kill -KILL $processes 2>/dev/null || true
  for process in $processes; do
    while running "$process"; do sleep 0.05; done
  done
  rm -f "$pidfile"
}

# start SECONDS HEALTHY COMMAND...: starts a server in the background and waits
# until HEALTHY succeeds. A server that ended is an error at once.
start() {
  local limit="$1" healthy="$2" end
  shift 2
  # Its own session: the Ctrl-C of a test run must not reach it.
  setsid nohup "$@" >>"$log" 2>&1 </dev/null 8>&- &
  echo "$! $(born $!)" >"$pidfile"
  end=$((SECONDS + limit))
  until "$healthy" >/dev/null 2>&1; do
    if ! alive; then
      tail -n 20 "$log" >&2
      rm -f "$pidfile"
      die "ended while starting; its log is $log"
    fi
    [ "$SECONDS" -lt "$end" ] || die "was not healthy after $limit s; its log is $log"
    sleep 0.1
  done
}

# unprivileged: the words before a command that must not run as root.
unprivileged=()
if is_root; then
  unprivileged=(setpriv --reuid="$run_as" --regid="$(id -g "$run_as")" --clear-groups)
fi

# once FILE COMMAND...: installs what FILE (of this service) names, again only
# when FILE changes, and once when two runs start together.
once() {
  local done
  done="$installed/.installed-$(sha256sum <"$here/$service/$1" | cut -c1-16)"
  shift
  [ ! -e "$done" ] || return 0
  (
    flock 9
    [ -e "$done" ] || { say "installing (once, into $installed)"; "$@"; touch "$done"; }
  ) 9>"$installed/.lock"
}

# apt PACKAGE...: installs Debian packages. Their signatures are apt's to check.
apt() {
  local packages="$*"
  is_root || die "not installed: run  apt-get install $packages  or set $dsn_variable"
  say "installing $packages"
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -q --no-install-recommends "$@" >"$installed/apt.log" 2>&1 ||
    { apt-get -o DPkg::Lock::Timeout=600 update -q >>"$installed/apt.log" 2>&1 &&
      DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -q --no-install-recommends "$@" >>"$installed/apt.log" 2>&1; } ||
    { tail -n 5 "$installed/apt.log" >&2; die "apt-get install $packages failed"; }
}

# python_packages: a virtual environment with exactly the files whose digests
# requirements.txt names.
python_packages() {
  rm -rf "$installed/venv"
  python3 -m venv "$installed/venv"
  "$installed/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$here/$service/requirements.txt"
}

# jars: the files of pom.xml from Maven, checked against SHA256SUMS.
jars() {
  command -v mvn >/dev/null || apt maven
  command -v java >/dev/null || apt default-jre-headless
  rm -rf "$installed/lib"
  mvn -q -B --strict-checksums -f "$here/$service/pom.xml" dependency:copy-dependencies -DoutputDirectory="$installed/lib" -DincludeScope=runtime \
    </dev/null >"$installed/maven.log" 2>&1 || { tail -n 20 "$installed/maven.log" >&2; die "Maven failed"; }
  (cd "$installed/lib" && sha256sum --check --strict --quiet "$here/$service/SHA256SUMS")
}

# java_options: a JVM that starts fast and stays small.
java_options=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto)

memory() { awk -v s="$service" '/VmRSS|VmHWM/ {printf "%s %s %d MiB\n", s, $1, $2/1024}' "/proc/$(pid)/status"; }

# dsn_given: the environment names a server that is not this one.
dsn_given() { [ -n "${!dsn_variable:-}" ] && [ "${!dsn_variable}" != "$(dsn)" ]; }

# main COMMAND: what every script of this folder can do. Each defines
#   dsn_variable        the variable that tests read
#   dsn                 prints its value for this instance
#   install_server      installs, is quick when there is nothing to do
#   start_server        starts and waits
#   stop_server         ends in good order
main() {
  case "${1:-}" in
    install) install_server ;;
    up)
      if dsn_given; then say "using $dsn_variable, nothing started"; return; fi
      exec 8>"$home/lock" # one start at a time; the server must not inherit it
      flock 8
      if ! alive; then
        install_server
        ! port_open "$port" || die "port $port is taken by another process"
        start_server
      fi
      say "up on 127.0.0.1:$port, pid $(pid)"
      ;;
    down) stop_server ;;
    kill) crash ;;
    pause) signal STOP ;;
    resume) signal CONT ;;
    wipe) stop_server; rm -rf "$home/data" "$log" ;;
    env) if dsn_given; then printf "export %s=%q\n" "$dsn_variable" "${!dsn_variable}"; else printf "export %s=%q\n" "$dsn_variable" "$(dsn)"; fi ;;
    status) if alive; then memory; else echo "$service down"; fi ;;
    home) echo "$home" ;;
    needed) ! dsn_given && ! alive ;;
    *) echo "usage: $0 install|up|down|kill|pause|resume|wipe|env|status|home|needed" >&2; exit 2 ;;
  esac
}
