/* SPDX-License-Identifier: Apache-2.0 */
/* sub_verify.c - `qjit verify k.json`: are the files beside it those it was written with?
 *
 * Files of a set are renamed one after the other, the metadata last. Whatever ends that half-way - a kill, a crash, a full
 * disk - leaves whole files of which some are older: the metadata's digests tell. Nothing else of the file is believed. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ir/base/digest.h"
#include "ir/base/json.h"
#include "runtime/file.h"
#include "tools/qjit/sub.h"

enum { METADATA_MAX = 1 << 26 };
static const char metadata_ext[] = ".json";

/* All of a regular file, the caller's to free; NULL: error set. */
static char *load(struct err_state *e, const char *path, int64_t most, int64_t *size)
{
    int fd = file_open(e, path, size);
    if (fd < 0) return NULL;
    char *text = NULL;
    bool fits = *size <= most;
    if (!fits) err_set(e, ERR_FILE, (struct span){0}, "cannot read %s: it has %lld bytes", path, (long long)*size);
    else if (!(text = malloc((size_t)*size + 1))) err_set(e, ERR_MEMORY, (struct span){0}, "no memory for %s", path);
    else if (!file_read_all(fd, text, (size_t)*size)) {
        err_set(e, ERR_FILE, (struct span){0}, "cannot read %s: %s", path, errno ? strerror(errno) : "it ends early");
        free(text);
        text = NULL;
    }
    close(fd);
    return text;
}

static bool same_digest(struct err_state *e, const char *metadata, const char *path, const struct json *want)
{
    int64_t n;
    char have[DIGEST_HEX];
    const char *digest = json_text(e, want);
    char *bytes = digest ? load(e, path, INT64_MAX - 1, &n) : NULL;
    if (!bytes) return false;
    digest_hex(bytes, (size_t)n, have);
    free(bytes);
    if (!strcmp(have, digest)) return true;
    err_set(e, ERR_FILE, (struct span){0}, "%s is not the file that %s was written with: its sha256 is %.12s..., not %.12s...", path,
            metadata, have, digest);
    return err_hint(e, "one of them was changed or exchanged, or a write was cut short, the .json being the last: write them again"), false;
}

/* What `kind` is written as; NULL: error set. */
static const char *extension(struct err_state *e, const struct json *kind)
{
    static const char *const known[][2] = {{"object", ".o"}, {"ptx", ".ptx"}, {"cubin", ".cubin"}};
    const char *word = json_text(e, kind);
    for (size_t i = 0; word && i < ARRAY_LEN(known); i++)
        if (!strcmp(word, known[i][0])) return known[i][1];
    if (word) err_set(e, ERR_FILE, (struct span){0}, "%s is \"%s\": nothing that has metadata", kind->path, word);
    return NULL;
}

/* All members of a library name the same two files. */
static bool agree(struct err_state *e, const struct json *a, const struct json *b)
{
    const char *x = json_text(e, a), *y = json_text(e, b);
    if (!x || !y) return false;
    return !strcmp(x, y) || err_set(e, ERR_FILE, (struct span){0}, "%s is another than %s", b->path, a->path);
}

static bool verify(struct err_state *e, struct out *out, const char *path, const char *text, size_t n)
{
    struct arena *a = &out->arena;
    const struct json *all = json_parse(a, e, path, text, n);
    bool library = all && all->kind == JSON_ARRAY;
    if (!all || (library && !json_array(e, all, 1, INT32_MAX))) return false;
    const struct json *o = library ? all->at[0] : all;
    const char *key = library ? "library_sha256" : "sha256", *ext = library ? ".a" : extension(e, json_at(e, o, "kind"));
    const struct json *bytes = json_at(e, o, key), *header = json_at(e, o, "header_sha256");
    for (int i = 1; library && i < all->n; i++)
        if (!agree(e, bytes, json_at(e, all->at[i], key)) || !agree(e, header, json_at(e, all->at[i], "header_sha256"))) return false;
    if (!ext || !bytes || !header) return false;
    int stem = (int)(strlen(path) - strlen(metadata_ext));
    const char *file[] = {arena_printf(a, "%.*s%s", stem, path, ext), arena_printf(a, "%.*s.h", stem, path), path};
    if (!same_digest(e, path, file[0], bytes) || !same_digest(e, path, file[1], header)) return false;
    for (size_t i = 0; i < ARRAY_LEN(file); i++) out_str(out, NULL, file[i]);
    out_talk(out, "%s: %s and %s are those it was written with", path, file[0], file_base(file[1]));
    return true;
}

static bool verify_file(struct err_state *e, struct out *out, const char *path)
{
    int64_t n;
    if (strcmp(file_ext(path), metadata_ext)) {
        err_set(e, ERR_USAGE, (struct span){0}, "%s is not the .json of an object or library", path);
        return err_hint(e, "qjit verify layer.json, with layer.o and layer.h beside it"), false;
    }
    char *text = load(e, path, METADATA_MAX, &n);
    bool ok = text && verify(e, out, path, text, (size_t)n);
    free(text);
    return ok;
}

int sub_verify(struct command_line *c, struct out *out, struct err_state *e)
{
    if (c->narg == 0) {
        err_set(e, ERR_USAGE, (struct span){0}, "whose files are to be verified?");
        err_hint(e, "qjit verify layer.json");
    }
    out_open(out, "files", '<');
    for (int i = 0; i < c->narg; i++)
        if (!verify_file(e, out, c->arg[i])) break;
    out_close(out);
    if (err_is(e)) out_error(out, &e->first);
    return out_finish(out, err_is(e) ? &e->first : NULL);
}
