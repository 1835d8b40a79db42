/* SPDX-License-Identifier: MIT */
/*
 * hypervisor.c - a small hypervisor of one's own on libvmm's low-level interface.
 *
 *	hypervisor [PROGRAM]
 *
 * Runs a flat program in the calling thread: of 16 bits on x86_64, of EL1 without
 * an MMU on aarch64, of supervisor mode without translation on riscv64. Its machine is
 * what is written here and nothing more: memory, a processor, a screen, and a switch that
 * ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libvmm/memory.h>
#include <libvmm/range.h>
#include <libvmm/vcpu.h>
#include <libvmm/vmm.h>

/* Where all is, and without a program of yours: writes "hello" and switches itself off with 0. */
#if defined(__x86_64__)
enum { RAM_BYTES = 640 << 10, RAM = 0, SPACE = VMM_SPACE_PORT, SCREEN = 0xe9, SWITCH = 0xf4 };
enum { START = RAM + 0x1000 };

static const unsigned char hello[] = {
	0xbe, 0x12, 0x10,	/*	mov  si, 0x1012	*/
	0xfc,			/*	cld		*/
	0xac,			/* next: lodsb		*/
	0x84, 0xc0,		/*	test al, al	*/
	0x74, 0x04,		/*	jz   off	*/
	0xe6, SCREEN,		/*	out  0xe9, al	*/
	0xeb, 0xf7,		/*	jmp  next	*/
	0xe6, SWITCH,		/* off:	out  0xf4, al	*/
	0xf4, 0x90, 0x90,	/*	hlt		*/
	'h', 'e', 'l', 'l', 'o', '\n', 0,
};
#elif defined(__aarch64__)
enum { RAM_BYTES = 640 << 10, RAM = 0x40000000, SPACE = VMM_SPACE_MMIO, SCREEN = 0x9000000, SWITCH = 0x9000008 };
enum { START = RAM + 0x1000 };

static const unsigned char hello[] = {
	0x00, 0x01, 0x00, 0x10,	/*	adr  x0, text		*/
	0x01, 0x20, 0xa1, 0xd2,	/*	mov  x1, 0x9000000	*/
	0x02, 0x14, 0x40, 0x38,	/* next: ldrb w2, [x0], 1	*/
	0x62, 0x00, 0x00, 0x34,	/*	cbz  w2, off		*/
	0x22, 0x00, 0x00, 0x39,	/*	strb w2, [x1]		*/
	0xfd, 0xff, 0xff, 0x17,	/*	b    next		*/
	0x22, 0x20, 0x00, 0x39,	/* off:	strb w2, [x1, 8]	*/
	0x00, 0x00, 0x00, 0x14,	/*	b    .			*/
	'h', 'e', 'l', 'l', 'o', '\n', 0,
};
#elif defined(__riscv)
#define RAM	0x80000000u
#define START	(RAM + 0x1000)
enum { RAM_BYTES = 640 << 10, SPACE = VMM_SPACE_MMIO, SCREEN = 0x9000000, SWITCH = 0x9000008 };

static const unsigned char hello[] = {
	0x17, 0x05, 0x00, 0x00,	/*	auipc a0, 0		*/
	0x13, 0x05, 0x85, 0x02,	/*	addi a0, a0, 40		*/
	0xb7, 0x05, 0x00, 0x09,	/*	lui  a1, 0x9000		*/
	0x03, 0x46, 0x05, 0x00,	/* next: lbu a2, 0(a0)		*/
	0x13, 0x05, 0x15, 0x00,	/*	addi a0, a0, 1		*/
	0x63, 0x06, 0x06, 0x00,	/*	beqz a2, off		*/
	0x23, 0x80, 0xc5, 0x00,	/*	sb   a2, 0(a1)		*/
	0x6f, 0xf0, 0x1f, 0xff,	/*	j    next		*/
	0x23, 0x84, 0x05, 0x00,	/* off:	sb   zero, 8(a1)	*/
	0x6f, 0x00, 0x00, 0x00,	/*	j    .			*/
	'h', 'e', 'l', 'l', 'o', '\n', 0,
};
#endif

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, vmm_last_error());
	exit(1);
}

/* A range is answered inside vmm_vcpu_run(): the fast way for devices. */
static void screen_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	putc((int)(value & 0xff), state);
}

static const struct vmm_range_ops screen_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "screen",
	.write = screen_write,
};

static void load(struct vmm *vm, const char *path)
{
	static unsigned char image[RAM_BYTES - 0x1000];
	FILE *file = fopen(path, "rb");
	size_t n = file ? fread(image, 1, sizeof(image), file) : 0;

	if (n == 0) {
		fprintf(stderr, "%s: %s\n", path, !file || ferror(file) ? strerror(errno) : "it is empty");
		exit(1);
	}
	if (vmm_mem_write(vmm_memory(vm), START, image, n) < 0)
		die(path);
	fclose(file);
}

/* Real mode, all segments at 0; or as after reset: at the program's first byte. */
static void begin(struct vmm_vcpu *vcpu)
{
	struct vmm_regs regs = VMM_REGS_INIT;

	if (vmm_vcpu_read_regs(vcpu, &regs) < 0)
		die("registers");
#if defined(__x86_64__)
	regs.x86.cs.base = regs.x86.cs.selector = 0;
	regs.x86.rip = START;
	regs.x86.rsp = START;
#elif defined(__aarch64__)
	regs.aarch64.pc = START;
#elif defined(__riscv)
	regs.riscv64.pc = START;
#endif
	if (vmm_vcpu_write_regs(vcpu, &regs) < 0)
		die("registers");
}

/* What no range answers comes back to us. Returns the status that the guest ended with. */
static int run(struct vmm_vcpu *vcpu)
{
	struct vmm_exit exit = VMM_EXIT_INIT;

	if (vmm_vcpu_attach(vcpu) < 0 || vmm_vcpu_run(vcpu, &exit) < 0)
		die("run");
	vmm_vcpu_detach(vcpu);
	if ((exit.type == VMM_EXIT_PORT || exit.type == VMM_EXIT_MMIO) && exit.address == SWITCH && exit.write)
		return *(unsigned char *)exit.bytes;
	fprintf(stderr, "the guest did what this machine has not: exit %u (KVM %u), address 0x%llx\n",
		exit.type, exit.kvm_reason, (unsigned long long)exit.address);
	return 1;
}

int main(int argc, char **argv)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_range_config screen = VMM_RANGE_CONFIG_INIT;
	struct vmm *vm;
	int status;

	config.ram_bytes = RAM_BYTES;
	config.flags = VMM_F_KVM_ONLY | VMM_F_CALLER_VCPUS;
	if (vmm_create(&config, &vm) < 0)
		die("no guest");
	screen.space = SPACE;
	screen.base = SCREEN;
	screen.length = 1;
	screen.ops = &screen_ops;
	screen.state = stdout;
	if (vmm_add_range(vm, &screen) < 0 ||
	    vmm_mem_write(vmm_memory(vm), START, hello, sizeof(hello)) < 0)
		die("machine");
	if (argc > 1)
		load(vm, argv[1]);
	begin(vmm_vcpu(vm, 0));
	status = run(vmm_vcpu(vm, 0));
	vmm_destroy(vm);
	return status;
}
