/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.c - reads a recipe (grammar in recipe.h) and checks all types that can be known without LLVM.
 *
 * What an intrinsic takes and returns is LLVM's to say, so a call's type is unknown here and matches
 * anything; codegen checks the rest. Signedness is no part of a type here, as in LLVM: u8 is i8. */
#include "targets/recipe.h"

#include "ir/simplify.h"

enum { MAX_DEPTH = 32, MAX_NODES = 512, MAX_ARGS = 8, MAX_BITS = 8192, MAX_WORDS = 128 };

struct reader {
    struct ir_ctx *c;
    const struct meaning *m;
    const char *text, *p;
    bool allow_asm;
    struct span at;
    int depth, nodes;
};

/* A recipe with its type; lanes 0: not known. */
struct node {
    const struct recipe *r;
    struct type type;
};
static const struct type unknown = {0, 0};
static const struct node bad = {NULL, {0, 0}};

static const char *const bins[] = {"add", "sub", "mul", "and", "or", "xor", "shl", "lshr", "ashr", "fadd", "fmul"};
static const char *const convs[] = {"sext", "zext", "trunc", "bitcast", "repeat"};

static bool is_word(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
}

static int bits_of(struct type t) { return dtype_info[t.dt].bits * t.lanes; }

static struct node fail(struct reader *rd, const char *what)
{
    char rest[32]; /* what a message shows goes to a terminal: no control characters */
    size_t n = 0;
    for (; n < sizeof rest - 1 && rd->p[n]; n++) rest[n] = rd->p[n] < 32 || rd->p[n] > 126 ? '?' : rd->p[n];
    rest[n] = 0;
    err_set(&rd->c->err, ERR_INTRIN, rd->at, "recipe of %s: %s, at character %d: \"%.60s\"", rd->m->name, what,
            (int)(rd->p - rd->text) + 1, rest);
    err_hint(&rd->c->err, "a recipe is an operand, a number, @llvm.name(x, ...), add(x, y) or sext.i16x16(x)");
    return bad;
}

static struct node fail_types(struct reader *rd, const char *what, struct type a, struct type b)
{
    err_set(&rd->c->err, ERR_INTRIN, rd->at, "recipe of %s: %s: %sx%d and %sx%d, before character %d", rd->m->name,
            what, dtype_info[a.dt].name, a.lanes, dtype_info[b.dt].name, b.lanes, (int)(rd->p - rd->text) + 1);
    err_hint(&rd->c->err, "convert with sext zext trunc, reinterpret with bitcast, broadcast with repeat");
    return bad;
}

static void skip_blanks(struct reader *rd)
{
    while (*rd->p == ' ' || *rd->p == '\t' || *rd->p == '\n') rd->p++;
}

static bool accept(struct reader *rd, char ch)
{
    skip_blanks(rd);
    if (*rd->p != ch) return false;
    rd->p++;
    return true;
}

static size_t word_length(const struct reader *rd)
{
    size_t n = 0;
    while (is_word(rd->p[n])) n++;
    return n;
}

/* The list's own spelling of the word, so that it need not be copied. */
static const char *find_word(const char *const *list, size_t count, const char *s, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == n && !memcmp(list[i], s, n)) return list[i];
    return NULL;
}

static struct node finish(struct reader *rd, struct recipe r, struct type type)
{
    return (struct node){arena_copy(&rd->c->arena, &r, sizeof r), type};
}

/* What stands for several arguments stands in a call alone. */
static bool is_list(const struct recipe *r) { return r->kind == RCP_WORDS || r->kind == RCP_MATRIX; }

/* i16x16, i32, f32x8 */
static bool read_type(struct reader *rd, struct type *out)
{
    static const enum dtype allowed[] = {DT_I8, DT_I16, DT_I32, DT_I64, DT_F32};
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
        size_t n = strlen(dtype_info[allowed[i]].name);
        if (strncmp(rd->p, dtype_info[allowed[i]].name, n) || (is_word(rd->p[n]) && rd->p[n] != 'x')) continue;
        const char *p = rd->p + n;
        int lanes = 1;
        if (*p == 'x') {
            for (lanes = 0, p++; *p >= '0' && *p <= '9' && lanes <= MAX_BITS; p++) lanes = lanes * 10 + (*p - '0');
            if (is_word(*p)) break;
        }
        if (lanes < 1 || lanes * dtype_info[allowed[i]].bits > MAX_BITS) break;
        rd->p = p;
        *out = type_vec(allowed[i], lanes);
        return true;
    }
    fail(rd, "expected a type such as i32 or i16x16");
    return false;
}

static bool read_string(struct reader *rd, const char **out)
{
    if (!accept(rd, '"')) return fail(rd, "expected a \"string\""), false;
    size_t n = strcspn(rd->p, "\"");
    if (!rd->p[n]) return fail(rd, "the string has no end"), false;
    *out = arena_strndup(&rd->c->arena, rd->p, n);
    rd->p += n + 1;
    return true;
}

static struct node read_recipe(struct reader *rd);

/* "(" recipe,* ")" */
static int read_args(struct reader *rd, struct node *arg)
{
    int n = 0;
    if (!accept(rd, '(')) return fail(rd, "expected \"(\""), -1;
    if (accept(rd, ')')) return 0;
    do {
        if (n == MAX_ARGS) return fail(rd, "too many arguments"), -1;
        arg[n] = read_recipe(rd);
        if (!arg[n++].r) return -1;
    } while (accept(rd, ','));
    if (!accept(rd, ')')) return fail(rd, "expected \",\" or \")\""), -1;
    return n;
}

static void keep_args(struct reader *rd, struct recipe *r, const struct node *arg, int n)
{
    const struct recipe **kid = ARENA_ARRAY(&rd->c->arena, const struct recipe *, n);
    for (int i = 0; i < n; i++) kid[i] = arg[i].r;
    r->nkid = n;
    r->kid = kid;
}

/* Of an operand as one vector; lanes 0: an error is set. */
static struct type whole_type(struct reader *rd, int i)
{
    const struct tensor *t = rd->m->op[i];
    int64_t lanes = 1;
    for (int d = 0; d < t->ndim; d++)
        if (!ck_mul(lanes, t->shape[d], &lanes) || lanes > MAX_BITS) lanes = MAX_BITS;
    enum dtype dt = t->dt == DT_U8 ? DT_I8 : t->dt == DT_U16 ? DT_I16 : t->dt;
    if (dt == DT_BOOL || lanes < 1 || lanes * dtype_info[dt].bits > MAX_BITS) {
        err_set(&rd->c->err, ERR_INTRIN, rd->at, "recipe of %s: operand %s cannot be loaded whole", rd->m->name,
                t->name);
        err_hint(&rd->c->err, "an operand is a number type and at most %d bits", MAX_BITS);
        return unknown;
    }
    return type_vec(dt, (int)lanes);
}

static struct node read_operand(struct reader *rd, int i)
{
    for (int d = 0; d < rd->m->op[i]->ndim; d++)
        if (rd->m->pitch[i][d]) return fail(rd, "the operand lies in pieces: words(C), matrix.4(A, ...)");
    struct type t = whole_type(rd, i);
    return t.lanes ? finish(rd, (struct recipe){.kind = RCP_OPERAND, .operand = i}, t) : bad;
}

static struct node read_int(struct reader *rd)
{
    bool neg = accept(rd, '-');
    uint64_t v = 0, limit = neg ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    if (*rd->p < '0' || *rd->p > '9') return fail(rd, "expected a number");
    for (; *rd->p >= '0' && *rd->p <= '9'; rd->p++) {
        uint64_t digit = (uint64_t)(*rd->p - '0');
        if (v > (limit - digit) / 10) return fail(rd, "the number does not fit 64 bits");
        v = v * 10 + digit;
    }
    if (is_word(*rd->p)) return fail(rd, "numbers are whole and decimal");
    return finish(rd, (struct recipe){.kind = RCP_INT, .value = (int64_t)(neg ? 0 - v : v)}, unknown);
}

/* @llvm.name(...): the name's characters are checked here, whether it may be called in callee.c. */
static struct node read_call(struct reader *rd)
{
    struct node arg[MAX_ARGS];
    const char *begin = ++rd->p;
    while ((*rd->p >= 'a' && *rd->p <= 'z') || (*rd->p >= '0' && *rd->p <= '9') || *rd->p == '.') rd->p++;
    size_t n = (size_t)(rd->p - begin);
    if (n < 6 || strncmp(begin, "llvm.", 5) || *rd->p == '_' || n > 100) {
        rd->p = begin;
        return fail(rd, "only LLVM's intrinsics can be called: @llvm. and then a-z, 0-9 and dots");
    }
    struct recipe r = {.kind = RCP_CALL, .name = arena_strndup(&rd->c->arena, begin, n)};
    int narg = read_args(rd, arg);
    if (narg < 0) return bad;
    keep_args(rd, &r, arg, narg);
    return finish(rd, r, unknown);
}

static bool fits(int64_t v, enum dtype d)
{
    int bits = dtype_info[d].bits;
    return bits >= 64 || (v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << bits);
}

static struct node read_bin(struct reader *rd, const char *word)
{
    struct node arg[MAX_ARGS];
    struct recipe r = {.kind = RCP_BIN, .name = word};
    int narg = read_args(rd, arg);
    if (narg < 0) return bad;
    if (narg != 2) return fail(rd, "add, sub and the like take two arguments");
    struct type a = arg[0].type, b = arg[1].type;
    if (is_list(arg[0].r) || is_list(arg[1].r)) return fail(rd, "words and matrices are arguments of a call");
    if (a.lanes && b.lanes && !type_eq(a, b)) return fail_types(rd, "two types in one operation", a, b);
    struct type t = a.lanes ? a : b;
    bool is_f32 = word[0] == 'f';
    if (t.lanes && (t.dt == DT_F32) != is_f32)
        return fail(rd, is_f32 ? "fadd and fmul take f32" : "the operation takes integers; f32 has fadd and fmul");
    for (int i = 0; i < 2; i++) {
        if (arg[i].r->kind != RCP_INT) continue;
        if (arg[!i].r->kind == RCP_INT) return fail(rd, "two numbers have no type");
        if (t.lanes && t.dt != DT_F32 && !fits(arg[i].r->value, (enum dtype)t.dt))
            return fail(rd, "the number does not fit the other argument's lanes");
    }
    keep_args(rd, &r, arg, 2);
    return finish(rd, r, t);
}

static struct node read_conv(struct reader *rd, const char *word)
{
    struct node arg[MAX_ARGS];
    struct recipe r = {.kind = RCP_CONV, .name = word};
    if (!accept(rd, '.')) return fail(rd, "expected a type: sext.i16x16(x)");
    if (!read_type(rd, &r.type)) return bad;
    int narg = read_args(rd, arg);
    if (narg < 0) return bad;
    if (narg != 1) return fail(rd, "a conversion takes one argument");
    if (is_list(arg[0].r)) return fail(rd, "words and matrices are arguments of a call");
    if (arg[0].r->kind == RCP_INT) return fail(rd, "a number takes the type wanted: no conversion");
    struct type from = arg[0].type, to = r.type;
    if (from.lanes) {
        int a = dtype_info[from.dt].bits, b = dtype_info[to.dt].bits;
        bool ints = from.dt != DT_F32 && to.dt != DT_F32 && from.lanes == to.lanes, ok;
        if (word[0] == 's' || word[0] == 'z') ok = ints && a < b;
        else if (word[0] == 't') ok = ints && a > b;
        else if (word[0] == 'b') ok = bits_of(from) == bits_of(to);
        else ok = bits_of(to) % bits_of(from) == 0;
        if (!ok) return fail_types(rd, arena_printf(&rd->c->arena, "no %s between these types", word), from, to);
    }
    keep_args(rd, &r, arg, 1);
    return finish(rd, r, to);
}

static int named_operand(const struct reader *rd, const char *s, size_t n)
{
    for (int i = 0; i < rd->m->nop; i++)
        if (strlen(rd->m->op[i]->name) == n && !memcmp(rd->m->op[i]->name, s, n)) return i;
    return -1;
}

/* part.i8x32(B, 1) */
static struct node read_part(struct reader *rd)
{
    struct recipe r = {.kind = RCP_PART, .name = "part"};
    if (!accept(rd, '.')) return fail(rd, "expected a type: part.i8x32(B, 1)");
    if (!read_type(rd, &r.type)) return bad;
    if (!accept(rd, '(')) return fail(rd, "expected \"(\"");
    skip_blanks(rd);
    size_t n = word_length(rd);
    r.operand = named_operand(rd, rd->p, n);
    if (r.operand < 0) return fail(rd, "expected an operand");
    rd->p += n;
    if (!accept(rd, ',')) return fail(rd, "expected \",\"");
    skip_blanks(rd);
    struct node which = read_int(rd);
    if (!which.r) return bad;
    struct type whole = read_operand(rd, r.operand).type;
    if (!whole.lanes) return bad;
    r.value = which.r->value;
    if (whole.dt != r.type.dt || r.value < 0 || r.value >= whole.lanes / r.type.lanes)
        return fail_types(rd, "the operand has no such part", whole, r.type);
    if (!accept(rd, ')')) return fail(rd, "expected \")\"");
    return finish(rd, r, r.type);
}

static bool read_name(struct reader *rd, int *operand)
{
    if (!accept(rd, '(')) return fail(rd, "expected \"(\""), false;
    skip_blanks(rd);
    size_t n = word_length(rd);
    *operand = named_operand(rd, rd->p, n);
    if (*operand < 0) return fail(rd, "expected an operand"), false;
    rd->p += n;
    return true;
}

/* words(C) */
static struct node read_words(struct reader *rd)
{
    struct recipe r = {.kind = RCP_WORDS, .name = "words", .value = 1};
    if (!read_name(rd, &r.operand)) return bad;
    const struct tensor *t = rd->m->op[r.operand];
    for (int d = 0; d < t->ndim; d++)
        if (!ck_mul(r.value, t->shape[d], &r.value) || r.value > MAX_WORDS) return fail(rd, "the operand has too many words");
    if (dt_bytes(t->dt) != 4) return fail(rd, "words are i32 or f32");
    if (!accept(rd, ')')) return fail(rd, "expected \")\"");
    return finish(rd, r, unknown);
}

/* Every row of every matrix lies inside the tile's last dimension, and no index leaves its own. */
static bool rows_inside(struct reader *rd, const struct recipe *r)
{
    const struct tensor *t = rd->m->op[r->operand];
    struct ir_ctx *c = rd->c;
    int64_t row = 16 / dt_bytes(t->dt);
    for (int64_t l = 0; l < 8 * r->value; l++)
        for (int d = 0; d < t->ndim; d++) {
            const struct expr *lane = ir_idx(c, l), *e = ir_simplify(c, ir_subst(c, r->index[d], 1, &rd->m->lane_number, &lane), NULL);
            if (e->op != OP_INT || e->val.i < 0 || e->val.i + (d == t->ndim - 1 ? row : 1) > t->shape[d]) return false;
        }
    return true;
}

/* matrix.4(A, lane%8, lane/8%2, lane/16*16) */
static struct node read_matrix(struct reader *rd)
{
    struct recipe r = {.kind = RCP_MATRIX, .name = "matrix"};
    if (!accept(rd, '.')) return fail(rd, "expected how many: matrix.4(A, ...)");
    struct node n = read_int(rd);
    if (!n.r) return bad;
    r.value = n.r->value;
    if (r.value != 1 && r.value != 2 && r.value != 4) return fail(rd, "1, 2 or 4 matrices are loaded at once");
    if (!read_name(rd, &r.operand)) return bad;
    const struct tensor *t = rd->m->op[r.operand];
    if (meaning_nlanes(rd->m) != 32) return fail(rd, "a matrix is loaded by 32 lanes");
    if (!t->ndim || rd->m->pitch[r.operand][t->ndim - 1] || t->dt == DT_BOOL) return fail(rd, "rows of a matrix lie contiguous");
    const struct expr **index = ARENA_ARRAY(&rd->c->arena, const struct expr *, t->ndim);
    for (int d = 0; d < t->ndim; d++) {
        if (!accept(rd, ',')) return fail(rd, "expected \",\" and an index a dimension");
        index[d] = meaning_index(rd->c, rd->m, &rd->p);
        if (!index[d]) return fail(rd, "expected an index such as lane/8%2");
    }
    r.index = index;
    if (!accept(rd, ')')) return fail(rd, "expected \")\"");
    if (!rows_inside(rd, &r)) return fail(rd, "16 bytes from there are not in the tile for all lanes");
    return finish(rd, r, unknown);
}

/* descriptor(A, 2, 1) */
static struct node read_descriptor(struct reader *rd)
{
    struct recipe r = {.kind = RCP_DESCRIPTOR, .name = "descriptor"};
    if (!read_name(rd, &r.operand)) return bad;
    const struct tensor *t = rd->m->op[r.operand];
    int64_t core = dt_bytes(t->dt);
    for (int i = 0; i < 2; i++) {
        if (!accept(rd, ',')) return fail(rd, "expected \",\" and two dimensions");
        skip_blanks(rd);
        struct node n = read_int(rd);
        if (!n.r) return bad;
        if (n.r->value < 0 || n.r->value >= t->ndim || !rd->m->pitch[r.operand][n.r->value] ||
            rd->m->op_axis[r.operand][n.r->value] >= MEANING_LANE)
            return fail(rd, "expected a dimension with a pitch, of an axis that is no lane's");
        r.dim[i] = (int)n.r->value;
    }
    if (!accept(rd, ')')) return fail(rd, "expected \")\"");
    for (int d = (r.dim[0] > r.dim[1] ? r.dim[0] : r.dim[1]) + 1; d < t->ndim; d++)
        core = rd->m->pitch[r.operand][d] ? 0 : core * t->shape[d];
    if (core != 128 || meaning_nlanes(rd->m) != 128) return fail(rd, "128 lanes read core matrices of 128 bytes");
    return finish(rd, r, type_of(DT_I64));
}

/* Instructions: no directive, which could read files or go on for ever, no label. */
static const char *asm_fault(const char *text)
{
    for (const char *s = text; *s; s++)
        if ((unsigned char)*s < 32 || *s == 127) return "assembly text is one line";
    for (const char *word = text + strspn(text, " ;"); *word; word += strcspn(word, ";"), word += strspn(word, " ;")) {
        size_t n = strcspn(word, " ;");
        if (*word == '.') return "assembly text is instructions, no directive";
        if (word[n - 1] == ':') return "assembly text has no label";
    }
    return NULL;
}

/* asm "template" "constraints" (...).type */
static struct node read_asm(struct reader *rd)
{
    struct node arg[MAX_ARGS];
    struct recipe r = {.kind = RCP_ASM};
    if (!rd->allow_asm) {
        err_set(&rd->c->err, ERR_ASM_REFUSED, rd->at, "the recipe of %s is inline assembly", rd->m->name);
        return bad;
    }
    if (!read_string(rd, &r.name)) return bad;
    const char *fault = asm_fault(r.name);
    if (fault) return fail(rd, fault);
    if (!read_string(rd, &r.constraints)) return bad;
    int narg = read_args(rd, arg), places = 0, given = 0, outputs = 0;
    if (narg < 0) return bad;
    for (int i = 0; i < narg; i++) given += recipe_count(arg[i].r);
    if (!accept(rd, '.')) return fail(rd, "expected the result's type: asm \"...\" \"...\" (...).i32x8");
    if (!read_type(rd, &r.type)) return bad;
    for (const char *s = r.constraints; *s;) { /* an output, the inputs, clobbers */
        places += *s != '~';
        outputs += *s == '=';
        s += strcspn(s, ",");
        s += *s == ',';
    }
    if (places != given + outputs || r.constraints[0] != '=')
        return fail(rd, "the constraints name one output, then each argument, then clobbers: \"=x,x,x,~{flags}\"");
    if (outputs > 1 && outputs != r.type.lanes) return fail(rd, "several outputs are as many lanes of the result");
    if (given > MAX_WORDS) return fail(rd, "too many arguments");
    keep_args(rd, &r, arg, narg);
    return finish(rd, r, r.type);
}

static struct node read_one(struct reader *rd)
{
    skip_blanks(rd);
    if (*rd->p == '@') return read_call(rd);
    if (*rd->p == '-' || (*rd->p >= '0' && *rd->p <= '9')) return read_int(rd);
    const char *begin = rd->p;
    size_t n = word_length(rd);
    if (!n) return fail(rd, "expected a recipe");
    rd->p += n;
    skip_blanks(rd);
    const char *word;
    if (*rd->p == '(' && (word = find_word(bins, ARRAY_LEN(bins), begin, n))) return read_bin(rd, word);
    if (*rd->p == '.' && (word = find_word(convs, ARRAY_LEN(convs), begin, n))) return read_conv(rd, word);
    if (*rd->p == '.' && n == 4 && !memcmp(begin, "part", 4)) return read_part(rd);
    if (*rd->p == '(' && n == 5 && !memcmp(begin, "words", 5)) return read_words(rd);
    if (*rd->p == '.' && n == 6 && !memcmp(begin, "matrix", 6)) return read_matrix(rd);
    if (*rd->p == '(' && n == 10 && !memcmp(begin, "descriptor", 10)) return read_descriptor(rd);
    if (*rd->p == '"' && n == 3 && !memcmp(begin, "asm", 3)) return read_asm(rd);
    int operand = named_operand(rd, begin, n);
    if (operand >= 0) return read_operand(rd, operand);
    rd->p = begin;
    return fail(rd, "neither an operand nor an operation");
}

static struct node read_recipe(struct reader *rd)
{
    if (rd->depth == MAX_DEPTH || ++rd->nodes > MAX_NODES) return fail(rd, "nested too deeply or too long");
    rd->depth++;
    struct node n = read_one(rd);
    rd->depth--;
    return n;
}

bool recipe_loads(const struct recipe *r, int k)
{
    if (r->kind == RCP_OPERAND) return r->operand == k;
    for (int i = 0; i < r->nkid; i++)
        if (recipe_loads(r->kid[i], k)) return true;
    return false;
}

/* ---- in its place ---- */

enum { DESCRIPTOR_UNIT = 16, DESCRIPTOR_REACH = 1 << 18 };

/* The greatest power of two, up to a descriptor's unit, that surely divides the address in bytes. */
static int64_t known_unit(struct ir_ctx *c, const struct expr *load)
{
    const struct buffer *b = load->val.buffer;
    const struct expr *flat = load->nkid == 1 ? load->kid[0] : ir_idx(c, 0);
    for (int d = 0; d < load->nkid && load->nkid > 1; d++)
        flat = ir_add(c, flat, ir_mul(c, load->kid[d], ir_idx(c, buffer_stride(b, d))));
    int64_t m, r;
    ir_modulus(ir_simplify(c, flat, NULL), &m, &r);
    uint64_t bits = ((uint64_t)m | (uint64_t)r) * (uint64_t)dt_bytes(b->dt) | DESCRIPTOR_UNIT;
    return (int64_t)(bits & (0 - bits));
}

static const char *descriptor_misfit(struct ir_ctx *c, const struct meaning *m, const struct recipe *r, const struct expr *const *arg)
{
    const struct buffer *b = arg[r->operand]->val.buffer;
    const char *name = m->op[r->operand]->name;
    int64_t unit = known_unit(c, arg[r->operand]);
    if (b->scope != SCOPE_SHARED)
        return arena_printf(&c->arena, "operand %s (%s) is not in shared memory, where the instruction reads it", name, b->name);
    if (unit < DESCRIPTOR_UNIT)
        return arena_printf(&c->arena, "operand %s (%s) begins at multiples of %lld bytes, the instruction reads at multiples of %d",
                            name, b->name, (long long)unit, DESCRIPTOR_UNIT);
    for (int i = 0; i < 2; i++) {
        int64_t pitch = meaning_step(m, r->operand, r->dim[i], arg);
        if (pitch >= 0 && pitch < DESCRIPTOR_REACH && pitch * dt_bytes(b->dt) < DESCRIPTOR_REACH && pitch * dt_bytes(b->dt) % DESCRIPTOR_UNIT == 0)
            continue;
        return arena_printf(&c->arena, "operand %s (%s) moves by %lld elements with %s: the instruction's pitches are multiples of %d bytes "
                            "below %d", name, b->name, (long long)pitch, m->axis[m->op_axis[r->operand][r->dim[i]]]->name,
                            DESCRIPTOR_UNIT, DESCRIPTOR_REACH);
    }
    return NULL;
}

const char *recipe_misfit(struct ir_ctx *c, const struct meaning *m, const struct recipe *r, const struct expr *const *arg)
{
    const char *why = r->kind == RCP_DESCRIPTOR ? descriptor_misfit(c, m, r, arg) : NULL;
    for (int i = 0; i < r->nkid && !why; i++) why = recipe_misfit(c, m, r->kid[i], arg);
    return why;
}

const struct recipe *recipe_parse(struct ir_ctx *c, const struct meaning *m, const char *text, bool allow_asm,
                                  struct span at)
{
    if (!m || !text || err_is(&c->err)) return NULL;
    struct reader rd = {.c = c, .m = m, .text = text, .p = text, .allow_asm = allow_asm, .at = at};
    struct node n = read_recipe(&rd);
    if (!n.r) return NULL;
    skip_blanks(&rd);
    if (*rd.p) return fail(&rd, "text after the recipe").r;
    if (is_list(n.r)) return fail(&rd, "words and matrices are arguments of a call").r;
    if (n.r->kind == RCP_INT) return fail(&rd, "a number alone is no instruction").r;
    struct type out = whole_type(&rd, 0);
    if (!out.lanes) return NULL;
    if (n.type.lanes && bits_of(n.type) != bits_of(out))
        return fail_types(&rd, "the result's size is not operand 0's", n.type, out).r;
    return n.r;
}
