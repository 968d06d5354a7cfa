"""Names that a C program cannot have, since its files, functions or macros are others' already."""

from __future__ import annotations

import re

_KEYWORDS = """auto break case char const continue default do double else enum extern float for
    goto if inline int long register restrict return short signed sizeof static struct switch
    typedef union unsigned void volatile while asm typeof nullptr constexpr thread_local alignas
    alignof static_assert bool true false main class new delete this template namespace private
    public protected operator virtual and or not xor bitand bitor compl export friend mutable try
    catch throw using typename explicit concept requires decltype noexcept"""
# NAME.h would be found in place of these, or these in place of it.
_HEADERS = """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal
    stdalign stdarg stdatomic stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string
    tgmath threads time uchar wchar wctype alloca byteswap dirent dlfcn endian fcntl features getopt
    machine malloc memory newlib poll pthread reent regex sched search semaphore strings sys syslog
    termios unistd utime values algorithm array atomic bit bitset chrono cmath cstddef cstdint
    cstdio cstdlib cstring functional initializer_list iterator limits list map memory new numeric
    optional set span stack string_view tuple utility variant vector version cpuid mm_malloc
    wasm_simd128 arm_math arm_acle arm_mve arm_neon arduino board cmsis_compiler cmsis_gcc core_cm0
    core_cm4 core_cm7 core_cm33 freertos freertosconfig sdkconfig wprogram wstring print stream
    server client tusb_config"""
# NAME_init, NAME_reset and so on are functions of C libraries and SDKs.
_FUNCTIONS = """adc cnd dma gpio i2c irq mtx multicore pio pwm rtc sem spi stdio_uart stdio_usb
    timer uart watchdog"""
# CMake, Zephyr and ESP-IDF have targets of these names, and projects are named after models.
_TARGETS = """all app clean edit_cache help install kernel package package_source rebuild_cache test
    zephyr"""
# Windows keeps these for devices, whatever comes behind a point: such files cannot be there.
_DEVICES = "con prn aux nul " + " ".join(f"com{n} lpt{n}" for n in range(1, 10))
_RESERVED = frozenset(f"{_KEYWORDS} {_HEADERS} {_FUNCTIONS} {_TARGETS} {_DEVICES}".split())


def is_reserved(name: str) -> bool:
    """Whether a program of this name would get in the way of somebody else's files or names.

    Headers are compared without regard to case, as file systems of Windows and macOS do.
    """
    ours = re.match(r"eq(_|$)", name, re.IGNORECASE)
    compilers = re.match(r"_[A-Z]|.*__|(?i:\w*intrin$)", name)  # immintrin.h includes a hundred
    return bool(ours or compilers) or name.lower() in _RESERVED
