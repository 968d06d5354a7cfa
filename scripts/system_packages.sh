#!/bin/sh
# The system packages that the tests use: cross compilers, QEMU, an OpenSSH server.
# Installs them where it may (Debian or Ubuntu, root or passwordless sudo) and says so; elsewhere it
# says what is missing, and the tests that need it skip with that reason.
set -u

packages="gcc libc6-dev gcc-arm-none-eabi libnewlib-arm-none-eabi gcc-riscv64-unknown-elf
picolibc-riscv64-unknown-elf clang qemu-system-arm qemu-system-misc qemu-user qemu-user-static openssh-server
openssh-client cpio zstd xz-utils cmake mmdebstrap adb busybox chromium
gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
gcc-avr avr-libc simavr arduino-core-avr
libstdc++-arm-none-eabi-newlib netcat-openbsd dropbear-bin
musl dash mksh tcsh fish zsh g++ ninja-build pkg-config kotlin espeak-ng"

missing=""
for package in $packages; do
    if command -v dpkg-query >/dev/null 2>&1; then
        state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)
        [ "$state" = "install ok installed" ] || missing="$missing $package"
    fi
done
if ! command -v apt-get >/dev/null 2>&1; then
    echo "No apt-get here: install a C compiler, arm-none-eabi-gcc, riscv64-unknown-elf-gcc, clang," \
         "QEMU and an OpenSSH server by hand if you want their tests to run."
    exit 0
fi
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
    sudo=""
elif sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "Missing system packages:$missing"
    echo "Tests that need them will skip. To install: sudo apt-get install$missing"
    exit 0
fi
echo "Installing system packages for the tests:$missing"
$sudo apt-get update -qq >/dev/null || true
# One by one if not all at once: a package that this release lacks must not stop the others.
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing \
    >/dev/null 2>&1 && exit 0
for package in $missing; do
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends \
        "$package" >/dev/null 2>&1 || echo "  not to be had: $package"
done
exit 0
