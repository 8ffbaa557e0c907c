/* SPDX-License-Identifier: Apache-2.0 */
/* sub_archive.c - `qjit compile a.qj b.qj -o libnet.a`: a kernel of each script, in one library. */
#include <stdlib.h>

#include "tools/qjit/sub.h"

/* One script in a session of its own; what it defines, compiled. NULL: its error has been printed, and is in *e. */
static qj_artifact *compile_script(struct command_line *c, const char *path, struct out *out, struct err_state *e)
{
    struct source src;
    struct session s;
    const char *why;
    qj_artifact *a = NULL;
    if (!source_load(&src, path, &why)) {
        err_set(e, ERR_FILE, (struct span){0}, "cannot read %s: %s", path, why);
        out_error(out, &e->first);
        return NULL;
    }
    c->session.definitions_only = true;
    if (session_open(&s, &c->session, out) && session_script(&s, &src)) {
        a = c->ntarget > 1 ? qj_compile_versions(s.q, c->ntarget, c->target, QJ_OBJ) : qj_compile(s.q, QJ_OBJ);
        if (!session_ok(&s)) out_error(out, &s.err.first);
    }
    if (!a) err_set(e, s.err.first.code, (struct span){0}, "%s: %s", path, s.err.first.msg);
    session_close(&s);
    source_free(&src);
    return a;
}

static bool save(struct command_line *c, int n, const qj_artifact *const *a, struct out *out, struct err_state *e)
{
    struct session s;
    bool ok = session_open(&s, &c->session, out);
    if (ok) {
        qj_archive_save(s.q, n, a, c->output);
        ok = session_ok(&s);
        if (!ok) out_error(out, &s.err.first);
    }
    if (!ok) err_set(e, s.err.first.code, (struct span){0}, "%s", s.err.first.msg);
    session_close(&s);
    return ok;
}

int sub_archive(struct command_line *c, struct out *out, struct err_state *e)
{
    qj_artifact **a = calloc((size_t)c->narg + 1, sizeof *a);
    int n = 0;
    if (!a) exit(EXIT_OURS);
    bool ok = c->narg > 0 && !c->text;
    if (!ok) {
        err_set(e, ERR_USAGE, (struct span){0}, "a library is made of scripts: one file for each kernel");
        out_error(out, &e->first);
    }
    for (; ok && n < c->narg; n += ok) ok = (a[n] = compile_script(c, c->arg[n], out, e)) != NULL;
    ok = ok && save(c, n, (const qj_artifact *const *)a, out, e);
    if (ok) {
        out_str(out, "file", c->output);
        out_open(out, "kernels", '<');
        for (int i = 0; i < n; i++) out_str(out, NULL, qj_artifact_name(a[i]));
        out_close(out);
        out_talk(out, "wrote %s, .h and .json: %d kernel%s", c->output, n, n == 1 ? "" : "s");
    }
    int status = out_finish(out, ok ? NULL : &e->first); /* names are the artifacts' until here */
    for (int i = 0; i < n; i++) qj_artifact_free(a[i]);
    free(a);
    return status;
}
