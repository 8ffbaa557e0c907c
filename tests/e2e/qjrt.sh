#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libqjrt is small and brings nothing along: the archive's code and data, what it adds to a program that is linked
# statically, and the functions it takes from others, which are listed here one by one.
set -eu
: "${QJ_SRC:?}" "${QJ_BUILD:?}" "${CC:=cc}"
archive=$QJ_BUILD/libqjrt.a
if nm "$archive" | grep -q -e __asan_ -e __ubsan_ -e __tsan_ -e __sanitizer; then echo "skipped: sanitizers are larger"; exit 0; fi
most=51200
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

total() { size -t "$1" | tail -1 | awk '{print $1 + $2 + $3}'; }
[ "$(total "$archive")" -lt $most ] || { size -t "$archive"; echo "the archive has extra than $most bytes of code and data"; exit 1; }

# C library and pthreads, which glibc 2.34 and on holds too.
nm -u "$archive" | awk '$1 == "U" {print $2}' | sort -u >undefined
cat >allowed <<'NAMES'
__errno_location
__sched_cpucount
__stack_chk_fail
getenv
memset
pthread_atfork
pthread_cond_broadcast
pthread_cond_destroy
pthread_cond_init
pthread_cond_signal
pthread_cond_wait
pthread_create
pthread_join
pthread_mutex_init
pthread_mutex_lock
pthread_mutex_unlock
pthread_sigmask
sched_getaffinity
sigfillset
strtol
_GLOBAL_OFFSET_TABLE_
NAMES
sort -u allowed | comm -13 - undefined >extra
if [ -s extra ]; then echo "libqjrt.a refers to others:"; cat extra; exit 1; fi
if nm -g --defined-only "$archive" | awk 'NF == 3 && $3 !~ /^qjrt_/ {print; bad = 1} END {exit !bad}'; then
    echo "libqjrt.a defines names that are not its own"; exit 1
fi

# What it adds to a program that has threads already.
cat >program.c <<'C'
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#ifdef POOL
#include "qjrt.h"
#endif
static int64_t part[64];
static void body(void *ctx, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) part[i] = i * *(int64_t *)ctx;
}
static void *thread(void *arg) { return body(arg, 0, 1), arg; }
int main(void)
{
    int64_t three = 3, sum = 0;
    pthread_t t;
    if (pthread_create(&t, NULL, thread, &three) || pthread_join(t, NULL)) return 1;
#ifdef POOL
    qjrt_set_threads(3);
    if (qjrt_parallel_for(body, &three, 64)) return 1;
    qjrt_shutdown();
#else
    body(&three, 0, 64);
#endif
    for (int i = 0; i < 64; i++) sum += part[i];
    return printf("%d\n", (int)sum) != 5;
}
C
strict="-std=c11 -O2 -Wall -Wextra -pedantic -Werror -I$QJ_SRC/runtime/rt -static"
# shellcheck disable=SC2086  # flags are words
{
    "$CC" $strict program.c -o without -pthread
    "$CC" $strict -DPOOL program.c -o with "$archive" -pthread
}
[ "$(./without)" = 6048 ] && [ "$(./with)" = 6048 ]
grown=$(($(total with) - $(total without)))
[ $grown -lt $most ] || { echo "a static program grows by $grown bytes"; exit 1; }
echo "libqjrt.a: $(total "$archive") bytes of code and data; a static program grows by $grown"
