#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The prompt on a real terminal (a pty): banner, editing, Tab, Ctrl-C, Ctrl-D, history, colour.
set -u
QJIT=${QJIT:?the program} PYTHON=${PYTHON:-python3}
export QJIT
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
exec "$PYTHON" - <<'PY'
import os, pty, re, select, signal, sys, time

qjit = os.environ["QJIT"]
faults = 0
def check(what, ok, seen=""):
    global faults
    if not ok:
        faults += 1
        print(f"FAIL: {what}\n    {seen!r}")

class Session:
    def __init__(self, *args, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", "HOME": os.getcwd(), "QJIT_HISTORY": "hist"}, **env)
            os.execv(qjit, [qjit, *args])
        self.all = b""
    def read(self, until, seconds=20):
        """What comes up to and with the text `until`."""
        seen, end = b"", time.time() + seconds
        while until.encode() not in seen and time.time() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    got = os.read(self.fd, 65536)
                except OSError:
                    break
                if not got:
                    break
                seen += got
        self.all += seen
        return seen.decode(errors="replace")
    def say(self, text, until="qjit> "):
        os.write(self.fd, text.encode())
        return self.read(until)
    def quiet(self):
        """Whatever comes within a moment of the last output."""
        seen = b""
        while select.select([self.fd], [], [], 0.4)[0]:
            try:
                got = os.read(self.fd, 65536)
            except OSError:
                break
            if not got:
                break
            seen += got
        self.all += seen
        return seen.decode(errors="replace")
    def end(self, send=b"", seconds=30):
        """Its exit code; -1 when it does not end. `send` is repeated, then behind a newline: what is typed while the
        program works, between two prompts, belongs to the terminal and not to the line editor, and may be left in
        the line."""
        end = time.time() + seconds
        while time.time() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            try:
                os.write(self.fd, send)
            except OSError:
                pass    # it has just ended
            send = b"\n" + send.lstrip(b"\n") if send else send
            self.quiet()
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return -1

def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]|.\x08", "", text)

s = Session()
banner = s.read("qjit> ")
check("a banner of three lines", plain(banner).rstrip().count("\n") == 3, banner)
check("a fault is shown, the session goes on", "[syntax]" in s.say("shwo\n"))
out = s.say("input A[m:8, k:16] : u8\n") + s.say("C[i] : i32 = sum(j) i32(A[i, j])\n")
check("definitions say nothing", "error" not in out and "note" not in out, out)
check("a bracket left open asks for more", "..." in s.say("D[i] : i32 = (C[i]\n", "... "))
check("and is closed on the next line", "error" not in s.say(" + 1)\n"))

# Tab: each kind of name. The line is dropped by Ctrl-C afterwards.
def tab(typed, want, times=1):
    os.write(s.fd, (typed + "\t" * times).encode())
    seen, end = "", time.time() + 20
    while want not in plain(seen) and time.time() < end:
        seen += s.quiet()
    seen = plain(seen)
    check(f"Tab after {typed!r} gives {want!r}", want in seen, seen)
    s.say("\x03")
open("script.qj", "w").write("show\n")
os.mkdir("folder")
tab("sho", "show ")
tab("compute_i", "compute_inline ")
tab("inp", "input ")
tab("split C.", "C.j", 2)
tab("reorder C ", "i", 2)
tab("vectorize D", "D.i ")
tab("load scr", "script.qj ")
tab("load fol", "folder/")
tab("target x86-64-v", "x86-64-v3", 2)
tab("target znver", "znver4", 2)
tab("tensorize C.i dot4_u8i8_", "dot4_u8i8_", 2)
tab("help comp", "compute_")
tab("explain no-st", "no-stage ")
tab("run A=scr", "A=script.qj ")
tab("split C.i 4 tail=", "tail=peel", 2)
tab("E[i] : i32 = requ", "requantize")
tab("show; step", "steps ")

check("Ctrl-C drops the line", "error" not in s.say("nonsense\x03"))
s.say("E[i, \n", "... ")
check("Ctrl-C drops an open statement", "qjit> " in s.say("\x03", "qjit> "))
check("the nest is one word away", "for" in s.say("show\n"))
check("Ctrl-D ends with 0", s.end(b"\x04") == 0)
check("errors are red on a terminal", b"\x1b[1;31merror:" in s.all)

lines = open("hist").read()
check("history is kept", "shwo" in lines and "show" in lines, lines)

s = Session(NO_COLOR="1")
s.read("qjit> ")
check("the line before comes back", "show" in plain(s.say("\x10", "show")))
s.say("\x03")
s.say("help exit\n")
check("no colour with NO_COLOR", b"\x1b[1;31m" not in s.all + s.say("shwo\n").encode())
os.kill(s.pid, signal.SIGKILL)
s.end()
check("history survives a kill", "exit" in open("hist").read())

# While a statement runs, Ctrl-C ends that statement alone.
s = Session()
s.read("qjit> ")
s.say("input A[m:64, k:2000] : u8; weight W[n:128, k:2000] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n")
os.write(s.fd, b"time 60000\n")
time.sleep(1.5)
begin = time.time()
out = s.say("\x03")
check("Ctrl-C ends what runs", "cancelled" in out and time.time() - begin < 10, out)
check("and nothing else", "C[" in s.say("show\n"))
check("the session still ends with 0", s.end(b"\x04") == 0)

s = Session("-c", "shwo")
s.quiet()
check("a script on a terminal exits 1", s.end() == 1)

s = Session(QJIT_HISTORY="")
s.read("qjit> ")
check("quit ends with 0", s.end(b"quit\n") == 0)

for home in ("state", None):
    env = {"XDG_STATE_HOME": os.path.join(os.getcwd(), home)} if home else {"XDG_STATE_HOME": ""}
    os.environ.pop("QJIT_HISTORY", None)
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "HOME": os.getcwd()}, **env)
        os.environ.pop("QJIT_HISTORY", None)
        os.execv(qjit, [qjit])
    t = Session.__new__(Session)
    t.pid, t.fd, t.all = pid, fd, b""
    t.read("qjit> ")
    t.say("help limits\n")
    check("ends", t.end(b"\x04") == 0)
    where = f"{home}/qjit/history" if home else ".local/state/qjit/history"
    check(f"history in {where}", os.path.exists(where))

print("tty: passed" if not faults else f"tty: {faults} faults")
sys.exit(faults != 0)
PY
