/* SPDX-License-Identifier: Apache-2.0 */
/* ort_model.c - one layer as an ONNX file: a protocol buffer of one node and its constants, written by hand.
 *
 * Convolutions are com.microsoft's QLinearConv with channels_last, which reads and writes NHWC as everybody else here;
 * dense layers are its QGemm, the one with a bias. All scales are 1 but the weights', which then are the
 * requantisation's. */
#include "tools/bench/bench.h"

#include <stdlib.h>
#include <string.h>

enum { FLOAT = 1, UINT8 = 2, INT8 = 3, INT32 = 6 };     /* TensorProto.DataType */

struct bytes {
    uint8_t *at;
    size_t n, room;
    bool failed;
};

static void put(struct bytes *b, const void *from, size_t n)
{
    if (b->n + n > b->room && !b->failed) {
        size_t room = (b->n + n) * 2;
        uint8_t *more = realloc(b->at, room);
        b->failed = !more;
        if (more) {
            b->at = more;
            b->room = room;
        }
    }
    if (b->failed) return;
    if (n) memcpy(b->at + b->n, from, n);
    b->n += n;
}

static void put_varint(struct bytes *b, uint64_t v)
{
    uint8_t byte[10];
    int n = 0;
    for (; v >= 128; v >>= 7) byte[n++] = (uint8_t)(v | 128);
    byte[n++] = (uint8_t)v;
    put(b, byte, (size_t)n);
}

static void field_int(struct bytes *b, int number, int64_t v)
{
    put_varint(b, (uint64_t)number << 3);
    put_varint(b, (uint64_t)v);
}

static void field_bytes(struct bytes *b, int number, const void *at, size_t n)
{
    put_varint(b, (uint64_t)number << 3 | 2);
    put_varint(b, n);
    put(b, at, n);
}

static void field_text(struct bytes *b, int number, const char *s) { field_bytes(b, number, s, strlen(s)); }

/* A message inside another: takes `in` and releases it. */
static void field_message(struct bytes *b, int number, struct bytes *in)
{
    field_bytes(b, number, in->at, in->n);
    b->failed |= in->failed;
    free(in->at);
    *in = (struct bytes){0};
}

static void constant(struct bytes *graph, const char *name, int type, int ndim, const int64_t *dims, const void *at,
                     size_t n)
{
    struct bytes t = {0};
    for (int i = 0; i < ndim; i++) field_int(&t, 1, dims[i]);
    field_int(&t, 2, type);
    field_text(&t, 8, name);
    field_bytes(&t, 9, at, n);
    field_message(graph, 5, &t);
}

static void port(struct bytes *graph, int number, const char *name, int ndim, const int64_t *dims)
{
    struct bytes info = {0}, type = {0}, tensor = {0}, shape = {0}, dim = {0};
    for (int i = 0; i < ndim; i++) {
        field_int(&dim, 1, dims[i]);
        field_message(&shape, 1, &dim);
    }
    field_int(&tensor, 1, UINT8);
    field_message(&tensor, 2, &shape);
    field_message(&type, 1, &tensor);
    field_text(&info, 1, name);
    field_message(&info, 2, &type);
    field_message(graph, number, &info);
}

static void attribute(struct bytes *node, const char *name, int n, const int64_t *v)
{
    struct bytes a = {0};
    field_text(&a, 1, name);
    for (int i = 0; i < n; i++) field_int(&a, n == 1 ? 3 : 8, v[i]);
    field_int(&a, 20, n == 1 ? 2 : 7);
    field_message(node, 5, &a);
}

static void operation(struct bytes *graph, const struct layer *l)
{
    /* The two operators take the same arguments in another order. */
    static const char *const conv[] = {"x", "one", "zero", "w", "ws", "wz", "one", "zero", "b"};
    static const char *const gemm[] = {"x", "one", "zero", "w", "ws", "wz", "b", "one", "zero"};
    struct bytes node = {0};
    for (int i = 0; i < 9; i++) field_text(&node, 1, l->dense ? gemm[i] : conv[i]);
    field_text(&node, 2, "y");
    field_text(&node, 3, "layer");
    field_text(&node, 4, l->dense ? "QGemm" : "QLinearConv");
    field_text(&node, 7, "com.microsoft");
    if (!l->dense) {
        attribute(&node, "channels_last", 1, (int64_t[]){1});
        attribute(&node, "group", 1, (int64_t[]){l->g});
        attribute(&node, "kernel_shape", 2, (int64_t[]){l->kh, l->kw});
        attribute(&node, "strides", 2, (int64_t[]){l->sh, l->sw});
        attribute(&node, "pads", 4, (int64_t[]){l->ph, l->pw, l->ph, l->pw});
    }
    field_message(graph, 1, &node);
}

static bool weights(struct bytes *graph, const struct layer *l, const struct data *d, bool u8)
{
    size_t taps = (size_t)l->kh * l->kw, cg = (size_t)(l->c / l->g), n = layer_weights(l);
    uint8_t *w = malloc(n);
    if (!w) return false;
    for (size_t i = 0; i < n; i++) { /* from O KH KW C/G: to O C/G KH KW, or K N */
        size_t c = i % cg, tap = i / cg % taps, o = i / (cg * taps);
        size_t to = l->dense ? c * (size_t)l->o + o : (o * cg + c) * taps + tap;
        w[to] = (uint8_t)(d->w[i] ^ (u8 ? 0x80 : 0));
    }
    int64_t dense[] = {l->c, l->o}, conv[] = {l->o, (int64_t)cg, l->kh, l->kw};
    constant(graph, "w", u8 ? UINT8 : INT8, l->dense ? 2 : 4, l->dense ? dense : conv, w, n);
    memset(w, u8 ? 128 : 0, (size_t)l->o);
    constant(graph, "wz", u8 ? UINT8 : INT8, 1, (int64_t[]){l->o}, w, (size_t)l->o);
    free(w);
    return true;
}

uint8_t *ort_model(const struct layer *l, const struct data *d, bool u8_weights, size_t *size)
{
    struct bytes model = {0}, graph = {0}, set = {0};
    const int64_t channels[] = {l->o};
    operation(&graph, l);
    field_text(&graph, 2, "bench");
    constant(&graph, "one", FLOAT, 0, NULL, &(float){1}, sizeof(float));
    constant(&graph, "zero", UINT8, 0, NULL, &(uint8_t){0}, 1);
    constant(&graph, "ws", FLOAT, 1, channels, d->scale, (size_t)l->o * sizeof(float));
    constant(&graph, "b", INT32, 1, channels, d->bias, (size_t)l->o * sizeof(int32_t));
    bool ok = weights(&graph, l, d, u8_weights);
    if (l->dense) {
        port(&graph, 11, "x", 2, (int64_t[]){l->h, l->c});
        port(&graph, 12, "y", 2, (int64_t[]){l->h, l->o});
    } else {
        port(&graph, 11, "x", 4, (int64_t[]){l->n, l->h, l->w, l->c});
        port(&graph, 12, "y", 4, (int64_t[]){l->n, layer_oh(l), layer_ow(l), l->o});
    }
    field_int(&model, 1, 8); /* ir_version */
    field_message(&model, 7, &graph);
    field_text(&set, 1, "");
    field_int(&set, 2, 13);
    field_message(&model, 8, &set);
    field_text(&set, 1, "com.microsoft");
    field_int(&set, 2, 1);
    field_message(&model, 8, &set);
    if (!ok || model.failed) {
        free(model.at);
        return NULL;
    }
    *size = model.n;
    return model.at;
}
