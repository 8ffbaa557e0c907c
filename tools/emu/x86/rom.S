/* SPDX-License-Identifier: Apache-2.0 */
/* rom.S - what the emulated PC executes at reset: 64 KiB that end at 4 GiB. To 64-bit mode on an identity map of 4 GiB,
 * then into the kernel at 1 MiB, which is in memory already.
 *
 * Bochs fills the host's memory from the image front to back, but hands out blocks of it to the machine in the order they
 * are touched; so all memory is touched here once, upwards. The blocks of 0xa0000..0xfffff are never handed out. */
        .set    MEMORY, 768 << 20
        .set    PML4, 0x11000
        .set    PDPT, 0x12000
        .set    KERNEL, 0x100000
        .text
        .code16
        .globl  _start
_start:
rom:    cli
        cld
        lgdtl   %cs:(gdtr - rom)
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $0x10, $1f
        .code32
1:      movl    $0x18, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %edi, %edi
2:      movb    (%edi), %al
        addl    $0x10000, %edi
        cmpl    $MEMORY, %edi
        jb      2b
        movl    $PDPT + 3, PML4
        movl    $0x00000083, PDPT               /* pages of 1 GiB */
        movl    $0x40000083, PDPT + 8
        movl    $0x80000083, PDPT + 16
        movl    $0xc0000083, PDPT + 24
        movl    %cr4, %eax
        orl     $0x20, %eax                     /* PAE */
        movl    %eax, %cr4
        movl    $PML4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx               /* EFER: long mode */
        rdmsr
        orl     $0x100, %eax
        wrmsr
        movl    %cr0, %eax
        orl     $0x80000000, %eax               /* paging */
        movl    %eax, %cr0
        ljmpl   $0x20, $3f
        .code64
3:      movl    $KERNEL, %eax
        jmp     *%rax
        .align  16
gdt:    .quad   0, 0
        .quad   0x00cf9b000000ffff              /* 10 32-bit code */
        .quad   0x00cf93000000ffff              /* 18 data */
        .quad   0x00af9b000000ffff              /* 20 64-bit code */
gdtr:   .word   gdtr - gdt - 1
        .long   gdt
        .org    0xfff0
        .code16
        jmp     rom
        .org    0x10000
