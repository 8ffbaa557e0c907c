/* SPDX-License-Identifier: Apache-2.0 */
/* cmds_embed.c - the command that makes values part of the program. */
#include "tools/qjit/cmds.h"

bool cmd_embed(struct session *s, const struct words *arg)
{
    if (arg->n != 3) {
        fail_at(s, ERR_SYNTAX, arg->n > 3 ? &arg->at[3] : NULL, "`embed` takes a weight's name and a file");
        err_hint(&s->err, "embed W \"w.npy\"");
        return false;
    }
    qj_tensor *t = qj_tensor_load_npy(s->q, arg->at[2].text);
    bool loaded = t != NULL, ok = loaded && qj_embed(s->q, arg->at[1].text, t);
    if (ok) {
        out_str(s->out, "name", arg->at[1].text);
        out_int(s->out, "bytes", qj_tensor_bytes(t));
    }
    qj_tensor_free(t);
    session_changed(s);
    if (session_ok(s)) return true;
    place_error(s, word_span(s, &arg->at[loaded ? 1 : 2]));
    return false;
}
