"""Names of projects and classes, made of names of C, where languages have those already.

One table for each language that a project speaks: what it takes for its own words, what its
standard library has without an import, and what the wrappers use themselves.
"""

from __future__ import annotations

# Of classes: a name like these would hide the language's, for the wrapper and for who imports it.
_SWIFT_TYPES = """
    Any AnyClass AnyObject Array ArraySlice Bool Bundle Calendar Character Clock CodingKey
    Collection Comparable Data Date Decimal Decodable Decoder Dictionary DispatchQueue Double
    Duration Encodable Encoder Equatable Error Float Float16 Float32 Float64 Float80 Formatter
    Hashable Hasher Host Identifiable Int Int128 Int16 Int32 Int64 Int8 Iterator Locale Mirror
    NSLock NSObject Never Notification Operation Optional OptionSet Port Process Progress Protocol
    Range Result Scanner Self Sendable Sequence Set Slice StaticString Stream String Substring Task
    Thread Timer Type UInt UInt128 UInt16 UInt32 UInt64 UInt8 URL UUID Unicode Unit
    UnsafeBufferPointer UnsafeMutablePointer UnsafeMutableBufferPointer UnsafeMutableRawPointer
    UnsafePointer UnsafeRawBufferPointer UnsafeRawPointer Void XCTestCase"""
_KOTLIN_TYPES = """
    Activity Annotation Any Array Boolean BooleanArray Bundle Byte ByteArray ByteBuffer Char
    CharArray CharSequence Character Charsets Class ClassLoader Cloneable Collection Comparable
    Comparator Context Deprecated Double DoubleArray Enum Error Exception Float FloatArray Function
    Int IntArray Integer Iterable Iterator JvmField JvmOverloads JvmStatic Lazy List Long LongArray
    MainActivity Map Math Module NotNull Nothing Number Object Override Package Pair Process
    ProcessBuilder R Record Regex Result Runnable Runtime SelfTest Sequence Set Short ShortArray
    String StringBuilder Suppress Synchronized System TextView Thread ThreadLocal Throwable Throws
    Triple UByte UInt ULong UShort Unit Void Volatile"""
_PYTHON_TYPES = """
    ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError
    BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError
    ConnectionError ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError
    Ellipsis EncodingWarning EnvironmentError Event Exception ExceptionGroup False FileExistsError
    FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError ImportError
    ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError
    KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError NamedTuple None
    NotADirectoryError NotImplemented NotImplementedError OSError OverflowError Path
    PendingDeprecationWarning PermissionError ProcessLookupError PythonFinalizationError
    RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration
    StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError Tensor TimeoutError
    True TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError
    UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError"""
_TYPESCRIPT_TYPES = """
    Array ArrayBuffer ArrayLike BigInt BigInt64Array BigUint64Array Boolean DataView Date Error
    Event Float32Array Float64Array Function Infinity Int16Array Int32Array Int8Array Intl JSON
    LoadOptions Map Math NaN Number Object Partial Pick Promise PromiseLike Proxy RangeError
    Readonly Record Reflect RegExp Set String Symbol TextDecoder TypeError URL Uint16Array
    Uint32Array Uint8Array Uint8ClampedArray Vectors WeakMap WeakSet WebAssembly Worker"""
_C_MACROS = "BUFSIZ EOF FILE NULL RAND_MAX"
_TYPES = frozenset(
    f"{_SWIFT_TYPES} {_KOTLIN_TYPES} {_PYTHON_TYPES} {_TYPESCRIPT_TYPES} {_C_MACROS}".split()
)

# Of packages of Python: words, the standard library, and what is imported beside a model.
_PYTHON_MODULES = """
    and as assert async await break case class continue def del elif else except false finally for
    from global if import in is lambda match none nonlocal not or pass raise return true try type
    while with yield abc aifc annotationlib antigravity argparse array ast asynchat asyncio
    asyncore atexit audioop base64 bdb binascii bisect builtins bz2 calendar cgi cgitb chunk cmath
    cmd code codecs codeop collections colorsys compileall compression concurrent configparser
    contextlib contextvars copy copyreg cprofile crypt csv ctypes curses dataclasses datetime dbm
    decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler fcntl
    filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass gettext glob
    graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp importlib inspect io
    ipaddress itertools json keyword lib2to3 linecache locale logging lzma mailbox mailcap marshal
    math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath
    nturl2path numbers opcode operator optparse os ossaudiodev pathlib pdb pickle pickletools pipes
    pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile
    pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter
    runpy sched secrets select selectors shelve shlex shutil signal site smtpd smtplib sndhdr
    socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string
    stringprep struct subprocess sunau symtable sys sysconfig syslog tabnanny tarfile telnetlib
    tempfile termios test textwrap this threading time timeit tkinter token tokenize tomllib trace
    traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid
    venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile
    zipimport zlib zoneinfo cv2 edgeq hatchling jax keras matplotlib numpy onnx packaging pandas
    pil pip pkg_resources pytest scipy setuptools sklearn tensorflow torch wheel"""
# Of namespaces of C++: words beyond C's, macros of its compilers, functions of C's headers.
_CPP_NAMES = """
    and_eq char16_t char32_t char8_t co_await co_return co_yield consteval constinit const_cast
    dynamic_cast export final import module not_eq or_eq override posix reinterpret_cast
    static_cast std typeid wchar_t xor_eq arm bufsiz eof file i386 linux mips null stderr stdin
    stdout unix abort abs acos acosh alloca asctime asin asinh atan atan2 atanh atexit atof atoi
    atol bcmp bcopy bsearch bzero calloc cbrt ceil clearenv clearerr clock copysign cos cosh
    ctermid ctime difftime div dprintf drem dysize ecvt erf erfc exit exp exp2 expm1 fabs fclose
    fcvt fdim fdopen feof ferror fflush ffs fgetc fgetpos fgets fileno finite floor fma fmax
    fmemopen fmin fmod fopen fprintf fputc fputs fread free freopen frexp fscanf fseek fseeko
    fsetpos ftell ftello fwrite gamma gcvt getc getchar getdelim getenv getline getloadavg gets
    getsubopt getw gmtime hypot ilogb index initstate isalnum isalpha isascii isblank iscntrl
    isdigit isgraph isinf islower isnan isprint ispunct isspace isupper isxdigit j0 j1 jn labs
    ldexp ldiv lgamma llabs lldiv llrint llround localtime log log10 log1p log2 logb lrint lround
    malloc mblen mbstowcs mbtowc memalign memccpy memchr memcmp memcpy memmove memset mkdtemp
    mkstemp mkstemps mktemp mktime modf nan nanosleep nearbyint nextafter nexttoward pclose perror
    popen pow printf pselect putc putchar putenv puts putw qsort rand random realloc reallocarray
    realpath remainder remove remquo rename renameat rewind rindex rint round rpmatch scalb scalbln
    scalbn scanf select setbuf setbuffer setenv setlinebuf setstate setvbuf signgam significand sin
    sinh snprintf sprintf sqrt srand srandom sscanf stpcpy stpncpy strcasecmp strcat strchr strcmp
    strcoll strcpy strcspn strdup strerror strftime strlen strncasecmp strncat strncmp strncpy
    strndup strnlen strpbrk strrchr strsep strsignal strspn strstr strtod strtof strtok strtol
    strtold strtoll strtoq strtoul strtoull strtouq strxfrm system tan tanh tempnam tgamma time
    timegm timelocal timezone tmpfile tmpnam toascii tolower toupper trunc tzset ungetc unsetenv
    valloc vdprintf vfprintf vfscanf vprintf vscanf vsnprintf vsprintf vsscanf wcstombs wctomb y0
    y1 yn"""
# Of packages of JavaScript: modules of Node, which come before those that are installed.
_NODE_MODULES = """
    assert async_hooks buffer child_process cluster console constants crypto dgram
    diagnostics_channel dns domain events fs http http2 https inspector module net node_modules os
    path perf_hooks process punycode querystring readline repl sea sqlite stream string_decoder sys
    test timers tls trace_events tty url util v8 vm wasi worker_threads zlib"""
_PROJECTS = {
    "linux": frozenset(f"{_PYTHON_MODULES} {_CPP_NAMES}".split()),
    "web": frozenset(_NODE_MODULES.split()),
}


def class_title(name: str) -> str:
    """A name of C as languages write the name of a class, where it hides none of their own."""
    title = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return f"Model{title}" if title in _TYPES or not title[:1].isalpha() else title


def project_name(name: str, template: str) -> str:
    """What a project is called: m_NAME where the languages it speaks have a NAME of their own.

    Args:
        name: Of the project, or of its first model; an identifier of C.
        template: The kind of project.
    """
    return f"m_{name}" if name.lower() in _PROJECTS.get(template, ()) else name
