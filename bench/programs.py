"""The programs of `bench run`, and how each becomes native code, WebAssembly, and what wasm2c makes of
the latter.

Own ones are bench/programs/NAME.c. Those of bench/packages/NAME.c drive a library or an interpreter
whose Debian source tools/fetch-source.sh unpacks. The same files are compiled for all, by the same
compiler with the same switches; nothing runs wasm-opt.
"""

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from common import BUILD, HERE, ROOT, Unavailable, is_current

CC = "clang-19"
# Without -ffp-contract=off and -fno-math-errno, the two machines would not compute the same.
FLAGS = ["-O2", "-ffp-contract=off", "-fno-math-errno", f"-I{ROOT}"]
WASM = ["--target=wasm32-wasi", "--sysroot=/usr"]
# The linker pads indices to five bytes unless told not to; compact modules are the harder measure.
WASM_LINK = [*WASM, "-Wl,--strip-debug", "-Wl,--compress-relocations", "-Wl,-z,stack-size=1048576"]
POSIX = ROOT / "tests/programs/real"  # what POSIX has and WASI has not


@dataclass
class Package:
    """A Debian source package: which of its files to compile (globs from its root), and how."""
    source: str
    files: list
    flags: list
    without: tuple = ()
    posix: bool = False  # whether it needs what WASI has not
    prepare: object = None  # makes further sources; returns their folder


def prepare_sqlite(source, work):
    """The one-file form, as upstream's makefile makes it."""
    if not (work / "sqlite3.c").exists():
        for command in ([source / "configure", "--disable-tcl", "--disable-readline"],
                        ["make", "-s", "sqlite3.c", "sqlite3.h"]):
            command_run(command, cwd=work)


def prepare_jq(source, work):
    """The version, and the built-in functions as a C string, as jq's makefile makes them."""
    (work / "src").mkdir(exist_ok=True)
    (work / "src/version.h").write_text('#define JQ_VERSION "1.6"\n')
    lines = (source / "src/builtin.jq").read_text().splitlines()
    (work / "src/builtin.inc").write_text("".join(
        '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"\n' for line in lines))


def prepare_lua(_source, work):
    """A header that Debian's build makes: where it looks for modules, which nothing here does."""
    (work / "lua5.4-deb-multiarch.h").write_text('#define DEB_HOST_MULTIARCH "none"\n')


JQ_HAS = ("ISATTY TIMEGM GMTIME_R LOCALTIME_R GMTIME STRFTIME MKTIME FLOOR SQRT POW LOG LOG10 LOG2 EXP "
          "EXP2 SIN COS TAN ATAN ATAN2 CEIL ROUND TRUNC FABS FMOD FREXP MODF LDEXP MEMMEM MKSTEMP")

PACKAGES = {
    "bzip2": Package("bzip2", ["blocksort.c", "huffman.c", "crctable.c", "randtable.c", "compress.c",
                               "decompress.c", "bzlib.c"], ["-I{source}", "-DBZ_NO_STDIO"]),
    "jq": Package("jq", ["src/*.c"],
                  ["-I{source}/src", "-I{work}", "-I{work}/src", "-DIEEE_8087=1", "-D_GNU_SOURCE=1",
                   *(f"-DHAVE_{name}=1" for name in JQ_HAS.split())],
                  without=("main.c", "jq_test.c", "inject_errors.c"), posix=True, prepare=prepare_jq),
    "lua": Package("lua5.4", ["src/*.c"], ["-I{source}/src", "-I{work}"],
                   without=("lua.c", "luac.c", "loslib.c", "liolib.c", "loadlib.c", "linit.c",
                            "ldblib.c"), posix=True, prepare=prepare_lua),
    "mujs": Package("mujs", ["js*.c", "regexp.c", "utf.c"], ["-I{source}"]),
    "sqlite": Package("sqlite3", [],
                      ["-I{work}", "-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION",
                       "-DSQLITE_OMIT_WAL", "-DSQLITE_ENABLE_FTS5", "-DSQLITE_ENABLE_RTREE",
                       "-DSQLITE_ENABLE_MATH_FUNCTIONS"], posix=True, prepare=prepare_sqlite),
    "zlib": Package("zlib", ["*.c"], ["-I{source}", "-DHAVE_UNISTD_H=1"],
                    without=("gzread.c", "gzwrite.c", "gzlib.c", "gzclose.c")),
}

# What WebAssembly needs beyond FLAGS.
WASM_FLAGS = {"simd": ["-msimd128"]}
# What wasm2c of Debian cannot do, and why.
WASM2C_CANNOT = {"simd": "it makes C that needs the library SIMDe"}


def names():
    return sorted([path.stem for path in (HERE / "programs").glob("*.c")] + list(PACKAGES))


def what(name):
    """The first sentence of the program's own comment."""
    text = source_of(name).read_text()
    comment = " ".join(line.removeprefix("//").strip() for line in text.split("\n\n")[0].splitlines())
    return re.split(r"[.:;] |\.$", comment)[0]


def source_of(name):
    folder = "packages" if name in PACKAGES else "programs"
    return HERE / folder / f"{name}.c"


def need(command, package):
    if shutil.which(command) is None:
        raise Unavailable(f"{command} is missing (Debian's package {package}; "
                          "tools/deps.sh bench installs it)")


def command_run(command, cwd=None):
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(map(str, command))[:300]}: failed:\n{done.stderr[-2000:]}")


@functools.cache
def package_sources(name):
    """(files, flags) of a package, unpacked and prepared."""
    package = PACKAGES[name]
    source = ROOT / "build/sources" / package.source
    work = BUILD / "packages" / name
    command_run([ROOT / "tools/fetch-source.sh", package.source])
    work.mkdir(parents=True, exist_ok=True)
    if package.prepare is not None:
        package.prepare(source, work)
    files = [path for pattern in package.files for path in sorted(source.glob(pattern))
             if path.name not in package.without]
    if name == "sqlite":
        files = [work / "sqlite3.c"]
    flags = [flag.format(source=source, work=work) for flag in package.flags]
    return files, ["-w", f"-I{HERE}/packages/include", *flags]


def compile_all(name, target, compiler_flags, link_flags):
    """Compiles a program's files one by one, then links: clang would run wasm-opt otherwise."""
    files, flags = package_sources(name) if name in PACKAGES else ([], ["-Wall", "-Wextra", "-Werror"])
    is_wasm = WASM[0] in compiler_flags
    if is_wasm and name in PACKAGES and PACKAGES[name].posix:
        files = [*files, POSIX / "posix.c"]
        flags = [*flags, f"-I{POSIX}/include", f"-I{POSIX}", "-include", POSIX / "posix.h",
                 "-D_WASI_EMULATED_PROCESS_CLOCKS", "-D_WASI_EMULATED_SIGNAL",
                 "-D_WASI_EMULATED_GETPID"]
        link_flags = [*link_flags, "-lwasi-emulated-process-clocks", "-lwasi-emulated-signal",
                      "-lwasi-emulated-getpid"]
    folder = target.parent / f".{target.name}.objects"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    objects = []
    for file in [source_of(name), *files]:
        objects.append(folder / f"{file.stem}-{len(objects)}.o")
        standard = ["-std=c23"] if file == source_of(name) else []
        command_run([CC, *standard, *compiler_flags, *flags, "-c", file, "-o", objects[-1]])
    command_run([CC, *link_flags, *objects, "-lm", "-o", target])
    shutil.rmtree(folder)


def recipe_files(name):
    return [source_of(name), HERE / "programs/bench.h", HERE / "programs.py"]


def native(name):
    """The path of the native program, built if need be."""
    need(CC, CC)
    target = BUILD / "native" / name
    if not is_current(target, *recipe_files(name)):
        compile_all(name, target, FLAGS, ["-pthread"])
    return target


def wasm(name):
    need(CC, CC)
    target = BUILD / "wasm" / f"{name}.wasm"
    if not is_current(target, *recipe_files(name)):
        compile_all(name, target, [*WASM, *FLAGS, *WASM_FLAGS.get(name, [])], WASM_LINK)
    return target


def unsupported_imports(header):
    """Functions for what a module imports and bench/wasm2c_wasi.c does not have: they fail."""
    shim = (HERE / "wasm2c_wasi.c").read_text()
    lines = []
    for kind, symbol, parameters in re.findall(
            r"^(u32|void) (Z_wasi_snapshot_preview1Z_\w+)\((.*)\);", header.read_text(), re.M):
        if symbol not in shim:
            lines.append(f"{kind} {symbol}({parameters}) {{ {'return 52;' if kind == 'u32' else ''} }}\n")
    return "".join(lines)


def wasm2c(name):
    """The native program that wasm2c and the compiler make of the WebAssembly."""
    if name in WASM2C_CANNOT:
        raise Unavailable(f"wasm2c cannot compile {name}: {WASM2C_CANNOT[name]}")
    need("wasm2c", "wabt")
    module = wasm(name)
    target = BUILD / "wasm2c" / name
    runtime = Path("/usr/share/wabt/wasm2c")
    if is_current(target, module, HERE / "wasm2c_wasi.c", HERE / "programs.py"):
        return target
    folder = BUILD / "wasm2c" / f".{name}"
    folder.mkdir(parents=True, exist_ok=True)
    command_run(["wasm2c", module, "-n", "bench", "-o", folder / "bench.c"])
    (folder / "missing.c").write_text(unsupported_imports(folder / "bench.h"))
    command_run([CC, "-O2", "-w", f"-I{folder}", f"-I{runtime}", "-include", folder / "bench.h",
                 folder / "bench.c", folder / "missing.c", HERE / "wasm2c_wasi.c",
                 runtime / "wasm-rt-impl.c", "-lm", "-o", target])
    shutil.rmtree(folder)
    return target
