/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/explain.h"

#include "ir/base/json.h"

const char *explain_kind(const struct explain_row *r)
{
    return r->of_template ? "template" : r->name ? "instruction" : "loops";
}

static void put_reasons(const struct explain_row *r, struct str *out)
{
    if (r->why) str_printf(out, "%s%s", r->fits ? "; " : "", r->why);
    if (r->unlock) str_printf(out, " -> %s", r->unlock);
    str_putc(out, '\n');
}

static void put_instruction(const struct explain_row *r, struct str *out)
{
    str_printf(out, "  %-26s ", r->name);
    if (!r->fits) str_put(out, "no: ");
    else if (r->where) str_printf(out, "%s %s (about %g MAC/cycle)", r->taken ? "taken at" : "fits at", r->where, r->mac_per_cycle);
    else str_printf(out, "fits (about %g MAC/cycle)", r->mac_per_cycle);
    put_reasons(r, out);
}

/* first: of this template's rows. */
static void put_template(const struct explain_row *r, bool first, struct str *out)
{
    if (first) str_printf(out, "  %-8s ", r->name);
    else str_put(out, "           ");
    if (r->fits) str_printf(out, "%s%s, about %.3g Mcycles", r->taken ? "chosen: " : first ? "fits: " : "next: ", r->where, r->cycles / 1e6);
    else str_printf(out, "%s%sno: ", r->where ? r->where : "", r->where ? " " : "");
    put_reasons(r, out);
}

void explain_text(const struct explained *x, struct str *out)
{
    const struct explain_row *before = NULL;
    for (size_t i = 0; i < x->row.n; i++) {
        const struct explain_row *r = &x->row.at[i];
        bool other = !before || strcmp(before->stage, r->stage) || before->of_template != r->of_template;
        if (other) str_printf(out, "%s %s%s\n", r->of_template ? "templates for" : "stage", r->stage, r->name ? "" : ": plain loops, no instruction chosen");
        if (r->of_template) put_template(r, other || strcmp(before->name, r->name), out);
        else if (r->name) put_instruction(r, out);
        before = r;
    }
    if (x->row.n == 0) str_put(out, "no stage is a sum of products; nothing to tensorize\n");
}

static void put_known(struct json_out *o, const char *key, double v)
{
    if (v > 0) json_put_num(o, key, v);
    else json_put_text(o, key, NULL);
}

void explain_json(const struct explained *x, struct str *out)
{
    struct json_out o = json_on(out);
    json_open(&o, NULL, '[');
    for (size_t i = 0; i < x->row.n; i++) {
        const struct explain_row *r = &x->row.at[i];
        json_open(&o, NULL, '{');
        json_put_text(&o, "stage", r->stage);
        json_put_text(&o, "kind", explain_kind(r));
        json_put_text(&o, "name", r->name);
        json_put_bool(&o, "taken", r->taken);
        json_put_bool(&o, "fits", r->fits);
        json_put_text(&o, "where", r->where);
        put_known(&o, "mac_per_cycle", r->mac_per_cycle);
        put_known(&o, "cycles", r->cycles);
        json_put_text(&o, "why", r->why);
        json_put_text(&o, "unlock", r->unlock);
        json_close(&o);
    }
    json_close(&o);
}
