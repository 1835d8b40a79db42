/* SPDX-License-Identifier: MIT */
/*
 * gdb.c - registers in the order of gdb's features for i386:x86-64.
 *
 * The block is walked once, for reading and for writing alike, so that both agree on what lies
 * where. What KVM keeps wider or narrower is converted there.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch_debug_priv.h"
#include "core/error_priv.h"

#define R(name, bits, type)	"<reg name=\"" name "\" bitsize=\"" bits "\" type=\"" type "\"/>\n"
#define R64(name)		R(name, "64", "int64")
#define R32(name)		R(name, "32", "int32")
#define ST(name)		R(name, "80", "i387_ext")
#define FP(name)		"<reg name=\"" name "\" bitsize=\"32\" type=\"int\" group=\"float\"/>\n"
#define XMM(name)		R(name, "128", "vec128")

static const char target[] =
	"<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n"
	"<architecture>i386:x86-64</architecture>\n"
	"<feature name=\"org.gnu.gdb.i386.core\">\n"
	R64("rax") R64("rbx") R64("rcx") R64("rdx") R64("rsi") R64("rdi")
	R("rbp", "64", "data_ptr") R("rsp", "64", "data_ptr")
	R64("r8") R64("r9") R64("r10") R64("r11") R64("r12") R64("r13") R64("r14") R64("r15")
	R("rip", "64", "code_ptr")
	R32("eflags") R32("cs") R32("ss") R32("ds") R32("es") R32("fs") R32("gs")
	ST("st0") ST("st1") ST("st2") ST("st3") ST("st4") ST("st5") ST("st6") ST("st7")
	FP("fctrl") FP("fstat") FP("ftag") FP("fiseg") FP("fioff") FP("foseg") FP("fooff") FP("fop")
	"</feature>\n<feature name=\"org.gnu.gdb.i386.sse\">\n"
	"<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>\n"
	"<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>\n"
	"<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>\n"
	"<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>\n"
	"<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>\n"
	"<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>\n"
	"<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
	"<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
	"<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
	"<field name=\"uint128\" type=\"uint128\"/></union>\n"
	XMM("xmm0") XMM("xmm1") XMM("xmm2") XMM("xmm3") XMM("xmm4") XMM("xmm5") XMM("xmm6") XMM("xmm7")
	XMM("xmm8") XMM("xmm9") XMM("xmm10") XMM("xmm11") XMM("xmm12") XMM("xmm13") XMM("xmm14")
	XMM("xmm15") R("mxcsr", "32", "int")
	"</feature>\n<feature name=\"org.gnu.gdb.i386.segments\">\n"
	R64("fs_base") R64("gs_base")
	"</feature>\n<feature name=\"org.libvmm.x86.control\">\n"
	R64("cr0") R64("cr2") R64("cr3") R64("cr4") R64("cr8") R64("efer")
	"</feature>\n</target>\n";

/* Registers of one size after another. */
static const struct {
	uint32_t count, bytes;
} groups[] = {
	{ 17, 8 },	/* rax to rip */
	{ 7, 4 },	/* eflags, segments */
	{ 8, 10 },	/* st0 to st7 */
	{ 8, 4 },	/* fctrl to fop */
	{ 16, 16 },	/* xmm0 to xmm15 */
	{ 1, 4 },	/* mxcsr */
	{ 8, 8 },	/* fs_base to efer */
};

#define NR_GROUPS	(sizeof(groups) / sizeof(groups[0]))
#define BLOCK_BYTES	(17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 16 * 16 + 4 + 8 * 8)

static const struct arch_gdb gdb = {
	.target = target, .nr_regs = 65, .block_bytes = BLOCK_BYTES,
	.nr_watches = 4, .breakpoint = { 0xcc }, .breakpoint_bytes = 1,
};

const struct arch_gdb *vmm__arch_gdb(void)
{
	return &gdb;
}

bool vmm__arch_gdb_place(uint32_t n, uint32_t *ret_offset, uint32_t *ret_bytes)
{
	uint32_t offset = 0;

	for (size_t i = 0; i < NR_GROUPS; i++) {
		if (n < groups[i].count) {
			*ret_offset = offset + n * groups[i].bytes;
			*ret_bytes = groups[i].bytes;
			return true;
		}
		n -= groups[i].count;
		offset += groups[i].count * groups[i].bytes;
	}
	return false;
}

/* ---- between KVM's structs and the block ---- */

struct block {
	uint8_t *at;
	bool write;			/* to KVM's structs */
};

static void move(struct block *b, void *value, size_t bytes)
{
	if (b->write)
		memcpy(value, b->at, bytes);
	else
		memcpy(b->at, value, bytes);
	b->at += bytes;
}

static void move_general(struct block *b, struct kvm_regs *g, struct kvm_sregs *s)
{
	void *const order[] = {
		&g->rax, &g->rbx, &g->rcx, &g->rdx, &g->rsi, &g->rdi, &g->rbp, &g->rsp, &g->r8, &g->r9,
		&g->r10, &g->r11, &g->r12, &g->r13, &g->r14, &g->r15, &g->rip,
	};
	struct kvm_segment *const segments[] = { &s->cs, &s->ss, &s->ds, &s->es, &s->fs, &s->gs };
	uint32_t word = (uint32_t)g->rflags;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		move(b, order[i], 8);
	move(b, &word, 4);
	if (b->write)
		g->rflags = word;
	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		/* A selector alone says nothing of the segment behind it: it is shown, not set. */
		word = segments[i]->selector;
		move(b, &word, 4);
	}
}

static void move_fpu(struct block *b, struct kvm_fpu *f)
{
	uint32_t tags = 0, none = 0, fctrl = f->fcw, fstat = f->fsw, fop = f->last_opcode;
	uint32_t ip = (uint32_t)f->last_ip, dp = (uint32_t)f->last_dp;

	for (size_t i = 0; i < 8; i++)
		move(b, f->fpr[i], 10);
	/* Two bits for each register: 0 in use, 3 empty. KVM has one, in use. */
	for (unsigned i = 0; i < 8; i++)
		tags |= (f->ftwx >> i & 1) ? 0 : 3u << 2 * i;
	move(b, &fctrl, 4);
	move(b, &fstat, 4);
	move(b, &tags, 4);
	move(b, &none, 4);
	move(b, &ip, 4);
	move(b, &none, 4);
	move(b, &dp, 4);
	move(b, &fop, 4);
	if (b->write) {
		f->fcw = (uint16_t)fctrl;
		f->fsw = (uint16_t)fstat;
		f->last_opcode = (uint16_t)fop;
		f->ftwx = 0;
		for (unsigned i = 0; i < 8; i++)
			f->ftwx |= (uint8_t)((tags >> 2 * i & 3) != 3) << i;
	}
	for (size_t i = 0; i < 16; i++)
		move(b, f->xmm[i], 16);
	move(b, &f->mxcsr, 4);
}

static void move_system(struct block *b, struct kvm_sregs *s)
{
	void *const order[] = { &s->fs.base, &s->gs.base, &s->cr0, &s->cr2, &s->cr3, &s->cr4, &s->cr8, &s->efer };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		move(b, order[i], 8);
}

struct all {
	struct kvm_regs g;
	struct kvm_sregs s;
	struct kvm_fpu f;
};

static int get_all(int vcpu_fd, struct all *all)
{
	/* What KVM leaves unset is compared later. */
	memset(all, 0, sizeof(*all));
	if (ioctl(vcpu_fd, KVM_GET_REGS, &all->g) < 0 || ioctl(vcpu_fd, KVM_GET_SREGS, &all->s) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_FPU, &all->f) < 0)
		return vmm__fail_errno("cannot read a vCPU's registers");
	return 0;
}

static void move_all(struct block *b, struct all *all)
{
	move_general(b, &all->g, &all->s);
	move_fpu(b, &all->f);
	move_system(b, &all->s);
}

int vmm__arch_gdb_read(int vcpu_fd, uint8_t *ret_block)
{
	struct block b = { .at = ret_block };
	struct all all;
	int r = get_all(vcpu_fd, &all);

	if (r == 0)
		move_all(&b, &all);
	return r;
}

int vmm__arch_gdb_write(int vcpu_fd, const uint8_t *block)
{
	uint8_t copy[BLOCK_BYTES];
	struct block b = { .at = copy, .write = true };
	struct all all, old;
	int r = get_all(vcpu_fd, &all);

	if (r < 0)
		return r;
	old = all;
	memcpy(copy, block, sizeof(copy));
	move_all(&b, &all);

	/* Only what was changed: a set of system registers resets more than it says. */
	if ((memcmp(&all.s, &old.s, sizeof(old.s)) != 0 && ioctl(vcpu_fd, KVM_SET_SREGS, &all.s) < 0) ||
	    (memcmp(&all.g, &old.g, sizeof(old.g)) != 0 && ioctl(vcpu_fd, KVM_SET_REGS, &all.g) < 0) ||
	    (memcmp(&all.f, &old.f, sizeof(old.f)) != 0 && ioctl(vcpu_fd, KVM_SET_FPU, &all.f) < 0))
		return vmm__fail_errno("KVM refuses these registers");
	return 0;
}
