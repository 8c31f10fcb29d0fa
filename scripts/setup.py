"""Make .venv and install the dialer into it: `python3 scripts/setup.py [EXTRA ...]`.

Runs on the system's Python, whichever it is, so it uses nothing newer than Python 3.6 and nothing outside the standard
library. Does nothing when .venv already holds what pyproject.toml asks for.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
LINES_SHOWN = 15


def fail(message):
    """End with one line that says what is missing and how to get it."""
    sys.stderr.write("setup: %s\n" % message)
    sys.exit(1)


def use_new_enough_python():
    """Go on under a Python that the dialer supports, or say which is needed."""
    if sys.version_info >= OLDEST:
        return
    for name in NEWER:
        path = shutil.which(name)
        if path:
            os.execv(path, [path, os.path.abspath(__file__), *sys.argv[1:]])
    fail(
        "Python %d.%d is too old: the dialer needs %d.%d or newer; name one: make PYTHON=/path/to/python3 run"
        % (sys.version_info[0], sys.version_info[1], OLDEST[0], OLDEST[1])
    )


def wanted():
    """What a stamp must say for an installation to be current: the same pyproject.toml, Python and place."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return "%s\n%s\n%d.%d\n" % (digest, ROOT, sys.version_info[0], sys.version_info[1])


def stamp(extra):
    """The file that says that `extra` ('' for the dialer itself) is installed."""
    return os.path.join(VENV, "installed" + ("-" + extra if extra else ""))


def is_current(extra):
    """Whether .venv holds `extra` as pyproject.toml asks for it now."""
    try:
        with open(stamp(extra)) as file:
            return file.read() == wanted() and os.path.exists(VENV_PYTHON)
    except OSError:
        return False


def make_venv():
    """Make .venv unless a working one is there."""
    works = "import sys, pip; sys.exit(sys.version_info[:2] != (%d, %d))" % sys.version_info[:2]
    if os.path.exists(VENV_PYTHON) and subprocess.call([VENV_PYTHON, "-c", works], stderr=subprocess.DEVNULL) == 0:
        return
    try:
        import ensurepip
        import venv
    except ImportError:
        fail(
            "Python %d.%d lacks its venv module: apt-get install python3-venv (Debian, Ubuntu), then run make again"
            % sys.version_info[:2]
        )
    del ensurepip, venv
    print("setup: making .venv with Python %d.%d.%d" % sys.version_info[:3], flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode:
        last = made.stdout.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        fail("cannot make .venv: %s" % last[0])


def install(extras):
    """Install the dialer with `extras`, showing each package's name as pip comes to it."""
    target = ".[%s]" % ",".join(extras) if extras else "."
    print("setup: installing the dialer%s (a minute or so)" % "".join(" + " + e for e in extras), flush=True)
    begun = time.time()
    command = [VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--progress-bar=off"]
    pip = subprocess.Popen([*command, "--editable", target], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    shown = sys.stdout.isatty()
    lines = []
    seen = 0
    for raw in pip.stdout:
        line = raw.decode("utf-8", "replace").strip()
        lines.append(line)
        word, _, rest = line.partition(" ")
        if word in ("Collecting", "Downloading", "Building", "Installing", "Preparing"):
            seen += word == "Collecting"
            if shown:
                sys.stdout.write("\r\033[Ksetup: %3d  %s %s" % (seen, word.lower(), rest[:60]))
                sys.stdout.flush()
            elif word == "Installing" and seen:
                print("setup: %d packages found, installing them" % seen, flush=True)
    if shown:
        sys.stdout.write("\r\033[K")
    if pip.wait():
        fail("pip could not install the dialer; its last lines were:\n  " + "\n  ".join(lines[-LINES_SHOWN:]))
    print("setup: installed in %.0f s" % (time.time() - begun), flush=True)


def main(extras):
    """Bring .venv up to date with `extras`."""
    use_new_enough_python()
    if all(is_current(extra) for extra in ["", *extras]):
        return
    make_venv()
    install(extras)
    for extra in ["", *extras]:
        with open(stamp(extra), "w") as file:
            file.write(wanted())


if __name__ == "__main__":
    main(sys.argv[1:])
