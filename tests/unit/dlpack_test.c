/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors as DLPack: the structs are its own, memory comes in and goes out without a copy, owners let go in any order,
 * strides are honoured where a copy is made and refused by name at a kernel's door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dlpack/dlpack.h>

#include "runtime/dlpack.h"

#define SAME_IN(ours, a, theirs, b) \
    _Static_assert(offsetof(ours, a) == offsetof(theirs, b) \
                       && sizeof(((ours *)0)->a) == sizeof(((theirs *)0)->b), "DLPack's layout")
#define SAME(a, b) SAME_IN(qj_tensor, a, DLTensor, b)
_Static_assert(sizeof(qj_tensor) == sizeof(DLTensor), "DLPack's size");
SAME(data, data);
SAME(device, device);
SAME(device.type, device.device_type);
SAME(device.id, device.device_id);
SAME(ndim, ndim);
SAME(dtype, dtype);
SAME(dtype.code, dtype.code);
SAME(dtype.bits, dtype.bits);
SAME(dtype.lanes, dtype.lanes);
SAME(shape, shape);
SAME(strides, strides);
SAME(byte_offset, byte_offset);
_Static_assert(sizeof(struct dl_managed) == sizeof(DLManagedTensor), "DLPack's size");
SAME_IN(struct dl_managed, t, DLManagedTensor, dl_tensor);
SAME_IN(struct dl_managed, manager_ctx, DLManagedTensor, manager_ctx);
SAME_IN(struct dl_managed, deleter, DLManagedTensor, deleter);

/* DLPack 1.0, which headers before it do not have. */
#if DLPACK_VERSION <= 80 && !defined(DLPACK_MAJOR_VERSION)
typedef struct { uint32_t major, minor; } DLPackVersion;
typedef struct DLManagedTensorVersioned {
    DLPackVersion version;
    void *manager_ctx;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    DLTensor dl_tensor;
} DLManagedTensorVersioned;
#endif
_Static_assert(sizeof(struct dl_versioned) == sizeof(DLManagedTensorVersioned), "DLPack's size");
SAME_IN(struct dl_versioned, version.minor, DLManagedTensorVersioned, version.minor);
SAME_IN(struct dl_versioned, manager_ctx, DLManagedTensorVersioned, manager_ctx);
SAME_IN(struct dl_versioned, deleter, DLManagedTensorVersioned, deleter);
SAME_IN(struct dl_versioned, flags, DLManagedTensorVersioned, flags);
SAME_IN(struct dl_versioned, t, DLManagedTensorVersioned, dl_tensor);

static void count_deleted(DLManagedTensor *m) { ++*(int *)m->manager_ctx; }
static void count_deleted_versioned(DLManagedTensorVersioned *m) { ++*(int *)m->manager_ctx; }

static void test_import(void **state)
{
    (void)state;
    int8_t data[64];
    int deleted = 0;
    int64_t shape[] = {3, 4}, strides[] = {16, -2};
    DLManagedTensor m = {{data, {kDLCPU, 0}, 2, {kDLInt, 8, 1}, shape, strides, 8}, &deleted, count_deleted};
    qj_tensor *t = qj_tensor_from_dlpack(&m);
    assert_non_null(t);
    assert_ptr_equal(t->data, data);
    assert_ptr_equal(qj_tensor_data(t), data + 8);
    assert_true(t->ndim == 2 && t->shape[1] == 4 && t->strides[0] == 16 && t->strides[1] == -2);
    assert_int_equal(qj_tensor_bytes(t), 12);
    qj_tensor_free(t);
    assert_int_equal(deleted, 1);
    m.dl_tensor.strides = NULL, m.dl_tensor.ndim = 0, m.dl_tensor.shape = NULL, m.deleter = NULL;
    t = qj_tensor_from_dlpack(&m);
    assert_true(t && !t->strides && qj_tensor_bytes(t) == 1);
    qj_tensor_free(t);
    /* refused: it stays the caller's */
    m.deleter = count_deleted, m.dl_tensor.ndim = 2, m.dl_tensor.shape = shape;
    shape[0] = -1;
    assert_null(qj_tensor_from_dlpack(&m));
    shape[0] = 3, m.dl_tensor.ndim = 17;
    assert_null(qj_tensor_from_dlpack(&m));
    m.dl_tensor.ndim = 1, m.dl_tensor.shape = NULL;
    assert_null(qj_tensor_from_dlpack(&m));
    assert_null(qj_tensor_from_dlpack(NULL));
    assert_int_equal(deleted, 1);
}

static void test_import_versioned(void **state)
{
    (void)state;
    int32_t data[4] = {1, 2, 3, 4};
    int deleted = 0;
    int64_t shape[] = {4};
    DLManagedTensorVersioned m = {{1, 7}, &deleted, count_deleted_versioned, 1,
                                  {data, {kDLCPU, 0}, 1, {kDLInt, 32, 1}, shape, NULL, 0}};
    qj_tensor *in = qj_tensor_from_dlpack_versioned(&m), *out = qj_tensor_new(QJ_I32, 1, shape);
    assert_true(in && in->device.id == QJ_READ_ONLY && in->data == data);
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, "input A[i:4] : i32; B[i] : i32 = A[i] * 3");
    qj_kernel *k = qj_build(q);
    assert_non_null(k);
    char why[200] = "";
    qj_call o = {.size = sizeof o, .why = why, .why_size = sizeof why};
    assert_true(qj_kernel_call(k, (qj_tensor *[]){in, out}, 2, &o));
    assert_int_equal(((int32_t *)out->data)[3], 12);
    assert_false(qj_kernel_call(k, (qj_tensor *[]){out, in}, 2, &o));
    assert_string_equal(why, "B is an output, and the tensor is read-only");
    assert_int_equal(data[3], 4);
    /* out again: it says that it is read-only, or does not go */
    assert_null(qj_tensor_to_dlpack(in));
    DLManagedTensorVersioned *v = qj_tensor_to_dlpack_versioned(in);
    assert_true(v && v->version.major == 1 && v->flags == 1 && v->dl_tensor.device.device_id == 0);
    qj_tensor_free(in);
    assert_int_equal(deleted, 0);
    v->deleter(v);
    assert_int_equal(deleted, 1);
    m.flags = 2; /* a copy, which may be written */
    in = qj_tensor_from_dlpack_versioned(&m);
    assert_int_equal(in->device.id, 0);
    assert_true(qj_kernel_call(k, (qj_tensor *[]){out, in}, 2, &o));
    assert_int_equal(data[3], 36);
    qj_tensor_free(in);
    assert_int_equal(deleted, 2);
    m.version.major = 2;
    assert_null(qj_tensor_from_dlpack_versioned(&m));
    assert_null(qj_tensor_from_dlpack_versioned(NULL));
    assert_int_equal(deleted, 2);
    qj_tensor_free(out);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

static void test_export(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        qj_tensor *t = qj_tensor_new(QJ_U8, 3, (int64_t[]){2, 3, 4});
        void *data = t->data;
        t->byte_offset = 5;
        DLManagedTensor *m = qj_tensor_to_dlpack(t), *second = qj_tensor_to_dlpack(t);
        assert_ptr_equal(m->dl_tensor.data, (char *)data + 5);
        assert_true(m->dl_tensor.byte_offset == 0 && m->dl_tensor.ndim == 3 && m->dl_tensor.dtype.code == kDLUInt
                    && m->dl_tensor.device.device_type == kDLCPU);
        assert_true(m->dl_tensor.strides[0] == 12 && m->dl_tensor.strides[1] == 4 && m->dl_tensor.strides[2] == 1);
        t->shape[0] = 9; /* the host's own struct; what was handed out stays */
        assert_int_equal(m->dl_tensor.shape[0], 2);
        if (first) qj_tensor_free(t);
        second->deleter(second);
        memset(data, 1, 24); /* still there: AddressSanitizer */
        m->deleter(m);
        if (!first) qj_tensor_free(t);
    }
    /* through and back: the same memory, one release */
    qj_tensor *t = qj_tensor_new(QJ_F32, 0, NULL);
    DLManagedTensor *m = qj_tensor_to_dlpack(t);
    qj_tensor *u = qj_tensor_from_dlpack(m);
    assert_ptr_equal(qj_tensor_data(u), t->data);
    qj_tensor_free(t);
    *(float *)u->data = 1;
    qj_tensor_free(u);
    assert_null(qj_tensor_to_dlpack(NULL));
    assert_null(qj_tensor_to_dlpack_versioned(NULL));
}

static void test_dense(void **state)
{
    (void)state;
    int16_t data[64];
    for (int i = 0; i < 64; i++) data[i] = (int16_t)(i * 1021 - 32768);
    static const struct { int64_t shape[3], strides[3]; int at; } rows[] = {
        {{2, 3, 4}, {12, 4, 1}, 0},  {{2, 3, 4}, {1, 2, 6}, 0},    {{3, 1, 5}, {-8, INT64_MAX, -1}, 40},
        {{2, 2, 2}, {0, 0, 0}, 7},   {{4, 0, 2}, {1, 1, 1}, 0},    {{2, 3, 4}, {32, -8, 2}, 16},
        {{1, 1, 1}, {5, -9, INT64_MIN}, 63},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        int64_t shape[3], strides[3];
        memcpy(shape, rows[r].shape, sizeof shape);
        memcpy(strides, rows[r].strides, sizeof strides);
        qj_tensor t = {data, {1, 0}, 3, {kDLInt, 16, 1}, shape, strides, (uint64_t)rows[r].at * 2};
        qj_tensor *d = qj_tensor_dense(&t);
        assert_true(d && !d->strides && d->byte_offset == 0);
        int64_t n = 0;
        for (int64_t i = 0; i < shape[0]; i++)
            for (int64_t j = 0; j < shape[1]; j++)
                for (int64_t k = 0; k < shape[2]; k++) {
                    int64_t at = rows[r].at + i * strides[0] + k * strides[2] + (j ? j * strides[1] : 0);
                    if (shape[0] == 1) at = rows[r].at; /* its strides are never used */
                    assert_int_equal(((int16_t *)d->data)[n++], data[at]);
                }
        qj_tensor_free(d);
        t.device.type = 2;
        assert_null(qj_tensor_dense(&t));
        t.device.type = 1, t.dtype.lanes = 2;
        assert_null(qj_tensor_dense(&t));
    }
    assert_null(qj_tensor_dense(NULL));
}

/* A kernel takes dense tensors and says which axis is not; saving and layouts copy, so they take any. */
static void test_strides_at_the_doors(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, "input A[n:1, y:6, x:5] : u8; B[n, y, x] : bool = A[n, y, x] > u8(99)");
    qj_kernel *k = qj_build(q);
    assert_non_null(k);
    int64_t shape[] = {1, 6, 5}, strides[] = {-77, 1, 6};
    uint8_t data[31];
    for (int i = 0; i < 31; i++) data[i] = (uint8_t)(i * 37);
    qj_tensor a = {data, {1, 0}, 3, {kDLUInt, 8, 1}, shape, strides, 1};
    qj_tensor *b = qj_tensor_new(QJ_BOOL, 3, shape);
    assert_true(b->dtype.code == 6 && b->dtype.bits == 8); /* kDLBool */
    char why[200] = "";
    qj_call o = {.size = sizeof o, .why = why, .why_size = sizeof why};
    assert_false(qj_kernel_call(k, (qj_tensor *[]){&a, b}, 2, &o));
    assert_string_equal(why, "A has the stride 1 on axis y, a dense tensor 5; qj_tensor_dense makes a copy");
    qj_tensor *dense = qj_tensor_dense(&a), *again = qj_to_layout(k, 0, &a);
    assert_memory_equal(dense->data, again->data, 30);
    assert_true(qj_kernel_call(k, (qj_tensor *[]){dense, b}, 2, &o));
    for (int y = 0; y < 6; y++)
        for (int x = 0; x < 5; x++) assert_int_equal(((uint8_t *)b->data)[y * 5 + x], data[1 + y + 6 * x] > 99);
    strides[1] = 5, strides[2] = 1; /* an axis of extent 1 may have any stride */
    assert_true(qj_kernel_call(k, (qj_tensor *[]){&a, b}, 2, &o));
    strides[2] = -1;
    assert_false(qj_kernel_call(k, (qj_tensor *[]){&a, b}, 2, &o));
    assert_non_null(strstr(why, "the stride -1 on axis x, a dense tensor 1"));
    a.dtype.lanes = 2;
    assert_false(qj_kernel_call(k, (qj_tensor *[]){&a, b}, 2, &o));
    assert_non_null(strstr(why, "2 lanes"));
    a.dtype.lanes = 1, a.device.type = kDLCUDA;
    assert_false(qj_kernel_call(k, (qj_tensor *[]){&a, b}, 2, &o));
    assert_non_null(strstr(why, "device type 2"));
    a.device.type = 1, a.byte_offset = 5;
    assert_true(qj_tensor_save_npy(q, &a, "dlpack_test.npy"));
    qj_tensor *back = qj_tensor_load_npy(q, "dlpack_test.npy");
    unlink("dlpack_test.npy");
    qj_tensor *want = qj_tensor_dense(&a);
    assert_memory_equal(back->data, want->data, 30);
    qj_tensor_free(back);
    qj_tensor_free(want);
    qj_tensor_free(dense);
    qj_tensor_free(again);
    qj_tensor_free(b);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

/* Random values go into memory of ours that may be written, and nowhere else. */
static void test_fill_refuses(void **state)
{
    (void)state;
    int8_t memory[16] = {0};
    qj_tensor *t = qj_tensor_from_data(QJ_I8, 1, (int64_t[]){16}, memory);
    t->device.id = QJ_READ_ONLY;
    assert_false(qj_tensor_fill(t, 1, 1, 5));
    t->device = (qj_device){2, 0};
    assert_false(qj_tensor_fill(t, 1, 1, 5));
    assert_int_equal(memory[0], 0);
    t->device = (qj_device){1, 0};
    t->data = NULL;
    assert_false(qj_tensor_fill(t, 1, 1, 5));
    assert_null(qj_tensor_dense(t));
    t->data = memory;
    assert_true(qj_tensor_fill(t, 1, 1, 5));
    assert_int_not_equal(memory[0], 0);
    qj_tensor_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import), cmocka_unit_test(test_import_versioned), cmocka_unit_test(test_export),
        cmocka_unit_test(test_dense), cmocka_unit_test(test_strides_at_the_doors),
        cmocka_unit_test(test_fill_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
