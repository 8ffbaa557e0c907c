/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - JSON in and out, typed, with the path of a fault in its message.
 *
 * The one home of cJSON. Reading makes immutable nodes in an arena; each knows its path ("$.args[2].dtype"),
 * and the typed readers say it when something is missing or of another type. Numbers are exact integers up
 * to 2^53 or f64. Writing is a stream: keys come in the order they are written, so equal input gives equal
 * bytes.
 *
 *     const struct json *j = json_parse(&arena, &err, "tune.json", text, n);
 *     int64_t v;
 *     if (!json_int(&err, json_at(&err, j, "version"), 1, 9, &v)) return NULL;
 *
 *     struct json_out o = json_on(&str);
 *     json_open(&o, NULL, '{');
 *     json_put_int(&o, "version", 1);
 *     json_close(&o);
 */
#ifndef QJ_IR_BASE_JSON_H
#define QJ_IR_BASE_JSON_H

#include "ir/base/err.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum { JSON_MAX_DEPTH = 64 };

struct json {
    enum json_kind kind;
    const char *path;           /* with the file's name: "tune.json: $.args[2]" */
    const char *key;            /* in its object, or NULL */
    const char *text;           /* STRING */
    double number;              /* NUMBER; BOOL: 0 or 1 */
    int n;                      /* ARRAY, OBJECT */
    const struct json *const *at;
};

/* ERR_SYNTAX with the place of the fault; `file` is for messages. Duplicate keys are refused. */
const struct json *json_parse(struct arena *a, struct err_state *e, const char *file, const char *text,
                              size_t n);

/* A member of an object; when it is missing NULL with an error (json_at) or without (json_find). NULL in, NULL out. */
const struct json *json_at(struct err_state *e, const struct json *j, const char *key);
const struct json *json_find(const struct json *j, const char *key);
/* Typed values. False and ERR_TYPE or ERR_RANGE when j is something else; false for NULL. */
bool json_int(struct err_state *e, const struct json *j, int64_t lo, int64_t hi, int64_t *out);
bool json_num(struct err_state *e, const struct json *j, double *out);
bool json_bool(struct err_state *e, const struct json *j, bool *out);
const char *json_text(struct err_state *e, const struct json *j);
bool json_array(struct err_state *e, const struct json *j, int lo, int hi);     /* of lo to hi elements */
bool json_object(struct err_state *e, const struct json *j);

struct json_out {
    struct str *s;
    int depth;
    bool first;                 /* nothing written yet at this depth */
    bool flat[JSON_MAX_DEPTH + 1];      /* written in one line */
    char close[JSON_MAX_DEPTH + 1];
};
struct json_out json_on(struct str *s);
/* key NULL: an element of an array, or the whole. '{' and '[' break lines, '<' is an array in one line. */
void json_open(struct json_out *o, const char *key, char bracket);
void json_close(struct json_out *o);
void json_put_int(struct json_out *o, const char *key, int64_t v);
void json_put_num(struct json_out *o, const char *key, double v);   /* finite; reads back to the same double */
void json_put_bool(struct json_out *o, const char *key, bool v);
void json_put_text(struct json_out *o, const char *key, const char *v);     /* NULL: null */

#endif
