/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - contract in json.h. cJSON parses; its tree is copied into the arena and given back at once. */
#include "ir/base/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* ---- reading ---- */

struct reader {
    struct arena *arena;
    struct err_state *err;
};

static const struct json *copy(struct reader *r, const cJSON *from, const char *path, int depth);

static bool copy_kids(struct reader *r, const cJSON *from, struct json *to, int depth)
{
    const cJSON *kid;
    const struct json **at;
    int i = 0;
    to->n = cJSON_GetArraySize(from);
    at = ARENA_ARRAY(r->arena, const struct json *, to->n ? to->n : 1);
    to->at = at;
    cJSON_ArrayForEach(kid, from) {
        const char *path = to->kind == JSON_OBJECT ? arena_printf(r->arena, "%s.%s", to->path, kid->string)
                                                   : arena_printf(r->arena, "%s[%d]", to->path, i);
        for (int k = 0; to->kind == JSON_OBJECT && k < i; k++)
            if (!strcmp(at[k]->key, kid->string))
                return err_set(r->err, ERR_SYNTAX, (struct span){0}, "%s: given twice", path);
        at[i] = copy(r, kid, path, depth + 1);
        if (!at[i++]) return false;
    }
    return true;
}

static const struct json *copy(struct reader *r, const cJSON *from, const char *path, int depth)
{
    struct json *j = ARENA_NEW(r->arena, struct json);
    if (depth > JSON_MAX_DEPTH) {
        err_set(r->err, ERR_TOO_LARGE, (struct span){0}, "%s: nested more than %d deep", path, JSON_MAX_DEPTH);
        return NULL;
    }
    j->path = path;
    if (from->string) j->key = arena_strdup(r->arena, from->string);
    if (cJSON_IsNull(from)) j->kind = JSON_NULL;
    else if (cJSON_IsBool(from)) {
        j->kind = JSON_BOOL;
        j->number = cJSON_IsTrue(from);
    } else if (cJSON_IsNumber(from)) {
        j->kind = JSON_NUMBER;
        j->number = from->valuedouble;
    } else if (cJSON_IsString(from)) {
        j->kind = JSON_STRING;
        j->text = arena_strdup(r->arena, from->valuestring);
    } else {
        j->kind = cJSON_IsArray(from) ? JSON_ARRAY : JSON_OBJECT;
        if (!copy_kids(r, from, j, depth)) return NULL;
    }
    return j;
}

const struct json *json_parse(struct arena *a, struct err_state *e, const char *file, const char *text,
                              size_t n)
{
    const char *end = NULL;
    struct reader r = {a, e};
    char *own = arena_strndup(a, text, n); /* NUL-terminated, for the message as well */
    cJSON *tree = strlen(own) == n ? cJSON_ParseWithLengthOpts(own, n + 1, &end, 1) : NULL;
    if (!tree) {
        size_t at = end ? (size_t)(end - own) : strlen(own);
        err_set(e, ERR_SYNTAX, (struct span){file, own, at < n ? at : n, at < n}, "%s: not JSON from here on",
                file);
        err_hint(
            e, "strings and keys in double quotes, no comma after the last element, nothing after the value");
        return NULL;
    }
    const struct json *j = copy(&r, tree, arena_printf(a, "%s: $", file), 0);
    cJSON_Delete(tree);
    return j;
}

static const char *const kind_name[] = {"null",     "true or false", "a number",
                                        "a string", "an array",      "an object"};

static bool is_kind(struct err_state *e, const struct json *j, enum json_kind kind)
{
    if (!j) return false;
    if (j->kind == kind) return true;
    err_set(e, ERR_TYPE, (struct span){0}, "%s: expected %s, found %s", j->path, kind_name[kind],
            kind_name[j->kind]);
    err_hint(e, "write %s there", kind_name[kind]);
    return false;
}

const struct json *json_find(const struct json *j, const char *key)
{
    if (!j || j->kind != JSON_OBJECT) return NULL;
    for (int i = 0; i < j->n; i++)
        if (!strcmp(j->at[i]->key, key)) return j->at[i];
    return NULL;
}

const struct json *json_at(struct err_state *e, const struct json *j, const char *key)
{
    if (!is_kind(e, j, JSON_OBJECT)) return NULL;
    const struct json *k = json_find(j, key);
    if (k) return k;
    err_set(e, ERR_SYNTAX, (struct span){0}, "%s.%s: missing", j->path, key);
    err_hint(e, "add the key \"%s\"", key);
    return NULL;
}

bool json_int(struct err_state *e, const struct json *j, int64_t lo, int64_t hi, int64_t *out)
{
    if (!is_kind(e, j, JSON_NUMBER)) return false;
    double v = j->number, most = 9007199254740992.0; /* beyond 2^53 it may have been another integer */
    if (v != floor(v) || fabs(v) > most)
        return err_set(e, ERR_TYPE, (struct span){0}, "%s: expected an integer of at most 2^53, found %g",
                       j->path, v);
    *out = (int64_t)v;
    if (*out >= lo && *out <= hi) return true;
    err_set(e, ERR_RANGE, (struct span){0}, "%s: %" PRId64 " is outside %" PRId64 "..%" PRId64, j->path, *out,
            lo, hi);
    err_hint(e, "give a number in %" PRId64 "..%" PRId64, lo, hi);
    return false;
}

bool json_num(struct err_state *e, const struct json *j, double *out)
{
    if (!is_kind(e, j, JSON_NUMBER)) return false;
    *out = j->number;
    return true;
}

bool json_bool(struct err_state *e, const struct json *j, bool *out)
{
    if (!is_kind(e, j, JSON_BOOL)) return false;
    *out = j->number != 0;
    return true;
}

const char *json_text(struct err_state *e, const struct json *j)
{
    return is_kind(e, j, JSON_STRING) ? j->text : NULL;
}

bool json_array(struct err_state *e, const struct json *j, int lo, int hi)
{
    if (!is_kind(e, j, JSON_ARRAY)) return false;
    if (j->n >= lo && j->n <= hi) return true;
    err_set(e, ERR_RANGE, (struct span){0}, "%s: %d elements, outside %d..%d", j->path, j->n, lo, hi);
    err_hint(e, "give %d to %d elements", lo, hi);
    return false;
}

bool json_object(struct err_state *e, const struct json *j) { return is_kind(e, j, JSON_OBJECT); }

/* ---- writing ---- */

struct json_out json_on(struct str *s) { return (struct json_out){.s = s, .first = true}; }

static void put_quoted(struct json_out *o, const char *text)
{
    str_putc(o->s, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') str_printf(o->s, "\\%c", *p);
        else if (*p == '\n') str_put(o->s, "\\n");
        else if (*p == '\t') str_put(o->s, "\\t");
        else if (*p < 32 || *p == 127) str_printf(o->s, "\\u%04x", *p);
        else str_putc(o->s, (char)*p);
    }
    str_putc(o->s, '"');
}

static void start(struct json_out *o, const char *key)
{
    bool flat = o->flat[o->depth];
    if (!o->first) str_put(o->s, flat ? ", " : ",");
    if (o->depth && !flat) {
        str_putc(o->s, '\n');
        str_indent(o->s, o->depth);
    }
    o->first = false;
    if (!key) return;
    put_quoted(o, key);
    str_put(o->s, ": ");
}

void json_open(struct json_out *o, const char *key, char bracket)
{
    start(o, key);
    QJ_ASSERT(o->depth < JSON_MAX_DEPTH);
    o->depth++;
    o->flat[o->depth] = bracket == '<' || o->flat[o->depth - 1];
    o->close[o->depth] = bracket == '{' ? '}' : ']';
    o->first = true;
    str_putc(o->s, bracket == '{' ? '{' : '[');
}

void json_close(struct json_out *o)
{
    bool flat = o->flat[o->depth], empty = o->first;
    char c = o->close[o->depth--];
    if (!flat && !empty) {
        str_putc(o->s, '\n');
        str_indent(o->s, o->depth);
    }
    str_putc(o->s, c);
    o->first = false;
    if (!o->depth) str_putc(o->s, '\n');
}

void json_put_int(struct json_out *o, const char *key, int64_t v)
{
    start(o, key);
    str_printf(o->s, "%" PRId64, v);
}

void json_put_num(struct json_out *o, const char *key, double v)
{
    char buf[40];
    QJ_ASSERT(isfinite(v));
    start(o, key);
    for (int digits = 1; digits <= 17; digits++) {
        double back;
        snprintf(buf, sizeof buf, "%.*g", digits, v);
        if (sscanf(buf, "%lf", &back) == 1 && back == v) break;
    }
    str_put(o->s, buf);
}

void json_put_bool(struct json_out *o, const char *key, bool v)
{
    start(o, key);
    str_put(o->s, v ? "true" : "false");
}

void json_put_text(struct json_out *o, const char *key, const char *v)
{
    start(o, key);
    if (v) put_quoted(o, v);
    else str_put(o->s, "null");
}
