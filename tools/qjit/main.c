/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - the command line: options and subcommands from two tables.
 *
 * The fast way out comes first: --version and --help make no context and touch no LLVM. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/qjit/sub.h"
#include "tools/qjit/worker.h"

enum {
    OPT_JSON = 1, OPT_TARGET = 2, OPT_OUTPUT = 4, OPT_TEXT = 8, OPT_ASM = 16, OPT_ECHO = 32, OPT_MEMORY = 64,
    OPT_THREADS = 128, OPT_HELP = 256, OPT_VERSION = 512, OPT_DEADLINE = 1024, OPT_ISOLATE = 2048, OPT_CACHE = 4096, OPT_EMULATE = 8192
};
#define OPT_SESSION (OPT_JSON | OPT_TARGET | OPT_ASM | OPT_ECHO | OPT_MEMORY | OPT_DEADLINE | OPT_ISOLATE | OPT_THREADS | OPT_CACHE | OPT_HELP)

const struct opt_row opts[] = {
    {"json", 0, OPT_JSON, NULL, "one JSON object on standard output, on success and on failure"},
    {"target", 't', OPT_TARGET, "NAME", "compile for NAME, whatever the script's own target statements say; compile: again for one object of several versions"},
    {"output", 'o', OPT_OUTPUT, "FILE", "what compile writes: .o (with .h and .json), .s, .ll or .bc; .a of several scripts"},
    {"command", 'c', OPT_TEXT, "TEXT", "the script is TEXT"},
    {"allow-asm", 0, OPT_ASM, NULL, "let intrinsics of the script use inline assembly (it can read files and run code)"},
    {"echo", 0, OPT_ECHO, NULL, "each statement to standard error before it runs"},
    {"memory", 0, OPT_MEMORY, "SIZE", "the most a context may allocate for itself, as 64M"},
    {"deadline", 0, OPT_DEADLINE, "MS", "the longest a statement may take, in milliseconds"},
    {"isolate", 0, OPT_ISOLATE, NULL, "compile in a process of its own, which LLVM may end without harm"},
    {"threads", 0, OPT_THREADS, "N", "threads for parallel loops (default: all the process may use)"},
    {"cache", 0, OPT_CACHE, "DIR", "keep compiled kernels in DIR (default: $QJIT_CACHE, else nowhere)"},
    {"emulate", 0, OPT_EMULATE, NULL, "check in an emulator: qemu or Bochs, for CPUs that this machine is not"},
    {"help", 'h', OPT_HELP, NULL, "this text"},
    {"version", 'V', OPT_VERSION, NULL, "qjit's version"},
};

const struct sub_row subs[] = {
    {"repl", "", "statements typed one by one (the default on a terminal)", OPT_SESSION, sub_repl},
    {"run", "FILE.qj | - | -c TEXT  [NAME=FILE.npy ...]", "runs a script; then the kernel on the tensors named",
     OPT_SESSION | OPT_TEXT, sub_run},
    {"compile", "FILE.qj ... | - | -c TEXT  [-o FILE]", "writes what the script defines; its check, time, emit ... are passed over",
     OPT_SESSION | OPT_TEXT | OPT_OUTPUT, sub_compile},
    {"check", "FILE.qj | - | -c TEXT  [--emulate]", "checks what the script defines, every bit; its own check, time, emit ... are passed over",
     OPT_SESSION | OPT_TEXT | OPT_EMULATE, sub_check},
    {"verify", "FILE.json ...", "are the files beside it those it was written with: the object or library, the header",
     OPT_JSON | OPT_HELP, sub_verify},
    {"layer", "conv2d | depthwise | dense | batched  [KEY=VALUE ...]",
     "prints the program of an int8 layer, as `layer conv2d h=56 w=56 c=64 o=64 k=3 pad=1`; of a kind alone its settings",
     OPT_JSON | OPT_TARGET | OPT_HELP, sub_layer},
    {"targets", "", "families, CPUs, features, instructions, and what this machine is", OPT_JSON | OPT_HELP, sub_targets},
    {"explain", "ERROR", "what an error means", OPT_JSON | OPT_HELP, sub_explain},
    {"docs", "man | bash", "prints the manual page qjit(1), or completion for bash: `source <(qjit docs bash)`", OPT_HELP, sub_docs},
    {"help", "[WORD]", "this text, or about a command, a schedule primitive, an error", OPT_JSON | OPT_HELP, sub_help},
};
enum { NSUB = sizeof subs / sizeof *subs, NOPT = sizeof opts / sizeof *opts };
const int nsubs = NSUB, nopts = NOPT;

void print_usage(FILE *f)
{
    fputs("qjit: from a line of tensor algebra to a verified int8 kernel\n\nusage:\n", f);
    for (int i = 0; i < NSUB; i++) fprintf(f, "  qjit %s%s%s\n        %s\n", subs[i].name, *subs[i].args ? " " : "", subs[i].args, subs[i].help);
    fputs("  qjit -c TEXT, qjit -\n        as qjit run\n\noptions:\n", f);
    for (int i = 0; i < NOPT; i++) {
        char left[40];
        snprintf(left, sizeof left, "--%s%s%s", opts[i].name, opts[i].arg ? " " : "", opts[i].arg ? opts[i].arg : "");
        fprintf(f, "  %c%c%c %-16s %s\n", opts[i].key ? '-' : ' ', opts[i].key ? opts[i].key : ' ',
                opts[i].key ? ',' : ' ', left, opts[i].help);
    }
    fputs("\nexit: 0 done; 1 the script or a file is at fault; 2 usage; 3 check found a wrong bit; 4 this machine\n"
          "cannot run it; 5 out of memory, or LLVM or the GPU refused. `qjit -c help` lists the statements.\n", f);
}

static bool usage_error(struct err_state *e, const char *hint, const char *fmt, ...) QJ_PRINTF(3, 4);
static bool usage_error(struct err_state *e, const char *hint, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(e, ERR_USAGE, (struct span){0}, "%s", text);
    if (hint) err_hint(e, "did you mean `%s`?", hint);
    return false;
}

/* "64M" -> bytes. */
static bool read_size(const char *s, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    int shift = *end == 'k' || *end == 'K' ? 10 : *end == 'm' || *end == 'M' ? 20 : *end == 'g' || *end == 'G' ? 30 : 0;
    if (shift) end++;
    if (end == s || *end || errno || v <= 0 || v > INT64_MAX >> shift) return false;
    *out = (int64_t)v << shift;
    return true;
}

static const struct opt_row *opt_by_key(int key)
{
    for (int i = 0; i < NOPT; i++)
        if (opts[i].key == key || key == 256 + i) return &opts[i];
    return NULL;
}

static bool take_option(struct command_line *c, const struct opt_row *o, const char *arg, struct err_state *e)
{
    int64_t n;
    switch (o->bit) {
    case OPT_TARGET:
        if (c->ntarget == (int)ARRAY_LEN(c->target)) return usage_error(e, NULL, "an object has at most 8 versions");
        c->target[c->ntarget++] = arg;
        c->session.target = c->target[0];
        return true;
    case OPT_OUTPUT: c->output = arg; return true;
    case OPT_TEXT: c->text = arg; return true;
    case OPT_CACHE: c->session.cache = arg; return true;
    case OPT_ASM: return c->session.allow_asm = true;
    case OPT_EMULATE: return c->emulate = true;
    case OPT_ECHO: return c->session.echo = true;
    case OPT_ISOLATE: return c->session.isolate = true;
    case OPT_MEMORY:
        if (read_size(arg, &c->session.memory)) return true;
        return usage_error(e, NULL, "--memory takes a size as 64M, not `%s`", arg);
    case OPT_DEADLINE:
        if (read_size(arg, &c->session.deadline)) return true;
        return usage_error(e, NULL, "--deadline takes a number of milliseconds, not `%s`", arg);
    case OPT_THREADS:
        if (read_size(arg, &n) && n <= 1024) return c->session.threads = (int)n, true;
        return usage_error(e, NULL, "--threads takes a number from 1 to 1024, not `%s`", arg);
    default: return true; /* json, help, version: seen by their bit */
    }
}

static bool unknown_option(struct err_state *e, const char *word)
{
    const char *names[NOPT];
    char bare[64];
    for (int i = 0; i < NOPT; i++) names[i] = opts[i].name;
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *near = !strncmp(word, "--", 2) ? err_suggest(bare, names, NOPT) : NULL;
    char hint[80];
    snprintf(hint, sizeof hint, "--%s", near ? near : "");
    return usage_error(e, near ? hint : NULL, "there is no option `%s`", word);
}

/* Options anywhere; the bits of those given in *given. */
static bool read_options(int argc, char **argv, struct command_line *c, unsigned *given, struct err_state *e)
{
    struct option longs[NOPT + 1] = {{0}};
    char shorts[2 * NOPT + 2] = ":", *s = shorts + 1;
    for (int i = 0; i < NOPT; i++) {
        longs[i] = (struct option){opts[i].name, opts[i].arg ? required_argument : no_argument, NULL, 256 + i};
        if (!opts[i].key) continue;
        *s++ = opts[i].key;
        if (opts[i].arg) *s++ = ':';
    }
    opterr = 0;
    for (;;) {
        int at = optind, key = getopt_long(argc, argv, shorts, longs, NULL);
        if (key == -1) break;
        if (key == '?') {
            char word[3] = {'-', (char)optopt, 0};
            const char *seen = argv[optind - 1];
            if (optopt >= 256) return usage_error(e, NULL, "--%s takes no argument", opts[optopt - 256].name);
            return unknown_option(e, !strncmp(seen, "--", 2) ? seen : optopt ? word : argv[at]);
        }
        if (key == ':') return usage_error(e, NULL, "%s needs an argument", argv[optind - 1]);
        const struct opt_row *o = opt_by_key(key);
        *given |= o->bit;
        if (!take_option(c, o, optarg, e)) return false;
    }
    c->narg = argc - optind;
    c->arg = argv + optind;
    return true;
}

static const struct sub_row *sub_find(const char *name)
{
    for (int i = 0; i < NSUB; i++)
        if (!strcmp(subs[i].name, name)) return &subs[i];
    return NULL;
}

/* Which subcommand; its name is taken from the arguments. */
static const struct sub_row *choose(struct command_line *c, struct err_state *e)
{
    const char *word = c->narg ? c->arg[0] : NULL;
    if (!word) {
        if (c->text) return sub_find("run");
        return sub_find(isatty(STDIN_FILENO) ? "repl" : "run");
    }
    const struct sub_row *s = sub_find(word);
    if (s) {
        c->narg--;
        c->arg++;
        return s;
    }
    if (!strcmp(word, "-") || (c->text && strchr(word, '='))) return sub_find("run");
    const char *names[NSUB], *dot = strrchr(word, '.');
    char hint[300];
    for (int i = 0; i < NSUB; i++) names[i] = subs[i].name;
    snprintf(hint, sizeof hint, "qjit run %s", word);
    usage_error(e, dot && !strcmp(dot, ".qj") ? hint : err_suggest(word, names, NSUB), "there is no subcommand `%s`", word);
    return NULL;
}

static int run(int argc, char **argv, struct out *out, struct err_state *e)
{
    struct command_line c = {0};
    unsigned given = 0;
    if (read_options(argc, argv, &c, &given, e)) {
        if (given & OPT_VERSION) return sub_version(&c, out, e);
        const struct sub_row *s = choose(&c, e);
        if (s) {
            out->command = s->name;
            if (given & OPT_HELP) return sub_help(&(struct command_line){0}, out, e);
            for (int i = 0; i < NOPT; i++)
                if ((given & opts[i].bit) && !(s->opts & opts[i].bit))
                    usage_error(e, NULL, "`qjit %s` takes no --%s", s->name, opts[i].name);
            if (c.ntarget > 1 && s->run != sub_compile) usage_error(e, NULL, "`qjit %s` takes one --target", s->name);
            if (!err_is(e)) return s->run(&c, out, e);
        }
    }
    out_error(out, &e->first);
    return out_finish(out, &e->first);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "worker")) return worker_main();
    /* Asked first, so that a faulty command line is answered in JSON as well. */
    bool json = false;
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--json")) json = true;
    struct out out;
    struct err_state err;
    out_init(&out, "qjit", json);
    err_init(&err);
    int status = run(argc, argv, &out, &err);
    err_release(&err);
    return status;
}
