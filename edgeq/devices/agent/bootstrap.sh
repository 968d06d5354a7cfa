# Sent to `sh` on the device: says what the device is, then obeys one line at a time.
# POSIX sh only (dash, busybox, toybox, mksh). EDGEQ_WATCHDOG is the process that ends this
# shell when the host falls silent; EDGEQ_DIR is the folder the user chose, if any.
LC_ALL=C; export LC_ALL
umask 077
section() { echo "@@$1"; }
show() { [ -r "$2" ] && { section "$1 $2"; cat "$2" 2>/dev/null; echo; }; }
# One line, without a process of its own.
line() { [ -r "$2" ] && { read -r text <"$2"; section "$1 $2"; echo "$text"; } 2>/dev/null; }

echo "@@edgeq"
section uname; uname -srm
section user; id -u
section env; echo "home=$HOME"; echo "prefix=$PREFIX"; echo "termux=$TERMUX_VERSION"
line online /sys/devices/system/cpu/online
show cpuinfo /proc/cpuinfo
show meminfo /proc/meminfo
show os-release /etc/os-release
show model /proc/device-tree/model
line machine-id /etc/machine-id
line loadavg /proc/loadavg
section sftp; for f in /usr/lib/openssh/sftp-server /usr/libexec/sftp-server /usr/lib/ssh/sftp-server; do
    [ -e $f ] && echo $f; done
if command -v getprop >/dev/null 2>&1; then
    section android; getprop ro.build.version.release; getprop ro.product.model; fi
section libc
getconf GNU_LIBC_VERSION 2>/dev/null
for f in /lib/ld-musl-* /system/lib*/libc.so; do [ -e "$f" ] && echo "$f"; done

for zone in /sys/class/thermal/thermal_zone*; do line thermal $zone/type; line temperature $zone/temp; done
for policy in /sys/devices/system/cpu/cpufreq/policy* /sys/devices/system/cpu/cpu0/cpufreq; do
    [ -d $policy ] || continue
    for f in scaling_governor scaling_cur_freq scaling_max_freq cpuinfo_max_freq; do
        line cpufreq $policy/$f; done
    case $policy in */policy*) seen=1;; esac
    [ -n "$seen" ] && case $policy in */cpu0/cpufreq) break;; esac
done
line throttled /sys/devices/platform/soc/soc:firmware/get_throttled
section vcgencmd; command -v vcgencmd

# The first folder that can be written to, is ours, and may hold programs.
section folders
uid=$(id -u)
chosen=; spare=
for d in "$EDGEQ_DIR" "${XDG_CACHE_HOME:-$HOME/.cache}/edgeq" "${TMPDIR:-/tmp}/edgeq-$uid" \
    "/var/tmp/edgeq-$uid" "/dev/shm/edgeq-$uid" "/data/local/tmp/edgeq-$uid"; do
    [ -n "$d" ] || continue
    mkdir -p "$d" 2>/dev/null && [ -d "$d" ] && [ ! -L "$d" ] && [ -O "$d" ] || {
        echo "no $d"; [ "$d" = "$EDGEQ_DIR" ] && break; continue; }
    t=$d/.try.$$
    if { echo 'exit 0' >"$t"; } 2>/dev/null && chmod 700 "$t" 2>/dev/null; then
        if "$t" >/dev/null 2>&1; then chosen=$d; else spare=${spare:-$d}; echo "noexec $d"; fi
    else echo "readonly $d"; fi
    rm -f "$t" 2>/dev/null
    [ -n "$chosen" ] && break
    [ "$d" = "$EDGEQ_DIR" ] && break
done
if [ -n "$chosen" ]; then echo "exec $chosen"; root=$chosen
elif [ -n "$spare" ]; then root=$spare; fi
if [ -n "$root" ]; then
    section root; echo "$root"
    cd "$root"
    section free; df -kP . 2>/dev/null | tail -n 1
    section cached; ls -ln . 2>/dev/null
fi

section python
for p in python3 python; do
    command -v $p >/dev/null 2>&1 || continue
    echo "path $(command -v $p)"
    $p -ESBc '
import sys
print("version %d.%d.%d" % tuple(sys.version_info[:3]))
for name in ("ctypes", "_json", "select", "socket", "binascii"):
    try:
        __import__(name); print("module " + name)
    except ImportError: pass
print("bits %d" % (64 if sys.maxsize > 2**32 else 32))
try:
    import os; print("libc " + os.confstr("CS_GNU_LIBC_VERSION"))
except Exception: pass
' 2>/dev/null && break
done
section ready

while read -r line; do
    kill -USR1 $EDGEQ_WATCHDOG 2>/dev/null
    case $line in
    beat) echo "@@beat" ;;
    "start "*) kill -9 $EDGEQ_WATCHDOG; eval "exec ${line#start }" ;;
    # In the background, so that beats are still heard while a long command works.
    *) (eval "$line"; echo; echo "@@done $?") </dev/null & ;;
    esac
done
