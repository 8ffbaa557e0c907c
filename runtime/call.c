/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/call.h"

#include <ffi.h>

bool call_plain(void *entry, int n, void **arg, int *rc)
{
    ffi_type *type[CALL_MAX_ARGS];
    void *value[CALL_MAX_ARGS];
    ffi_cif cif;
    ffi_arg result = 0; /* libffi widens what is narrower than a register */
    if (n > CALL_MAX_ARGS) return false;
    for (int i = 0; i < n; i++) {
        type[i] = &ffi_type_pointer;
        value[i] = &arg[i];
    }
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, (unsigned)n, &ffi_type_sint32, type) != FFI_OK) return false;
    ffi_call(&cif, FFI_FN(entry), &result, value);
    *rc = (int)result;
    return true;
}
