/* SPDX-License-Identifier: MIT */
/*
 * isa.c - which extensions a guest's processors have, by KVM's registers, and their names.
 *
 * What KVM switches on and this table does not know is not told to the guest, which
 * then does not use it. KVM never shows the hypervisor extension to a guest.
 */
#include <string.h>

#include "arch/riscv64/isa_priv.h"
#include "arch/riscv64/one_reg_priv.h"

#define EXT(id, name)	{ KVM_RISCV_ISA_EXT_##id, name }

/* In the order of riscv,isa: single letters as the specification orders them, then by the alphabet. */
static const struct {
	uint32_t id;
	const char *name;
} names[] = {
	EXT(I, "i"), EXT(M, "m"), EXT(A, "a"), EXT(F, "f"), EXT(D, "d"), EXT(C, "c"), EXT(V, "v"),
	EXT(ZICBOM, "zicbom"), EXT(ZICBOZ, "zicboz"), EXT(ZICNTR, "zicntr"), EXT(ZICOND, "zicond"),
	EXT(ZICSR, "zicsr"), EXT(ZIFENCEI, "zifencei"), EXT(ZIHINTNTL, "zihintntl"),
	EXT(ZIHINTPAUSE, "zihintpause"), EXT(ZIHPM, "zihpm"), EXT(ZIMOP, "zimop"),
	EXT(ZACAS, "zacas"), EXT(ZAWRS, "zawrs"), EXT(ZFA, "zfa"), EXT(ZFH, "zfh"),
	EXT(ZFHMIN, "zfhmin"), EXT(ZCA, "zca"), EXT(ZCB, "zcb"), EXT(ZCD, "zcd"),
	EXT(ZCMOP, "zcmop"), EXT(ZBA, "zba"), EXT(ZBB, "zbb"), EXT(ZBC, "zbc"),
	EXT(ZBKB, "zbkb"), EXT(ZBKC, "zbkc"), EXT(ZBKX, "zbkx"), EXT(ZBS, "zbs"),
	EXT(ZKND, "zknd"), EXT(ZKNE, "zkne"), EXT(ZKNH, "zknh"), EXT(ZKR, "zkr"),
	EXT(ZKSED, "zksed"), EXT(ZKSH, "zksh"), EXT(ZKT, "zkt"), EXT(ZTSO, "ztso"),
	EXT(ZVBB, "zvbb"), EXT(ZVBC, "zvbc"), EXT(ZVFH, "zvfh"), EXT(ZVFHMIN, "zvfhmin"),
	EXT(ZVKB, "zvkb"), EXT(ZVKG, "zvkg"), EXT(ZVKNED, "zvkned"), EXT(ZVKNHA, "zvknha"),
	EXT(ZVKNHB, "zvknhb"), EXT(ZVKSED, "zvksed"), EXT(ZVKSH, "zvksh"), EXT(ZVKT, "zvkt"),
	EXT(SMSTATEEN, "smstateen"), EXT(SSAIA, "ssaia"), EXT(SSCOFPMF, "sscofpmf"),
	EXT(SSTC, "sstc"), EXT(SVINVAL, "svinval"), EXT(SVNAPOT, "svnapot"), EXT(SVPBMT, "svpbmt"),
};

#define NR_NAMES	(sizeof(names) / sizeof(names[0]))

static bool has(const struct riscv_cpu *cpu, uint32_t id)
{
	return cpu->extensions[id / 64] >> (id % 64) & 1;
}

int vmm__riscv_cpu_read(int vcpu_fd, struct riscv_cpu *ret_cpu)
{
	struct riscv_cpu cpu = { .timebase = 0 };
	uint64_t on;
	int r = vmm__riscv_get(vcpu_fd, RISCV_TIMER(frequency), &cpu.timebase);

	if (r < 0)
		return r;
	/* Older than the register: what every such KVM has. */
	if (!vmm__riscv_has(vcpu_fd, RISCV_CONFIG(satp_mode), &cpu.satp_mode))
		cpu.satp_mode = 8;
	(void)vmm__riscv_has(vcpu_fd, RISCV_CONFIG(zicbom_block_size), &cpu.zicbom_block_size);
	(void)vmm__riscv_has(vcpu_fd, RISCV_CONFIG(zicboz_block_size), &cpu.zicboz_block_size);
	for (size_t i = 0; i < NR_NAMES; i++) {
		if (vmm__riscv_has(vcpu_fd, RISCV_ISA_EXT(names[i].id), &on) && on)
			cpu.extensions[names[i].id / 64] |= 1ull << (names[i].id % 64);
	}

	*ret_cpu = cpu;
	return 0;
}

size_t vmm__riscv_isa_string(const struct riscv_cpu *cpu, char isa[RISCV_ISA_BYTES])
{
	size_t length = 4;

	memcpy(isa, "rv64", length);
	for (size_t i = 0; i < NR_NAMES; i++) {
		size_t n = strlen(names[i].name);

		if (!has(cpu, names[i].id))
			continue;
		if (n > 1)
			isa[length++] = '_';
		memcpy(isa + length, names[i].name, n);
		length += n;
	}
	isa[length] = 0;
	return length;
}

size_t vmm__riscv_isa_list(const struct riscv_cpu *cpu, char list[RISCV_ISA_BYTES])
{
	size_t bytes = 0;

	for (size_t i = 0; i < NR_NAMES; i++) {
		size_t n = strlen(names[i].name) + 1;

		if (!has(cpu, names[i].id))
			continue;
		memcpy(list + bytes, names[i].name, n);
		bytes += n;
	}
	return bytes;
}

const char *vmm__riscv_mmu_type(const struct riscv_cpu *cpu)
{
	switch (cpu->satp_mode) {
	case 8:
		return "riscv,sv39";
	case 9:
		return "riscv,sv48";
	case 10:
		return "riscv,sv57";
	default:
		return NULL;
	}
}
