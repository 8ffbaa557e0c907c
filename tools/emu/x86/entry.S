/* SPDX-License-Identifier: Apache-2.0 */
/* entry.S - the kernel's ways in and out: start, to ring 3, system calls, exceptions. Interrupts are never enabled. */
        .section .text.start, "ax"
        .globl  start
start:  lgdt    gdtr(%rip)
        leaq    stack_top(%rip), %rsp
        pushq   $0x08
        leaq    1f(%rip), %rax
        pushq   %rax
        lretq
1:      movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        call    kernel_main
        .text

/* enter_user(rip, rsp) */
        .globl  enter_user
enter_user:
        pushq   $0x1b
        pushq   %rsi
        pushq   $0x202 & ~0x200                 /* no interrupts there either */
        pushq   $0x23
        pushq   %rdi
        xorl    %edx, %edx                      /* nothing for atexit */
        xorl    %ebp, %ebp
        iretq

/* rcx: return address, r11: flags; Linux keeps all but these and rax */
        .globl  enter_syscall
enter_syscall:
        movq    %rsp, user_rsp(%rip)
        leaq    stack_top(%rip), %rsp
        pushq   %rcx
        pushq   %r11
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        pushq   %r10
        pushq   %r8
        pushq   %r9
        movq    %r8, %r9
        movq    %r10, %r8
        movq    %rdx, %rcx
        movq    %rsi, %rdx
        movq    %rdi, %rsi
        movq    %rax, %rdi
        call    kernel_syscall                  /* (number, five arguments) */
        popq    %r9
        popq    %r8
        popq    %r10
        popq    %rdx
        popq    %rsi
        popq    %rdi
        popq    %r11
        popq    %rcx
        movq    user_rsp(%rip), %rsp
        sysretq

/* A table of 22 stubs of 16 bytes: vector, error code; kernel_fault(frame, address) may change frame's rip and return. */
        .balign 16
        .globl  exception_stub
exception_stub:
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21
        .balign 16
        .if     !(\n == 8 || \n >= 10 && \n <= 14 || \n == 17 || \n == 21)
        pushq   $0
        .endif
        pushq   $\n
        jmp     1f
        .endr
1:      pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        leaq    72(%rsp), %rdi
        movq    %cr2, %rsi
        call    kernel_fault
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        addq    $16, %rsp
        iretq

        .data
        .balign 16
        .globl  gdt
gdt:    .quad   0
        .quad   0x00af9b000000ffff              /* 08 kernel code */
        .quad   0x00cf93000000ffff              /* 10 kernel data */
        .quad   0x00cff3000000ffff              /* 18 user data: sysret's base + 8 */
        .quad   0x00affb000000ffff              /* 20 user code: sysret's base + 16 */
        .quad   0, 0                            /* 28 task state */
gdtr:   .word   gdtr - gdt - 1
        .quad   gdt
user_rsp: .quad 0
        .bss
        .balign 16
        .skip   65536
        .globl  stack_top
stack_top:
