# Sent to `sh` on the device: says what the device is, then obeys one line at a time.
# POSIX sh only (dash, busybox, toybox, mksh). The host sets before it:
#   EDGEQ_MARK              what our own lines begin with, another one for each connection
#   EDGEQ_DIR               the folder the user chose, or nothing
#   EDGEQ_BOOT, EDGEQ_ROOT  if it has asked before: the boot that it asked in, and the folder found.
#                           As long as the device was not started anew, only what lies in the
#                           folder has to be told again; the rest takes seconds on a slow device.
# EDGEQ_WATCHDOG is the process that ends this shell when the host falls silent.
LC_ALL=C; export LC_ALL
umask 077

# Where the server or a login script puts a shell of its own in the place of each command, this text
# is read all the same; but files that are sent to such a shell would be obeyed.
if [ -z "$EDGEQ_WATCHDOG" ]; then
    echo "a shell of its own, which does not run the commands that it is given" >&2
    exit 126
fi

alive() { kill -USR1 "$EDGEQ_WATCHDOG" 2>/dev/null; }
section() { echo "@@${EDGEQ_MARK}:$1"; }
show() { [ -r "$2" ] && { section "$1 $2"; cat "$2" 2>/dev/null; echo; }; }
# A file of one line, without a process of its own.
line() { [ -r "$2" ] && { read -r text <"$2"; section "$1 $2"; echo "$text"; } 2>/dev/null; }

system() {
    section uname; uname -srm
    section env; echo "home=$HOME"; echo "prefix=$PREFIX"; echo "termux=$TERMUX_VERSION"
    line online /sys/devices/system/cpu/online
    show cpuinfo /proc/cpuinfo
    show meminfo /proc/meminfo
    show os-release /etc/os-release
    line model /proc/device-tree/model
    if command -v getprop >/dev/null 2>&1; then
        section android; getprop ro.build.version.release; getprop ro.product.model
        getprop ro.soc.model
    fi
    section libc
    getconf GNU_LIBC_VERSION 2>/dev/null
    for f in /lib/ld-musl-* /system/lib*/libc.so; do
        [ -e "$f" ] && echo "$f"
    done
}

sensors() {
    for zone in /sys/class/thermal/thermal_zone*; do
        line thermal "$zone/type"; line temperature "$zone/temp"
    done
    found=
    for policy in /sys/devices/system/cpu/cpufreq/policy* /sys/devices/system/cpu/cpu0/cpufreq; do
        [ -d "$policy" ] || continue
        # Old kernels have only the second form, new ones have both.
        case $found$policy in yes*/cpu0/cpufreq) continue ;; esac
        found=yes
        line cpufreq "$policy/scaling_governor"
        line cpufreq "$policy/cpuinfo_max_freq"
    done
    line throttled /sys/devices/platform/soc/soc:firmware/get_throttled
    section vcgencmd; command -v vcgencmd
}

# Whether files can be made in a folder, and run as programs; status 1 if not run, 2 if not made.
usable() {
    rm -f "$1/.try.$$" 2>/dev/null # a link that waits there would lead the next line elsewhere
    { echo 'exit 0' >"$1/.try.$$"; } 2>/dev/null && chmod 700 "$1/.try.$$" || return 2
    "$1/.try.$$" >/dev/null 2>&1
    status=$?
    rm -f "$1/.try.$$"
    [ $status = 0 ]
}

# Whether a folder is ours alone: where others may put files, they could put links and programs.
# A group with the user's own number is the user's alone.
ours() {
    [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] || return 1
    set -- $(ls -ldn "$1" 2>/dev/null)
    case $1 in
    d???????w*) return 1 ;;
    d????w*) [ "$3" = "$4" ] ;;
    esac
}

# The first folder that can be written to, is ours, and may hold programs.
folders() {
    section folders
    uid=$(id -u); root=; spare=
    case $XDG_CACHE_HOME in /*) cache=$XDG_CACHE_HOME ;; *) cache=$HOME/.cache ;; esac # no relative
    for d in "$EDGEQ_DIR" "$cache/edgeq" "${TMPDIR:-/tmp}/edgeq-$uid" \
        "/var/tmp/edgeq-$uid" "/dev/shm/edgeq-$uid" "/data/local/tmp/edgeq-$uid"; do
        [ -n "$d" ] || continue
        [ -d "$d" ] || mkdir -p "$d" 2>/dev/null
        verdict=2
        if ours "$d"; then usable "$d"; verdict=$?; elif [ -d "$d" ]; then verdict=3; fi
        case $verdict in
        0) root=$d ;;
        1) spare=${spare:-$d}; echo "noexec $d" ;;
        3) echo "shared-with-others $d" ;;
        *) echo "unwritable $d" ;;
        esac
        [ -n "$root" ] && break
        [ "$d" = "$EDGEQ_DIR" ] && break
    done
    [ -n "$root" ] && echo "exec $root"
    root=${root:-$spare}
    if [ -n "$root" ]; then
        section root; printf '%s\n' "$root" 2>/dev/null || echo "$root" # echo obeys backslashes
        cd "$root" || return
        section free; df -kP .
        section cached; ls -ln .
    fi
}

pythons() {
    section python; told=
    for p in python3 python; do
        command -v $p >/dev/null 2>&1 || continue
        echo "path $(command -v $p)"
        $p -ESBc '
import sys
print("version %d.%d.%d" % tuple(sys.version_info[:3]))
print("bits %d" % (64 if sys.maxsize > 2**32 else 32))
for name in ("ctypes", "select", "socket", "binascii"):
    try:
        __import__(name)
        print("module " + name)
    except ImportError:
        pass
try:
    import os
    print("libc " + os.confstr("CS_GNU_LIBC_VERSION"))
except Exception:
    pass
' 2>/dev/null && told=yes && break
    done
    [ -n "$told" ] && return
    # Of the programs: a kernel of 64 bits also runs those of 32. The fifth byte of a program tells.
    section bits
    getconf LONG_BIT 2>/dev/null || od -An -tu1 -j4 -N1 /proc/self/exe 2>/dev/null
}

serve() {
    while read -r line; do
        alive
        case $line in
        beat) section beat ;;
        # What follows this line on stdin is data for the command. One that fails may have left some,
        # and data must never be obeyed: so that is the end.
        "take "*) eval "${line#take }"; status=$?; echo; section "done $status"; [ $status = 0 ] || break ;;
        "start "*) kill -9 "$EDGEQ_WATCHDOG"; eval "exec ${line#start }" ;;
        # In the background, so that beats are still heard while a long command works.
        *) (eval "$line"; status=$?; echo; section "done $status") </dev/null & ;;
        esac
    done
    # The host has gone: so does everything that was started for it, the watchdog included.
    kill -9 -$$
}

read -r boot </proc/sys/kernel/random/boot_id
echo # a login script may have printed half a line
section edgeq
section boot; echo "$boot"
if [ -n "$EDGEQ_BOOT" ] && [ "$boot" = "$EDGEQ_BOOT" ] && ours "$EDGEQ_ROOT" &&
    usable "$EDGEQ_ROOT" && cd "$EDGEQ_ROOT" # a worn SD card turns read-only without a new start
then
    section cached; ls -ln .
else
    system; sensors; folders; pythons
fi
# One line, and the last: busybox and dash read their script in blocks, so what stood behind it could
# be taken for what the host says, and what the host says for the script.
# The time that the probe had is over; from now on the host must beat.
alive; section ready; serve
