# The probe's whole guest: shows that loops, fork, exec and system calls work, prints the marker, powers off.
# Assembled by: as guest.s -o guest.o && objcopy -O binary -j .text guest.o guest.bin; the bytes are in guest.rs.
.intel_syntax noprefix
.globl _start
_start:
    mov rbx, [rsp]          # argc
    cmp rbx, 1
    je done                 # the executed copy has no marker: it only ends
    mov r12, [rsp+16]       # argv[1]: the marker
    mov ecx, 5000000
1:  dec ecx
    jnz 1b
    mov r13d, 3
again:
    mov eax, 57             # fork
    syscall
    test eax, eax
    jnz parent
    push 0                  # argv = { name, 0 }, no environment
    lea rdi, [rip+name]
    push rdi
    mov rsi, rsp
    xor edx, edx
    mov eax, 59             # execve
    syscall
    jmp fail
parent:
    mov edi, -1
    push 0
    mov rsi, rsp
    xor edx, edx
    xor r10d, r10d
    mov eax, 61             # wait4
    syscall
    pop rax
    test eax, eax
    jnz fail
    dec r13d
    jnz again
    xor edx, edx            # length of the marker
2:  cmp byte ptr [r12+rdx], 0
    je 3f
    inc edx
    jmp 2b
3:  mov byte ptr [r12+rdx], 10
    inc edx
    mov rsi, r12
    mov edi, 1
    mov eax, 1              # write
    syscall
off:
    mov edi, 0xfee1dead
    mov esi, 672274793
    mov edx, 0x4321fedc     # power off
    mov eax, 169            # reboot
    syscall
fail:
    mov edi, 1
    jmp leave
done:
    xor edi, edi
leave:
    mov eax, 60             # exit
    syscall
name: .asciz "/init"
