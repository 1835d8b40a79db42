/* SPDX-License-Identifier: MIT */
/*
 * lab-vtx-shim.c - a Multiboot kernel that starts an ELF vmlinux through its PVH entry.
 *
 * GRUB loads this shim, the kernel and the initramfs as modules; the shim moves both to the top of
 * memory, places the kernel's segments and jumps to the entry that its Xen note names. An emulated
 * processor is so spared the kernel's own decompression, which takes minutes when xz is interpreted.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned u32;
typedef unsigned long long u64;

/* Multiboot 1 header; flag 2: we want the memory map. */
__asm__(".section .text.start,\"ax\"\n"
	".align 4\n"
	".long 0x1badb002, 2, -(0x1badb002 + 2)\n"
	".globl _start\n"
	"_start: cld\n"
	"	mov $stack+8192, %esp\n"
	"	push %ebx\n"
	"	call cmain\n"
	"1:	hlt\n"
	"	jmp 1b\n"
	".text\n");

u8 stack[8192];

struct mbi {
	u32 flags, mem_lower, mem_upper, bootdev, cmdline, nmods, mods, syms[4], mmap_len, mmap;
};

struct mb_module {
	u32 start, end, string, pad;
};

struct mb_mmap {
	u32 size;
	u64 addr, len;
	u32 type;
} __attribute__((packed));

struct ehdr {
	u8 id[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum;
} __attribute__((packed));

struct phdr {
	u32 type, flags;
	u64 off, va, pa, filesz, memsz, align;
} __attribute__((packed));

/* Xen's hvm_start_info, its module list and its memory map (xen/include/public/arch-x86/hvm/start_info.h). */
static struct {
	u32 magic, version, flags, nmods;
	u64 mods, cmdline, rsdp, memmap;
	u32 nmap, pad;
} start_info;

static struct {
	u64 pa, size, cmdline, pad;
} initrd;

static struct {
	u64 addr, size;
	u32 type, pad;
} map[64];

static char cmdline[2048];

/* Copy, lowest address first. */
static void move_up(u8 *d, const u8 *s, u32 n)
{
	u32 rest = n & 3;

	n >>= 2;
	__asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(rest) : : "memory");
}

/* Copy, highest address first. */
static void move_down(u8 *d, const u8 *s, u32 n)
{
	n = (n + 3) / 4;
	d += n * 4 - 4;
	s += n * 4 - 4;
	__asm__ volatile("std; rep movsl; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
}

static void move(u32 d, u32 s, u32 n)
{
	if (d <= s)
		move_up((u8 *)d, (u8 *)s, n);
	else
		move_down((u8 *)d, (u8 *)s, n);
}

static void zero(u32 d, u32 n)
{
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(0) : "memory");
}

static void say(const char *s)
{
	for (; *s; s++)
		__asm__ volatile("outb %%al,%%dx" : : "a"(*s), "d"(0x3f8));
}

/* Turn Multiboot's memory map into PVH's; returns the end of the memory below 2 GiB. */
static u32 take_map(const struct mbi *m)
{
	u32 n = 0, top = 0;

	for (u32 p = m->mmap; p < m->mmap + m->mmap_len && n < 64; n++) {
		const struct mb_mmap *e = (const void *)p;

		map[n].addr = e->addr;
		map[n].size = e->len;
		map[n].type = e->type;
		if (e->type == 1 && e->addr < 0x80000000 && e->addr + e->len > top)
			top = e->addr + e->len;
		p += e->size + 4;
	}
	start_info.nmap = n;
	start_info.memmap = (u32)map;
	return top;
}

/* The entry that note segment @p names: "Xen", XEN_ELFNOTE_PHYS32_ENTRY; or 0. */
static u32 note_entry(u32 image, const struct phdr *p)
{
	for (u32 o = 0; o + 12 < p->filesz;) {
		const u32 *q = (const u32 *)(image + (u32)p->off + o);

		if (q[2] == 18 && q[0] == 4 && q[3] == 0x6e6558)
			return q[4];
		o += 12 + ((q[0] + 3) & ~3) + ((q[1] + 3) & ~3);
	}
	return 0;
}

/* Place the segments of the ELF file at @image, below @limit; returns its PVH entry or 0. */
static u32 load(u32 image, u32 limit)
{
	const struct ehdr *e = (const void *)image;
	const struct phdr *p = (const void *)(image + (u32)e->phoff);
	u32 entry = 0;

	if (*(const u32 *)e->id != 0x464c457f) {
		say("shim: not an ELF\n");
		return 0;
	}
	for (u32 i = 0; i < e->phnum; i++) {
		if (p[i].type == 4 && !entry)
			entry = note_entry(image, &p[i]);
		if (p[i].type != 1)
			continue;
		if (p[i].pa + p[i].memsz > limit) {
			say("shim: too little memory\n");
			return 0;
		}
		move_up((u8 *)(u32)p[i].pa, (u8 *)image + (u32)p[i].off, p[i].filesz);
		zero((u32)p[i].pa + (u32)p[i].filesz, p[i].memsz - p[i].filesz);
	}
	if (!entry)
		say("shim: no PVH entry\n");
	return entry;
}

void cmain(const struct mbi *m)
{
	const struct mb_module *mod = (const void *)m->mods;
	u32 len[2], to[2], first, at, entry;

	if (m->nmods < 2) {
		say("shim: two modules wanted\n");
		return;
	}
	if (m->flags & 4) {
		const char *s = (const char *)m->cmdline;

		for (u32 n = 0; *s && n < sizeof(cmdline) - 1;)
			cmdline[n++] = *s++;
	}
	/* Both modules to the top of memory, out of the kernel's way, the higher one first. */
	at = take_map(m) & ~0xfff;
	first = mod[1].start > mod[0].start;
	for (int i = 0; i < 2; i++) {
		u32 j = i ? !first : first;

		len[j] = mod[j].end - mod[j].start;
		at = (at - len[j] - 4) & ~0xfff;
		to[j] = at;
		move(at, mod[j].start, len[j]);
	}
	entry = load(to[0], at);
	if (!entry)
		return;
	for (u32 a = 0xe0000; a < 0x100000; a += 16) {
		if (*(u64 *)a == 0x2052545020445352ull) {	/* "RSD PTR " */
			start_info.rsdp = a;
			break;
		}
	}
	initrd.pa = to[1];
	initrd.size = len[1];
	start_info.magic = 0x336ec578;
	start_info.version = 1;
	start_info.nmods = 1;
	start_info.mods = (u32)&initrd;
	start_info.cmdline = (u32)cmdline;
	__asm__ volatile("jmp *%0" : : "r"(entry), "b"(&start_info));
}
